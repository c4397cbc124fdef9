"""TaskRow: a task as a list shows it: a line of what matters at a glance, without what is empty. Pure."""

from __future__ import annotations

from typing import Any

from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.plan import StepStatus
from dreamos_tasks.model.progress import current_steps
from dreamos_tasks.model.task import Task

LONGEST_MESSAGE = 300  # of an error, a note: the rest is on the task's own page
OVER = frozenset({StepStatus.COMPLETED, StepStatus.SKIPPED})


def task_row(task: Task, *, state: str) -> dict[str, Any]:
    """The row of a task that is in this (kept or derived) state. Keys whose value is empty are left out.

    `agent_id`, `claimed_at`, `heartbeat_at`, `lease_until`: of its claim. `steps`: how many of `all` are `done`, and which
    are `running`. `asks`: how many of its requests are open. `links`: what may set a waiting task free without an event of
    its own: the tasks it depends on, and its concurrency key.
    """
    claim = task.claim
    row = {
        "task_id": task.task_id,
        "title": task.title,
        "state": state,
        "priority": task.priority.value,
        "tags": list(task.tags),
        "assigned_to": task.assigned_to,
        "agent_id": claim.agent_id if claim else None,
        "claimed_at": to_json(claim.claimed_at) if claim else None,
        "heartbeat_at": to_json(claim.heartbeat_at) if claim else None,
        "lease_until": to_json(claim.lease_until) if claim else None,
        "attempt": task.attempt,
        "failures": task.failures,
        "steps": _steps(task),
        "progress": _progress(task),
        "asks": sum(request.is_open for request in task.requests),
        "is_pausing": task.pause is not None and claim is not None,
        "error": _error(task),
        "depends_on": list(task.depends_on) if state == "blocked" else None,
        "concurrency_key": task.concurrency_key,
        "not_before": to_json(task.not_before) if state == "scheduled" else None,
        "due_at": to_json(task.due_at),
        "created_at": to_json(task.created_at),
        "updated_at": to_json(task.updated_at),
        "started_at": to_json(task.started_at),
        "finished_at": to_json(task.finished_at),
    }
    return {name: value for name, value in row.items() if value}


def _steps(task: Task) -> dict[str, Any] | None:
    if task.plan is None:
        return None
    records = {record.name: record for record in task.steps}
    done = sum(records[step.name].status in OVER for step in task.plan.steps if step.name in records)
    return {"done": done, "all": len(task.plan.steps), "running": list(current_steps(task))}


def _progress(task: Task) -> dict[str, Any] | None:
    if task.progress is None:
        return None
    return {"percent": task.progress.percent, "note": task.progress.note[:LONGEST_MESSAGE]}


def _error(task: Task) -> dict[str, Any] | None:
    if task.error is None:
        return None
    return {
        "category": task.error.category.value,
        "message": task.error.message[:LONGEST_MESSAGE],
        "step": task.error.step,
    }
