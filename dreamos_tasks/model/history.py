"""What a task's events tell: its states one after another, its attempts, and whether they tell the task as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.task import TASK_FIELDS, Task, evolve
from dreamos_tasks.model.value import frozen_value


@frozen_value
class StateChange:
    """One line of the status history: who, when, from, to, why."""

    at: datetime
    by: str
    before: str | None
    after: str
    why: str


@frozen_value
class Attempt:
    """One claim of the task and how it ended. `outcome` None: it is under way."""

    number: int
    agent_id: str
    token: int
    started_at: datetime
    finished_at: datetime | None = None
    outcome: str | None = None
    error: str | None = None


ATTEMPT_ENDS = {
    EventType.TASK_COMPLETED: "completed",
    EventType.TASK_FAILED: "failed",
    EventType.TASK_RETRY_SCHEDULED: "failed, tried again",
    EventType.TASK_DEFERRED: "deferred",
    EventType.TASK_RELEASED: "released",
    EventType.TASK_LEASE_EXPIRED: "lease expired",
    EventType.TASK_RECOVERED: "holder died",
    EventType.TASK_PAUSED: "paused",
    EventType.TASK_CANCELLED: "cancelled",
    EventType.TASK_REASSIGNED: "reassigned",
}


def state_changes(events: Iterable[Event]) -> tuple[StateChange, ...]:
    """The status history, oldest first."""
    history: list[StateChange] = []
    state: str | None = None
    for event in events:
        after = event.changes.get("status", "pending" if event.type is EventType.TASK_ADDED else None)
        if after is None or after == state:
            continue
        history.append(StateChange(at=event.at, by=event.by, before=state, after=after, why=_why(event)))
        state = after
    return tuple(history)


def attempts(events: Iterable[Event]) -> tuple[Attempt, ...]:
    """The execution history, oldest first."""
    done: list[Attempt] = []
    current: dict[str, Any] | None = None
    for event in events:
        if event.type is EventType.TASK_CLAIMED:
            lease = event.changes["claim"]
            current = {
                "number": event.changes["attempt"],
                "agent_id": lease["agent_id"],
                "token": lease["token"],
                "started_at": event.at,
            }
        elif current is not None and (event.type in ATTEMPT_ENDS or event.changes.get("claim", current) is None):
            error = event.changes.get("error")
            done.append(
                Attempt(
                    **current,
                    finished_at=event.at,
                    outcome=ATTEMPT_ENDS.get(event.type, "taken back by hand"),
                    error=error["message"] if error else None,
                )
            )
            current = None
    if current is not None:
        done.append(Attempt(**current))
    return tuple(done)


def differing_fields(told: Task, task: Task) -> tuple[str, ...]:
    """The fields in which a task is not what its folded events tell; empty when the log replays to the task.

    A heartbeat leaves no event: how far a lease reaches, when its holder was last heard of, and that the task was written
    then, are not told.
    """
    if task.claim is not None and told.claim is not None:
        silent = replace(told.claim, lease_until=task.claim.lease_until, heartbeat_at=task.claim.heartbeat_at)
        told = evolve(told, {"claim": silent, "updated_at": task.updated_at})
    return tuple(name for name in TASK_FIELDS if getattr(told, name) != getattr(task, name))


def _why(event: Event) -> str:
    reason = event.detail.get("reason")
    error = event.changes.get("error")
    return str(reason or (error and error["message"]) or event.type.value.replace("_", " "))
