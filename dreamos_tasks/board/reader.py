"""BoardReader: everything that can be asked of a board without changing it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from dreamos_tasks.board import adding
from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Event
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import Status, Task

if TYPE_CHECKING:
    from dreamos_tasks.board.gate_view import GateView
    from dreamos_tasks.model.history import Attempt, StateChange
    from dreamos_tasks.protocols import Clock, TaskStore

STATES = (*(status.value for status in Status), "ready", "blocked", "scheduled", "expired", "lapsed", "rolling_back")
LONGEST_LINE = 1000  # nobody wants to know whether a task is the 1,300th or the 1,400th


class BoardReader:
    """Reads give tasks as they are to be seen: a task whose lease has run out is pending again."""

    def __init__(self, store: TaskStore, clock: Clock) -> None:
        self.store = store
        self.clock = clock

    def get_task_by_id(self, task_id: str) -> Task:
        """The task with this id, or the only one whose id starts so. Raises TaskNotFound, AmbiguousTaskId."""
        return lifecycle.seen_at(self.fetch(task_id), self.clock.now())

    def get_all_tasks(self, *, status: str | None = None, limit: int | None = None) -> Sequence[Task]:
        """All tasks, oldest first, or those of one (kept or derived) state. Raises InvalidInput for a strange state."""
        if status is not None and status not in STATES:
            raise InvalidInput(f"{status!r} is no status", pointer="/status", fix=f"one of: {', '.join(STATES)}")
        return self.find_tasks(TaskQuery(statuses=frozenset({status} if status is not None else ()), limit=limit))

    def find_tasks(self, query: TaskQuery) -> Sequence[Task]:
        """The tasks that fit the query."""
        now = self.clock.now()
        return [lifecycle.seen_at(task, now) for task in self.store.find(query, now=now)]

    def waiting_for(self, task: Task) -> Sequence[str]:
        """Why nobody can start the task now; empty when it is ready."""
        now = self.clock.now()
        return lifecycle.waiting_for(
            task,
            unfinished=self.store.unfinished_dependencies(task),
            now=now,
            key_use=self.store.key_use(task, now=now),
            place=self._place_in_line(task),
        )

    def gates(self) -> Sequence[GateView]:
        """How what steps share stands now: circuit breakers, rates, who is in; only of what there is something to say."""
        from dreamos_tasks.board.gate_view import gate_views

        return gate_views(self.store, now=self.clock.now())

    def stats(self) -> Mapping[str, Mapping[str, int]]:
        """How many tasks by `status`, `priority`, `agent` (who holds it), `tag`."""
        now = self.clock.now()
        return {field: dict(self.store.count(field, now=now)) for field in ("status", "priority", "agent", "tag")}

    def events(self, *, after: int = 0, task_id: str | None = None, limit: int = 1000) -> Sequence[Event]:
        """Events with a greater seq, oldest first."""
        return self.store.events_after(after, task_id=task_id, limit=limit)

    def status_history(self, task_id: str) -> Sequence[StateChange]:
        """Who brought the task from which state to which, when and why. Raises TaskNotFound, AmbiguousTaskId."""
        from dreamos_tasks.model.history import state_changes

        return state_changes(self._all_events(self.fetch(task_id).task_id))

    def attempts(self, task_id: str) -> Sequence[Attempt]:
        """Each claim of the task and how it ended. Raises TaskNotFound, AmbiguousTaskId."""
        from dreamos_tasks.model.history import attempts

        return attempts(self._all_events(self.fetch(task_id).task_id))

    def fetch(self, task_id: str) -> Task:
        """The task as the store has it, by id or unique prefix. Raises TaskNotFound, AmbiguousTaskId."""
        task = self.store.get(task_id)
        return task if task is not None else adding.resolve(self.store, task_id, now=self.clock.now())

    def _place_in_line(self, task: Task) -> int | None:
        """Its place among those that wait for the same as its next step; None when it does not, or is far behind."""
        if task.gate_wait is None:
            return None
        waiting = self.store.waiting_in(task.gate_wait.line, limit=LONGEST_LINE)
        return waiting.index(task.task_id) + 1 if task.task_id in waiting else None

    def _all_events(self, task_id: str) -> Iterator[Event]:
        after = 0
        while batch := self.store.events_after(after, task_id=task_id):
            yield from batch
            after = batch[-1].seq
