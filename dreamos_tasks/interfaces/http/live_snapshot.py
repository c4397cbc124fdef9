"""How things stand on a board, in short: for a client that has missed what happened."""

from __future__ import annotations

from typing import Any

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Status
from dreamos_tasks.model.task_row import task_row

MOST_TASKS = 100  # that are at work or ask people: the rest is in the lists, which such a client loads anew
BUSY = frozenset({Status.IN_PROGRESS.value, Status.AWAITING_APPROVAL.value})


def snapshot(nexus: TaskNexus, task_id: str | None) -> dict[str, Any]:
    """How many tasks there are of each `status`, and the rows of those that are at work or ask people.

    With `task_id` the row of this task alone.
    """
    if task_id is not None:
        tasks = [nexus.get_task_by_id(task_id)]
    else:
        tasks = list(nexus.find_tasks(TaskQuery(statuses=BUSY, order=Order.NEWEST, limit=MOST_TASKS)))
    return {
        "status": {word: number for word, number in nexus.stats()["status"].items() if number},
        "tasks": [task_row(task, state=task.status.value) for task in tasks],
    }
