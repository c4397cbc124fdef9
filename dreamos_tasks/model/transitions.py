"""The transition table: which verb may follow which state; and how a verb's Change is put together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dreamos_tasks.errors import (
    CannotUndo,
    IllegalTransition,
)
from dreamos_tasks.model.event import Change, Event, EventType
from dreamos_tasks.model.json_form import (
    to_json,
)
from dreamos_tasks.model.request import Pause, Request, RequestState
from dreamos_tasks.model.task import (
    FINAL,
    QUEUED,
    Status,
    Task,
    evolve,
)
from dreamos_tasks.model.undone import Rollback, RollbackCause

OPEN = frozenset(Status) - FINAL
# Where a task comes to rest when its claim ends and it is not over: in the queue, unless a pause or a person's word is due.
RESTING = frozenset({Status.PENDING, Status.PAUSED, Status.AWAITING_APPROVAL})
FOREGROUND = re.compile(r"run-\d+")  # the name under which `dt run` holds a task: its process
ASKING = frozenset({Status.IN_PROGRESS, Status.AWAITING_APPROVAL, Status.PAUSED})  # where a request may be open


# verb -> (the states it may start from, the states it may lead to). `None` is "not there yet".
TRANSITIONS: Mapping[str, tuple[frozenset[Status | None], frozenset[Status]]] = {
    "add": (frozenset({None}), frozenset({Status.PENDING})),
    "claim": (QUEUED, frozenset({Status.IN_PROGRESS})),
    "heartbeat": (frozenset({Status.IN_PROGRESS}), frozenset({Status.IN_PROGRESS})),
    "record": (frozenset({Status.IN_PROGRESS}), frozenset({Status.IN_PROGRESS})),
    "complete": (frozenset({Status.IN_PROGRESS}), frozenset({Status.COMPLETED})),
    "fail": (frozenset({Status.IN_PROGRESS}), RESTING | {Status.FAILED}),
    "release": (frozenset({Status.IN_PROGRESS}), RESTING),
    "expire": (frozenset({Status.IN_PROGRESS}), RESTING | {Status.FAILED}),
    "recover": (frozenset({Status.IN_PROGRESS}), RESTING),
    "pause": (
        QUEUED | {Status.IN_PROGRESS, Status.AWAITING_APPROVAL},
        frozenset({Status.PAUSED, Status.IN_PROGRESS}),  # in progress: until the step that runs has ended
    ),
    "resume": (frozenset({Status.PAUSED, Status.IN_PROGRESS}), RESTING | {Status.IN_PROGRESS}),
    "ask": (frozenset({Status.IN_PROGRESS}), frozenset({Status.IN_PROGRESS})),
    "approve": (ASKING, ASKING | {Status.PENDING}),
    "reject": (ASKING, ASKING | {Status.PENDING}),
    "answer": (ASKING, ASKING | {Status.PENDING}),
    "lapse": (OPEN, OPEN | {Status.CANCELLED}),
    "cancel": (OPEN, frozenset({Status.CANCELLED})),
    "retry": (frozenset({Status.FAILED, Status.CANCELLED}), frozenset({Status.PENDING})),
    "stall": (frozenset({Status.PENDING}), frozenset({Status.STALLED})),
    "wake": (QUEUED, QUEUED),
    "reassign": (QUEUED | {Status.IN_PROGRESS}, RESTING),
    "note": (QUEUED | {Status.IN_PROGRESS}, frozenset({Status.PENDING, Status.STALLED, Status.IN_PROGRESS})),
    "edit": (OPEN, OPEN),
    "import": (frozenset({Status.PENDING}), FINAL),  # what was over on the board that it comes from
    "undo": (FINAL | {Status.PAUSED}, FINAL | {Status.PAUSED}),  # its steps; the state stays
}


# The verbs a person or agent can say; the others are the board's own.
SPOKEN_VERBS = (
    "claim",
    "heartbeat",
    "complete",
    "fail",
    "release",
    "ask",
    "approve",
    "reject",
    "answer",
    "pause",
    "resume",
    "cancel",
    "retry",
    "edit",
)


def legal_verbs(state: Status) -> tuple[str, ...]:
    """What can be said to a task in this state."""
    return tuple(verb for verb in SPOKEN_VERBS if state in TRANSITIONS[verb][0])


def require(task: Task, verb: str) -> None:
    """Refuse the verb when the task's state does not allow it."""
    if task.status not in TRANSITIONS[verb][0]:
        raise IllegalTransition(task.task_id, state=task.status.value, verb=verb, legal=legal_verbs(task.status))


