"""HeldTasks: the tasks that a store's user holds, as they were last written, so that the next verb need not parse them anew."""

from __future__ import annotations

from collections.abc import Iterable

from dreamos_tasks.model.task import Task

MOST_TASKS = 64  # more than that one process hardly holds; the oldest makes room
# Fields whose values come back from the board as they went in; of a result, a tuple would come back as a list.
PLAIN_FIELDS = frozenset(
    (
        "status",
        "claim",
        "last_token",
        "attempt",
        "started_at",
        "updated_at",
        "pending_since",
        "stall_noted_at",
        "steps",
        "gate_wait",
    )
)


# Of a row: its number, its newest event, when it was changed in microseconds. It tells one state of a task from all others:
# whatever is done to it leaves an event, or (a heartbeat) an instant.
Version = tuple[int, int, int]


class HeldTasks:
    """Tasks by id, each with the version of its row; who asks has read the version that is on the board now."""

    def __init__(self) -> None:
        self._tasks: dict[str, tuple[Version, Task]] = {}

    def knows(self, task_id: str) -> bool:
        """Whether it is worth reading the task's version."""
        return task_id in self._tasks

    def get(self, task_id: str, version: Version) -> Task | None:
        """The task, if that is the version that is known."""
        known = self._tasks.get(task_id)
        return known[1] if known is not None and known[0] == version else None

    def put(self, task: Task, version: Version, *, changed: Iterable[str]) -> None:
        """Remember a claimed task of which these fields were just written; one that no longer is claimed is forgotten."""
        self._tasks.pop(task.task_id, None)
        if task.claim is None or not PLAIN_FIELDS.issuperset(changed):
            return
        if any(step.value is not None for step in task.steps):
            return
        if len(self._tasks) >= MOST_TASKS:
            del self._tasks[next(iter(self._tasks))]
        self._tasks[task.task_id] = (version, task)

    def clear(self) -> None:
        """Forget all: what was written last may not be on the board."""
        self._tasks.clear()
