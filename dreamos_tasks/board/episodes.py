"""Episodes: those of a board: started as tasks, looked at, ended when their tasks are over, or stopped."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from dreamos_tasks.errors import DuplicateTaskId, EpisodeNotFound, EpisodeRunning, InvalidTask
from dreamos_tasks.model import episode as rules
from dreamos_tasks.model.episode import SHELF, Episode, EpisodePlan, EpisodeState
from dreamos_tasks.model.task import FINAL, Task

if TYPE_CHECKING:
    from dreamos_tasks.board.nexus import TaskNexus

PAGE = 1000


class Episodes:
    """One list a board. What changes something is one commit."""

    def __init__(self, nexus: TaskNexus) -> None:
        self._nexus = nexus
        self._store = nexus.store

    def start(self, plan: EpisodePlan, *, by: str) -> Episode:
        """Put all of its tasks on the board, or none. Raises InvalidInput kinds, DuplicateTaskId, EpisodeRunning, Refused."""
        rules.check_plan(plan)
        with self._nexus.together():
            episode_id = self._free_id(plan)
            try:
                tasks = self._nexus.add_tasks(rules.drafts_of(plan, episode_id=episode_id, by=by))
            except DuplicateTaskId as taken:
                fix = f"dt show {taken.task_id} tells what it is; the assignment needs a task_id of its own"
                raise DuplicateTaskId(taken.task_id, fix=fix) from taken
            except InvalidTask as error:
                raise _at_assignment(error, plan) from error
            episode = rules.begun(plan, tasks, episode_id=episode_id, by=by, now=self._nexus.clock.now())
            return self._keep(episode)

    def rehearse(self, plan: EpisodePlan, *, by: str) -> Sequence[Task]:
        """The tasks that starting it would put on the board; nothing is kept. Raises as `start`."""
        tasks: Sequence[Task] = ()
        with suppress(_Rehearsed), self._nexus.together():
            tasks = self.tasks_of(self.start(plan, by=by))
            raise _Rehearsed
        return tasks

    def all(self) -> Sequence[Episode]:
        """Every episode, the newest first."""
        found = map(rules.episode_from_form, self._store.all_kept(SHELF, limit=PAGE).values())
        return sorted(found, key=lambda episode: episode.started_at, reverse=True)

    def get(self, episode_id: str) -> Episode:
        """By its id, or the beginning of one. Raises EpisodeNotFound."""
        form = self._store.kept(SHELF, episode_id)
        if form is None:
            near = list(self._store.all_kept(SHELF, prefix=episode_id, limit=2).values())
            form = near[0] if len(near) == 1 else None
        if form is None:
            raise EpisodeNotFound(episode_id, known=[episode.episode_id for episode in self.all()])
        return rules.episode_from_form(form)

    def tasks_of(self, episode: Episode) -> Sequence[Task]:
        """Its tasks as they are now, in their order; without those that were pruned."""
        found = [self._store.get(task_id) for task_id in episode.task_ids]
        return [task for task in found if task is not None]

    def settle(self, *, by: str) -> Sequence[Episode]:
        """End the episodes whose tasks are all over; gives these."""
        over = []
        for episode in self.all():
            if episode.state is EpisodeState.RUNNING:
                state = rules.state_by(self.tasks_of(episode))
                if state is not EpisodeState.RUNNING:
                    over.append(episode.episode_id)
        return [self._end(episode_id, by=by) for episode_id in over]

    def stop(self, episode_id: str, *, by: str, reason: str = "") -> Episode:
        """Cancel what is not over yet, and end it. Raises EpisodeNotFound, IllegalTransition."""
        with self._nexus.together():
            episode = self.get(episode_id)
            now = self._nexus.clock.now()
            stopped = rules.ended(episode, EpisodeState.STOPPED, by=by, now=now, reason=reason)
            for task in self.tasks_of(episode):
                if task.status not in FINAL:
                    why = reason or f"{episode.episode_id} was stopped"
                    self._nexus.cancel_task(task.task_id, by=by, reason=why, episode=episode.episode_id)
            return self._keep(stopped)

    def _end(self, episode_id: str, *, by: str) -> Episode:
        with self._nexus.verb() as now:
            episode = self.get(episode_id)
            state = rules.state_by(self.tasks_of(episode))
            if state is EpisodeState.RUNNING or episode.state is not EpisodeState.RUNNING:
                return episode  # somebody was faster
            return self._keep(rules.ended(episode, state, by=by, now=now))

    def _free_id(self, plan: EpisodePlan) -> str:
        """Its own; with a number behind it when one of this name is over. Raises EpisodeRunning."""
        base = f"episode-{rules.slug_of(plan.title)}"
        number = 1
        while (form := self._store.kept(SHELF, _numbered(base, number))) is not None:
            if form["state"] == EpisodeState.RUNNING.value:
                raise EpisodeRunning(_numbered(base, number))
            number += 1
        return _numbered(base, number)

    def _keep(self, episode: Episode) -> Episode:
        with self._nexus.verb():
            self._store.keep(SHELF, episode.episode_id, rules.episode_to_form(episode))
            return episode


def _at_assignment(error: InvalidTask, plan: EpisodePlan) -> InvalidTask:
    """What the board says of one of the tasks, said of its assignment: of several, the pointer begins with its place."""
    place, _, rest = error.pointer[1:].partition("/")
    if not place.isdigit():
        return rules.at_assignment(error, plan.assignments[0], plan)
    if int(place) >= len(plan.assignments):
        return error
    error.pointer = f"/{rest}"
    return rules.at_assignment(error, plan.assignments[int(place)], plan)


class _Rehearsed(Exception):
    """Takes back what was rehearsed."""


def _numbered(base: str, number: int) -> str:
    return base if number == 1 else f"{base}-{number}"
