"""UndoVerbs: how steps of tasks are taken back, and how a person's last change to the board is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from dreamos_tasks.board import adding
from dreamos_tasks.board.steering import SteeringVerbs
from dreamos_tasks.errors import CannotUndo
from dreamos_tasks.model.event import Event
from dreamos_tasks.model.task import Task

if TYPE_CHECKING:
    from dreamos_tasks.model.episode import Episode
    from dreamos_tasks.model.undone import Undone

WINDOW_EVENTS = 500
MOST_EVENTS = 50_000  # looked back through: what was said longer ago is no longer "the last change"


class UndoVerbs(SteeringVerbs):
    """The verbs that take back."""

    # -- steps

    def begin_undo(self, task_id: str, *, by: str, steps: Sequence[str] = ()) -> Task:
        """Begin to take steps of a task back; none named: all. What is due or under way is gone on with.

        Raises TaskNotFound, IllegalTransition.
        """
        from dreamos_tasks.model.undoing import begin_undo

        with self._transaction() as now:
            return self._save(begin_undo(self.fetch(task_id), by=by, now=now, steps=steps))

    def record_undone(self, task_id: str, step: str, undone: Undone) -> Task:
        """Record what came of taking one step back. Raises TaskNotFound, IllegalTransition."""
        from dreamos_tasks.model.undoing import record_undone

        with self._transaction() as now:
            return self._save(record_undone(self.fetch(task_id), step, undone, now=now))

    def end_undo(self, task_id: str, *, by: str) -> Task:
        """Record that all was tried. Raises TaskNotFound, IllegalTransition."""
        from dreamos_tasks.model.undoing import end_undo

        with self._transaction() as now:
            return self._save(end_undo(self.fetch(task_id), by=by, now=now))

    # -- the last change

    def last_change(self, *, machines: Collection[str] = ()) -> Sequence[Event]:
        """What somebody has said to the board last and nobody has taken back: one event, or those of one `add` or episode.

        `machines`: the names of daemons, whose own doing is passed over. Empty when there is nothing of the kind.
        """
        from dreamos_tasks.model.taking_back import is_spoken, taken_back_by, was_said_with

        gone: set[int] = set()
        found: list[Event] = []
        for event in self._newest_first():
            is_said = is_spoken(event, machines=machines)
            if found and not (was_said_with(event, found[-1]) if is_said else event.at == found[-1].at):
                break
            gone.update(taken_back_by(event))
            if is_said and event.seq not in gone:
                found.append(event)
        return found[::-1]

    def episodes_without(self, changes: Sequence[Event], *, by: str) -> Sequence[Episode]:
        """The episodes that are others once these changes are taken back, as they are then: running again, or stopped."""
        from dreamos_tasks.model import episode as rules

        now = self.clock.now()
        kept = [rules.episode_from_form(form) for form in self.store.all_kept(rules.SHELF).values()]
        pairs = [(episode, rules.without(episode, changes, by=by, now=now)) for episode in kept]
        return [after for before, after in pairs if after != before]

    def take_back(self, changes: Sequence[Event], *, by: str, dry_run: bool = False) -> Sequence[Task]:
        """Take these changes back, all or none; gives the tasks as they are then, or, with `dry_run`, would be.

        An episode that ended with them runs again, one that began with them is stopped.
        Raises CannotUndo when one cannot be, DependencyCycle and InvalidTask when links no longer fit.
        """
        from dreamos_tasks.model.episode import SHELF, episode_to_form
        from dreamos_tasks.model.taking_back import take_back

        if not changes:
            raise CannotUndo(
                "there is no change to take back",
                cause="nobody has added, edited, paused, resumed, cancelled or retried anything, or all of it is taken back",
                fix="dt events shows what has happened",
            )
        with self._transaction() as now, self.store.transaction():  # of its own: several writes, all or none
            decided = []
            for event in changes:
                task = self.fetch(event.task_id)
                change = take_back(task, tuple(self._all_events(task.task_id)), event, by=by, now=now)
                if not task.is_final or not change.task.is_final:
                    adding.check_links(self.store, change.task, now=now)
                decided.append(change)
            if dry_run:
                return [change.task for change in decided]
            for episode in self.episodes_without(changes, by=by):
                self.store.keep(SHELF, episode.episode_id, episode_to_form(episode))
            return [self._save(change) for change in decided]

    def _newest_first(self) -> Iterator[Event]:
        end = self.store.last_seq()
        oldest = max(0, end - MOST_EVENTS)
        while end > oldest:
            begin = max(oldest, end - WINDOW_EVENTS)
            events = self.store.events_after(begin, limit=WINDOW_EVENTS)
            yield from (event for event in reversed(events) if event.seq <= end)
            end = begin
