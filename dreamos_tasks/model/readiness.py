"""Whether a task can be started now, by whom, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dreamos_tasks.model.hold import KeyUse
from dreamos_tasks.model.json_form import (
    instant_to_text,
)
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.task import (
    QUEUED,
    Status,
    Task,
    evolve,
)
from dreamos_tasks.model.transitions import resting_status


def lease_expired(task: Task, now: datetime) -> bool:
    """Whether the task is claimed under a lease that has run out."""
    return task.claim is not None and task.claim.lease_until <= now


def is_held_by(task: Task, agent_id: str, now: datetime) -> bool:
    """Whether the agent holds the task under a live lease."""
    return task.claim is not None and task.claim.agent_id == agent_id and task.claim.lease_until > now


def seen_at(task: Task, now: datetime) -> Task:
    """The task as it is to be shown: under an expired lease nobody works on it, so it is pending."""
    if not lease_expired(task, now):
        return task
    status = resting_status(task.pause, task.requests)
    seen: dict[str, Any] = {"status": status, "claim": None, "stall_noted_at": None}
    if status is Status.PENDING:
        seen["pending_since"] = task.claim and task.claim.lease_until
    return evolve(task, seen)


def waiting_for(
    task: Task, *, unfinished: Sequence[str], now: datetime, key_use: KeyUse | None = None, place: int | None = None
) -> tuple[str, ...]:
    """Why nobody can start the task now, whoever asks; empty when it is ready.

    `unfinished`: its open dependencies; `key_use`: who keeps its concurrency_key; `place`: its own in the line that it
    stands in, where that is known.
    """
    task = seen_at(task, now)
    reasons = [f"it depends on {other}, which is not completed" for other in unfinished]
    if key_use is not None:
        holders = ", ".join(key_use.holders)
        reasons.append(f"key {key_use.key} is in use by {holders}, place {key_use.place} in line")
    if task.not_before is not None and task.not_before > now:
        if task.gate_wait is not None:
            behind = f", place {place} in line" if place is not None else ""
            reasons.append(f"step {task.gate_wait.step!r} waits: {task.gate_wait.reason}{behind}")
        reasons.append(f"it starts not before {instant_to_text(task.not_before)}")
    if task.status not in QUEUED:
        reasons.append(f"it is {task.status.value.replace('_', ' ')}" + _what_for(task))
    return tuple(reasons)


def _what_for(task: Task) -> str:
    asked = ", ".join(request.request_id for request in task.requests if request.is_open)
    if task.status is Status.AWAITING_APPROVAL:
        return f": {asked}" if asked else ""
    until = task.pause.until if task.status is Status.PAUSED and task.pause is not None else None
    return f" until {instant_to_text(until)}" if until is not None else ""


def refusals(
    task: Task, request: ClaimRequest, *, unfinished: Sequence[str], now: datetime, key_use: KeyUse | None = None
) -> tuple[str, ...]:
    """Why this agent cannot have this task now; empty when it can. The task is taken as `seen_at` now."""
    reasons = list(waiting_for(task, unfinished=unfinished, now=now, key_use=key_use))
    if task.assigned_to is not None and task.assigned_to != request.agent_id:
        reasons.append(f"it is assigned to {task.assigned_to}")
    if request.runs_plans and task.plan is None and task.assigned_to is None:
        reasons.append("it has no plan: it is left to agents")
    missing = [capability for capability in task.requires if capability not in request.capabilities]
    if missing:
        reasons.append(f"it requires {', '.join(missing)}, which {request.agent_id} does not offer")
    untagged = [tag for tag in request.tags if tag not in task.tags]
    if untagged:
        reasons.append(f"it is not tagged {', '.join(untagged)}")
    return tuple(reasons)


def offered_in_turn(task: Task, request: ClaimRequest) -> bool:
    """Whether `next` may hand this task to this agent: plans are the daemon's unless assigned; claiming by id may take any."""
    return task.assigned_to == request.agent_id or (task.plan is not None) == request.runs_plans
