"""How a task is shown: as a document, as a row, as a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.cli.output import STATUS_COLOURS, Output
from dreamos_tasks.interfaces.cli.text import ago, duration, harmless, local
from dreamos_tasks.model.plan import StepStatus
from dreamos_tasks.model.task import QUEUED, Task
from dreamos_tasks.model.told_form import task_told


def task_document(nexus: TaskNexus, task: Task) -> dict[str, Any]:
    """The task as the contract writes it, and `waiting_for`: why a queued task cannot start, nothing when it can.

    A step that was cut off in the middle is `paused`, with `"cut": true`: nothing of it runs.
    """
    form = {**task_told(task), "waiting_for": list(waiting_for(nexus, task))}
    if not task.steps:
        return form
    from dreamos_tasks.model.ruling import was_cut  # what has no steps need not wait for it

    if cut := {record.name for record in task.steps if was_cut(task, record)}:
        form["steps"] = [
            {**step, "status": StepStatus.PAUSED.value, "cut": True} if step["name"] in cut else step
            for step in form["steps"]
        ]
    return form


def progress_words(task: Task) -> str:
    """`40 %, at "tests": half of them written`."""
    noted = task.progress
    if noted is None:
        return "no progress noted"
    parts = [f"{noted.percent:g} %"] if noted.percent is not None else []
    parts += [f"at {harmless(noted.step)}"] if noted.step else []
    parts += [harmless(noted.note)] if noted.note else []
    return ", ".join(parts) or "noted"


def waiting_for(nexus: TaskNexus, task: Task) -> Sequence[str]:
    """Why the task cannot start though it waits in the queue; empty for all others."""
    return nexus.waiting_for(task) if task.status in QUEUED else ()


def state_word(nexus: TaskNexus, task: Task) -> str:
    """The state as people ask for it: `ready`, `blocked` and `scheduled` instead of pending."""
    if task.status not in QUEUED or task.status.value == "stalled":
        return task.status.value
    if nexus.store.unfinished_dependencies(task) or nexus.store.key_use(task, now=nexus.clock.now()) is not None:
        return "blocked"
    return "scheduled" if task.not_before is not None and task.not_before > nexus.clock.now() else "ready"


def show_table(
    out: Output, nexus: TaskNexus, tasks: Sequence[Task], *, progress: Mapping[str, str] | None = None
) -> None:
    """One row a task. `progress`: how far they are, by task id; its column is there when anything is in it."""
    now = nexus.clock.now()
    rows = [
        (
            task.task_id,
            state_word(nexus, task),
            task.priority.value,
            harmless(task.claim.agent_id if task.claim else f"({task.assigned_to})" if task.assigned_to else "-"),
            duration((now - task.created_at).total_seconds()),
            *((progress.get(task.task_id, "-"),) if progress else ()),
            harmless(task.title) + "".join(f" #{tag}" for tag in task.tags),
        )
        for task in tasks
    ]
    header = ("ID", "STATE", "PRIORITY", "AGENT", "AGE", *(("PROGRESS",) if progress else ()), "TITLE")
    out.table(header, rows, colours=STATUS_COLOURS)


def title_line(task: Task) -> str:
    """`dt-7k2m  Fix the parser`."""
    return f"{task.task_id}  {harmless(task.title)}"


def claim_line(task: Task, now: datetime) -> str:
    """Who holds the task, under which token and for how long."""
    if task.claim is None:
        return "nobody holds it"
    until = task.claim.lease_until
    return f"held by {harmless(task.claim.agent_id)}, token {task.claim.token}, until {local(until, now)} ({ago(until, now)})"
