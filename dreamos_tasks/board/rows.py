"""BoardRows: the board as lists show it: the states with their first tasks, one state page by page, some tasks by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.json_form import instant_to_text
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import FINAL, QUEUED, Status, Task
from dreamos_tasks.model.task_row import task_row

# Every task is in exactly one of them. Pending is not: ready, blocked and scheduled are what it means.
STATES = (
    "scheduled",
    "blocked",
    "ready",
    "stalled",
    "in_progress",
    "awaiting_approval",
    "paused",
    "failed",
    "completed",
    "cancelled",
)
Row = dict[str, Any]


def board_form(nexus: TaskNexus, *, limit: int) -> dict[str, Any]:
    """Each state with its first `limit` tasks, and the seq from which to follow: nothing that happens later is lost."""
    seq = nexus.store.last_seq()  # before the rows: what comes between is told twice, never missed
    counts = nexus.stats()["status"]
    return {
        "seq": seq,
        "now": instant_to_text(nexus.clock.now()),
        "columns": {state: page_of(nexus, state, limit=limit) for state in STATES},
        "counts": {state: counts.get(state, 0) for state in STATES if state not in ("ready", "blocked", "scheduled")},
    }


def page_of(nexus: TaskNexus, state: str, *, limit: int, after: str | None = None) -> dict[str, Any]:
    """Tasks of one state in the order of claiming, those that are over newest first; `next` None: there are no more.

    Raises TaskNotFound for an unknown `after`.
    """
    order = Order.NEWEST if state in FINAL else Order.QUEUE
    after = nexus.fetch(after).task_id if after is not None else None
    tasks = nexus.find_tasks(TaskQuery(statuses=frozenset({state}), order=order, limit=limit + 1, after=after))
    shown = tasks[:limit]
    return {
        "rows": [task_row(task, state=state) for task in shown],
        "next": shown[-1].task_id if len(tasks) > limit else None,
    }


def rows_of(nexus: TaskNexus, task_ids: Iterable[str]) -> Mapping[str, Row | None]:
    """These tasks as they are now; None: there is no such task."""
    rows: dict[str, Row | None] = {}
    for task_id in task_ids:
        task = nexus.store.get(task_id)
        seen = nexus.get_task_by_id(task_id) if task is not None else None
        rows[task_id] = task_row(seen, state=state_of(nexus, seen)) if seen is not None else None
    return rows


def rows_of_tasks(nexus: TaskNexus, tasks: Sequence[Task]) -> list[Row]:
    """The rows of tasks that were found otherwise."""
    return [task_row(task, state=state_of(nexus, task)) for task in tasks]


def state_of(nexus: TaskNexus, task: Task) -> str:
    """The state as people ask for it: `ready`, `blocked` or `scheduled` instead of pending."""
    if task.status not in QUEUED or task.status is Status.STALLED:
        return task.status.value
    now = nexus.clock.now()
    if nexus.store.unfinished_dependencies(task) or nexus.store.key_use(task, now=now) is not None:
        return "blocked"
    return "scheduled" if task.not_before is not None and task.not_before > now else "ready"
