"""Dead letters: tasks that failed for good, why, and the command that gives them a fresh start."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.cli.output import Output
from dreamos_tasks.interfaces.cli.text import ago, harmless
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Status, Task


def failed_tasks(*, tags: Sequence[str] = (), category: str | None = None) -> TaskQuery:
    """What asks for them, newest first."""
    return TaskQuery(
        statuses=frozenset({Status.FAILED.value}),
        tags=tuple(tags),
        category=ErrorCategory(category) if category is not None else None,
        order=Order.NEWEST,
    )


def show_dead_letters(out: Output, nexus: TaskNexus, tasks: Sequence[Task]) -> None:
    """One row a task: why it failed instead of where it stands."""
    now = nexus.clock.now()
    rows = [
        (
            task.task_id,
            task.error.category.value if task.error is not None else "-",
            str(task.attempt),
            ago(task.finished_at, now) if task.finished_at is not None else "-",
            harmless(task.title),
            harmless(task.error.message) if task.error is not None else "-",
        )
        for task in tasks
    ]
    out.table(("ID", "CATEGORY", "ATTEMPTS", "FAILED", "TITLE", "ERROR"), rows)


def retry_command(query: TaskQuery, found: Sequence[Task]) -> str:
    """The one command that tries again what was found; by id where nothing shorter says the same."""
    if len(found) == 1:
        return f"dt retry {found[0].task_id}"
    if query != failed_tasks(tags=query.tags, category=query.category):
        return "dt retry ID..."
    tags = [word for tag in query.tags for word in ("--tag", tag)]
    category = ["--category", query.category.value] if query.category is not None else []
    return shlex.join(["dt", "retry", "--all-failed", *tags, *category])