def require_no_undo(task: Task, verb: str) -> None:
    """Refuse a verb that would run steps while they are being taken back."""
    if task.rollback is not None and task.rollback.is_under_way:
        raise CannotUndo(
            f"cannot {verb} {task.task_id} now: its changes are being taken back",
            cause="who runs its steps and who takes them back would be in each other's way",
            fix=f"dt undo {task.task_id} goes on with it, if nobody does",
        )


def changed(
    task: Task,
    type_: EventType,
    *,
    now: datetime,
    by: str,
    detail: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Change:
    """The task with some fields changed, and the one event that says so. Fields that stay as they are are not told.

    But for an error: that it is the same as the last time is no reason to be silent about it.
    """
    told = {"error"} if changes.get("error") is not None else set()
    differing = {name: value for name, value in changes.items() if name in told or getattr(task, name) != value}
    event = Event(
        type=type_,
        task_id=task.task_id,
        at=now,
        by=by,
        changes={name: to_json(value) for name, value in differing.items()},
        detail=detail or {},
    )
    differing["updated_at"] = now
    return Change(task, evolve(task, differing), (event,))


def requeued(
    task: Task,
    type_: EventType,
    *,
    now: datetime,
    by: str,
    detail: Mapping[str, Any] | None = None,
    since: datetime | None = None,
    **changes: Any,
) -> Change:
    """Back in the queue: no claim, and the monitor's clock begins anew. A pause or an open request keeps it out of it."""
    status = resting_status(changes.get("pause", task.pause), changes.get("requests", task.requests))
    back: dict[str, Any] = {"status": status, "claim": None, "stall_noted_at": None}
    if status is Status.PENDING:
        back["pending_since"] = since or now
    return changed(task, type_, now=now, by=by, detail=detail, **{**back, **changes})


def resting_status(pause: Pause | None, requests: Sequence[Request]) -> Status:
    """Where a task rests that is not over and that nobody holds."""
    if pause is not None:
        return Status.PAUSED
    return Status.AWAITING_APPROVAL if any(request.is_open for request in requests) else Status.PENDING


def ended(
    task: Task,
    type_: EventType,
    status: Status,
    *,
    now: datetime,
    by: str,
    detail: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Change:
    """Into a final state: no claim, and the instant is kept. What was still asked is withdrawn, unless its time was over."""
    requests = tuple(
        replace(request, state=_end_of(request, now), decided_at=now) if request.is_open else request
        for request in task.requests
    )
    end: dict[str, Any] = {
        "status": status,
        "claim": None,
        "finished_at": now,
        "stall_noted_at": None,
        "pause": None,
        "requests": requests,
        "gate_wait": None,
    }
    if status is not Status.COMPLETED and task.plan is not None and task.plan.rollback:
        end["rollback"] = _rollback_of(task, status, now)
    return changed(task, type_, now=now, by=by, detail=detail, **{**end, **changes})


def _rollback_of(task: Task, status: Status, now: datetime) -> Rollback | None:
    """What is to be done about the changes of its steps."""
    from dreamos_tasks.model.rollback import wants_rollback

    return Rollback(cause=RollbackCause(status.value), since=now) if wants_rollback(task) else None


def set_free(task: Task) -> Mapping[str, Any]:
    """What a task keeps of a run in the foreground that is over: nothing. It was assigned to that process alone."""
    assigned = task.assigned_to
    return {"assigned_to": None} if assigned is not None and FOREGROUND.fullmatch(assigned) is not None else {}


def why(reason: str) -> Mapping[str, Any]:
    """The detail of an event that has a reason."""
    return {"reason": reason} if reason else {}


def _end_of(request: Request, now: datetime) -> RequestState:
    return RequestState.EXPIRED if request.has_lapsed(now) else RequestState.WITHDRAWN
