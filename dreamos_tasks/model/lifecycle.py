"""The lifecycle: which verb may follow which state, and one pure function a verb.

Each function takes the task as it is and gives the Change that is to be saved, or raises a Refused that says why not.
It reads no clock and no store: `now` is board time, and what else it must know comes in as arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from dreamos_tasks.errors import (
    ClaimHeld,
    IllegalTransition,
    InvalidTask,
    NotClaimable,
    StaleToken,
    TaskChanged,
    VerificationFailed,
)
from dreamos_tasks.model.event import Change, Event, EventType
from dreamos_tasks.model.json_form import (
    draft_to_sparse_json,
    field_from_json,
    instant_to_text,
    task_from_json,
    to_json,
)
from dreamos_tasks.model.outcome import Cancelled, Failed, Outcome, RetryLater, Snoozed, Succeeded
from dreamos_tasks.model.plan import ErrorCategory, Evidence, StepResult, StepStatus, TaskError
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.retry import DEFAULT_RETRY, RetryPolicy
from dreamos_tasks.model.task import (
    DRAFT_FIELDS,
    FINAL,
    QUEUED,
    Claim,
    ProcessIdentity,
    Progress,
    Status,
    Task,
    TaskDraft,
    evolve,
    new_task,
)

OPEN = frozenset(Status) - FINAL

# verb -> (the states it may start from, the states it may lead to). `None` is "not there yet".
TRANSITIONS: Mapping[str, tuple[frozenset[Status | None], frozenset[Status]]] = {
    "add": (frozenset({None}), frozenset({Status.PENDING})),
    "claim": (QUEUED, frozenset({Status.IN_PROGRESS})),
    "heartbeat": (frozenset({Status.IN_PROGRESS}), frozenset({Status.IN_PROGRESS})),
    "record": (frozenset({Status.IN_PROGRESS}), frozenset({Status.IN_PROGRESS})),
    "complete": (frozenset({Status.IN_PROGRESS}), frozenset({Status.COMPLETED})),
    "fail": (frozenset({Status.IN_PROGRESS}), frozenset({Status.FAILED, Status.PENDING})),
    "release": (frozenset({Status.IN_PROGRESS}), frozenset({Status.PENDING})),
    "expire": (frozenset({Status.IN_PROGRESS}), frozenset({Status.PENDING, Status.FAILED})),
    "recover": (frozenset({Status.IN_PROGRESS}), frozenset({Status.PENDING})),
    "pause": (QUEUED | {Status.IN_PROGRESS}, frozenset({Status.PAUSED})),
    "resume": (frozenset({Status.PAUSED}), frozenset({Status.PENDING})),
    "cancel": (OPEN, frozenset({Status.CANCELLED})),
    "retry": (frozenset({Status.FAILED, Status.CANCELLED}), frozenset({Status.PENDING})),
    "stall": (frozenset({Status.PENDING}), frozenset({Status.STALLED})),
    "reassign": (QUEUED | {Status.IN_PROGRESS}, frozenset({Status.PENDING})),
    "note": (QUEUED | {Status.IN_PROGRESS}, frozenset({Status.PENDING, Status.STALLED, Status.IN_PROGRESS})),
    "edit": (OPEN, OPEN),
}
# The verbs a person or agent can say; the others are the board's own.
SPOKEN_VERBS = (
    "claim",
    "heartbeat",
    "complete",
    "fail",
    "release",
    "pause",
    "resume",
    "cancel",
    "retry",
    "edit",
)
EDITABLE = frozenset(DRAFT_FIELDS) - {"task_id", "created_by", "dedupe_key"}


def legal_verbs(state: Status) -> tuple[str, ...]:
    """What can be said to a task in this state."""
    return tuple(verb for verb in SPOKEN_VERBS if state in TRANSITIONS[verb][0])


def lease_expired(task: Task, now: datetime) -> bool:
    """Whether the task is claimed under a lease that has run out."""
    return task.claim is not None and task.claim.lease_until <= now


def seen_at(task: Task, now: datetime) -> Task:
    """The task as it is to be shown: under an expired lease nobody works on it, so it is pending."""
    if not lease_expired(task, now):
        return task
    since = task.claim and task.claim.lease_until
    return evolve(task, {"status": Status.PENDING, "claim": None, "pending_since": since, "stall_noted_at": None})


def refusals(task: Task, request: ClaimRequest, *, unfinished: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Why this agent cannot have this task now; empty when it can. The task is taken as `seen_at` now."""
    reasons = list(waiting_for(task, unfinished=unfinished, now=now))
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


def waiting_for(task: Task, *, unfinished: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Why nobody can start the task now, whoever asks; empty when it is ready. `unfinished`: its open dependencies."""
    task = seen_at(task, now)
    reasons = [f"it depends on {other}, which is not completed" for other in unfinished]
    if task.not_before is not None and task.not_before > now:
        reasons.append(f"it starts not before {instant_to_text(task.not_before)}")
    if task.status not in QUEUED:
        reasons.append(f"it is {task.status.value.replace('_', ' ')}")
    return tuple(reasons)


def offered_in_turn(task: Task, request: ClaimRequest) -> bool:
    """Whether `next` may hand this task to this agent: plans are the daemon's unless assigned; claiming by id may take any."""
    return task.assigned_to == request.agent_id or (task.plan is not None) == request.runs_plans


def add(draft: TaskDraft, *, task_id: str, now: datetime) -> Change:
    """A new, pending task."""
    task = new_task(draft, task_id=task_id, now=now)
    asked = draft_to_sparse_json(draft)
    asked.pop("task_id", None)  # the event names it
    event = Event(type=EventType.TASK_ADDED, task_id=task_id, at=now, by=draft.created_by, changes=asked)
    return Change(None, task, (event,))


def claim(
    task: Task,
    request: ClaimRequest,
    *,
    unfinished: Sequence[str],
    now: datetime,
    lease_seconds: float,
    process: ProcessIdentity | None = None,
) -> Change:
    """Give the agent a lease and a fresh token. Claiming what one holds changes nothing and succeeds."""
    if task.status is Status.IN_PROGRESS and task.claim is not None and not lease_expired(task, now):
        if task.claim.agent_id == request.agent_id:
            return Change(task, task)
        raise ClaimHeld(task.task_id, holder=task.claim.agent_id, lease_until=instant_to_text(task.claim.lease_until))
    free = expire(task, now=now) if lease_expired(task, now) else Change(task, task)
    _require(free.task, "claim")
    reasons = refusals(free.task, request, unfinished=unfinished, now=now)
    if reasons:
        raise NotClaimable(task.task_id, agent_id=request.agent_id, reasons=reasons)
    token = task.last_token + 1
    lease = Claim(
        agent_id=request.agent_id,
        token=token,
        claimed_at=now,
        lease_until=now + timedelta(seconds=lease_seconds),
        heartbeat_at=now,
        process=process,
    )
    taken = _changed(
        free.task,
        EventType.TASK_CLAIMED,
        now=now,
        by=request.agent_id,
        status=Status.IN_PROGRESS,
        claim=lease,
        last_token=token,
        attempt=task.attempt + 1,
        started_at=task.started_at or now,
        stall_noted_at=None,
        progress=None,
    )
    return Change(task, taken.task, free.events + taken.events)


def heartbeat(task: Task, *, agent_id: str | None, token: int | None, now: datetime, lease_seconds: float) -> Change:
    """Prolong the lease. Writes no event: it changes nothing that anybody waits for."""
    lease = held(task, "heartbeat", agent_id=agent_id, token=token, now=now)
    until = max(lease.lease_until, now + timedelta(seconds=lease_seconds))
    prolonged = replace(lease, lease_until=until, heartbeat_at=now)
    return Change(task, evolve(task, {"claim": prolonged, "updated_at": now, "stall_noted_at": None}))


def record_progress(
    task: Task, progress: Progress, *, agent_id: str | None, token: int | None, now: datetime
) -> Change:
    """Note how far the holder is. A sign of life, so the silence clock starts anew."""
    lease = held(task, "record", agent_id=agent_id, token=token, now=now)
    return _changed(
        task,
        EventType.PROGRESS,
        now=now,
        by=lease.agent_id,
        progress=replace(progress, at=now),
        claim=replace(lease, heartbeat_at=now),
    )


STEP_EVENTS = {
    StepStatus.RUNNING: EventType.STEP_STARTED,
    StepStatus.COMPLETED: EventType.STEP_COMPLETED,
    StepStatus.FAILED: EventType.STEP_FAILED,
    StepStatus.SKIPPED: EventType.STEP_SKIPPED,
}


def record_step(task: Task, result: StepResult, *, agent_id: str | None, token: int | None, now: datetime) -> Change:
    """Record that a step started or how it ended. A step recorded complete is never run again."""
    lease = held(task, "record", agent_id=agent_id, token=token, now=now)
    before = next((step for step in task.steps if step.name == result.name), None)
    if before is not None and before.status is StepStatus.COMPLETED:
        raise IllegalTransition(
            task.task_id, state=f"past step {result.name!r}, which is completed", verb="record", legal=()
        )
    steps = tuple(result if step is before else step for step in task.steps)
    return _changed(
        task,
        STEP_EVENTS[result.status],
        now=now,
        by=lease.agent_id,
        detail={"step": result.name},
        steps=steps if before is not None else (*steps, result),
    )


def settle(
    task: Task,
    outcome: Outcome,
    *,
    agent_id: str | None,
    token: int | None,
    now: datetime,
    retry: RetryPolicy = DEFAULT_RETRY,
    roll: float = 1.0,
) -> Change:
    """End the attempt. `retry` is the board's policy, `roll` in [0, 1) the chance for its jitter."""
    verb = "complete" if isinstance(outcome, Succeeded) else "fail"
    lease = held(task, verb, agent_id=agent_id, token=token, now=now)
    match outcome:
        case Succeeded():
            require_evidence(task, outcome.evidence)
            return _ended(
                task,
                EventType.TASK_COMPLETED,
                Status.COMPLETED,
                now=now,
                by=lease.agent_id,
                result=outcome.result,
                evidence=outcome.evidence,
                error=None,
            )
        case Failed():
            return _failed(task, outcome.error, by=lease.agent_id, now=now, retry=retry, roll=roll)
        case RetryLater():
            return _deferred(task, outcome.error, by=lease.agent_id, now=now, retry=retry, roll=roll)
        case Snoozed():
            return release(task, agent_id=agent_id, token=token, now=now, reason=outcome.reason)
        case Cancelled():
            return cancel(task, by=lease.agent_id, now=now, reason=outcome.reason)
        case _:
            assert_never(outcome)


def require_evidence(task: Task, evidence: Sequence[Evidence]) -> None:
    """The gate: whoever completes a task with `verify` steps must bring a green record of each."""
    proven = {record.step for record in evidence if record.exit_code == 0}
    for step in task.verify:
        if step.name not in proven:
            raise VerificationFailed(task.task_id, step=step.name, detail="there is no green record of it")


def reject_verification(
    task: Task, error: TaskError, *, agent_id: str | None, token: int | None, now: datetime
) -> Change:
    """Keep what a red verification said for whoever tries next; the holder goes on holding."""
    lease = held(task, "complete", agent_id=agent_id, token=token, now=now)
    return _changed(task, EventType.VERIFICATION_FAILED, now=now, by=lease.agent_id, error=error)


def release(task: Task, *, agent_id: str | None, token: int | None, now: datetime, reason: str = "") -> Change:
    """Give the task back unfinished; the attempt does not count."""
    lease = held(task, "release", agent_id=agent_id, token=token, now=now)
    return _requeued(task, EventType.TASK_RELEASED, now=now, by=lease.agent_id, detail=_why(reason))


def expire(task: Task, *, now: datetime, max_lost_leases: int | None = None, by: str = "board") -> Change:
    """End a claim whose lease has run out. After `max_lost_leases` of them the task fails: it ends whoever takes it."""
    _require(task, "expire")
    lease = task.claim
    if lease is None or lease.lease_until > now:
        raise IllegalTransition(
            task.task_id, state="held under a live lease", verb="expire", legal=("release", "cancel")
        )
    lost = task.lost_leases + 1
    detail = {
        "agent_id": lease.agent_id,
        "token": lease.token,
        "lease_until": instant_to_text(lease.lease_until),
    }
    if max_lost_leases is not None and lost >= max_lost_leases:
        error = TaskError(
            category=ErrorCategory.RESOURCE,
            message=f"{lost} agents in a row let the lease run out",
            cause=f"the last was {lease.agent_id}",
            suggestions=(f"dt history {task.task_id}", f"dt retry {task.task_id}"),
        )
        return _ended(
            task,
            EventType.TASK_FAILED,
            Status.FAILED,
            now=now,
            by=by,
            detail=detail,
            lost_leases=lost,
            error=error,
        )
    return _requeued(task, EventType.TASK_LEASE_EXPIRED, now=now, by=by, detail=detail, lost_leases=lost)


def recover(task: Task, *, now: datetime, by: str, reason: str) -> Change:
    """Take the task from a holder that is proven dead, before its lease runs out. Nothing is counted against it."""
    _require(task, "recover")
    return _requeued(task, EventType.TASK_RECOVERED, now=now, by=by, detail=_why(reason))


def pause(task: Task, *, by: str, now: datetime, reason: str = "") -> Change:
    """Set the task aside until it is resumed. A holder's claim ends; recorded steps stay recorded."""
    _require(task, "pause")
    return _changed(
        task,
        EventType.TASK_PAUSED,
        now=now,
        by=by,
        detail=_why(reason),
        status=Status.PAUSED,
        claim=None,
        stall_noted_at=None,
    )


def resume(task: Task, *, by: str, now: datetime) -> Change:
    """Put a paused task back in the queue, at the step where it stood."""
    _require(task, "resume")
    return _requeued(task, EventType.TASK_RESUMED, now=now, by=by)


def cancel(task: Task, *, by: str, now: datetime, reason: str = "") -> Change:
    """End the task for good, whoever holds it."""
    _require(task, "cancel")
    return _ended(task, EventType.TASK_CANCELLED, Status.CANCELLED, now=now, by=by, detail=_why(reason))


def retry(task: Task, *, by: str, now: datetime) -> Change:
    """Give a failed or cancelled task a fresh start: counters at zero; steps recorded complete stay complete."""
    _require(task, "retry")
    return _requeued(
        task,
        EventType.TASK_RETRIED,
        now=now,
        by=by,
        failures=0,
        deferrals=0,
        lost_leases=0,
        not_before=None,
        finished_at=None,
    )


def stall(task: Task, *, by: str, now: datetime, reason: str) -> Change:
    """Mark a task that has waited too long. It can still be claimed."""
    _require(task, "stall")
    return _changed(
        task,
        EventType.TASK_STALLED,
        now=now,
        by=by,
        detail=_why(reason),
        status=Status.STALLED,
        stall_noted_at=now,
    )


def note_stall(
    task: Task, *, by: str, now: datetime, strategy: str, reason: str, escalation: str | None = None
) -> Change:
    """Remember that this stall has been dealt with, so that it is dealt with once."""
    _require(task, "note")
    detail = {"strategy": strategy, "reason": reason, **({"escalation": escalation} if escalation else {})}
    type_ = EventType.TASK_ESCALATED if escalation else EventType.TASK_STALL_NOTED
    return _changed(task, type_, now=now, by=by, detail=detail, stall_noted_at=now)


def reassign(task: Task, *, by: str, now: datetime, reason: str) -> Change:
    """Open the task to every agent: claim and assignment are cleared, and its clock starts anew."""
    _require(task, "reassign")
    detail = {
        "reason": reason,
        "assigned_to": task.assigned_to,
        "agent_id": task.claim.agent_id if task.claim else None,
    }
    return _requeued(task, EventType.TASK_REASSIGNED, now=now, by=by, detail=detail, assigned_to=None)


def require_unchanged(task: Task, seen: Task | None, *, now: datetime) -> None:
    """Refuse what was decided about the task as it was `seen`, if anything has happened to it since. None: not asked."""
    if seen is not None and seen_at(task, now) != seen:
        raise TaskChanged(task.task_id)


def edit(task: Task, fields: Mapping[str, Any], *, by: str, now: datetime) -> Change:
    """Change what was asked for. The rules of a draft hold for the result."""
    _require(task, "edit")
    unknown = sorted(fields.keys() - EDITABLE)
    if unknown:
        raise InvalidTask(
            f"{unknown[0]!r} cannot be edited",
            pointer=f"/{unknown[0]}",
            cause="editable are " + ", ".join(sorted(EDITABLE)),
            fix="leave it out",
        )
    asked = {name: getattr(task, name) for name in DRAFT_FIELDS}
    draft = TaskDraft(**{**asked, **fields})
    differing = {name: getattr(draft, name) for name in fields if getattr(draft, name) != asked[name]}
    if not differing:
        return Change(task, task)
    return _changed(task, EventType.TASK_EDITED, now=now, by=by, **differing)


def fold(task: Task | None, event: Event) -> Task:
    """The task after the event. Folding all events of a task, in order, gives the task.

    Leases aside: a heartbeat leaves no event.
    """
    if task is None:
        at = instant_to_text(event.at)
        added = {"task_id": event.task_id, "created_at": at, "updated_at": at, "pending_since": at}
        return task_from_json({**event.changes, **added})
    changes = {name: field_from_json(name, value) for name, value in event.changes.items()}
    return evolve(task, {**changes, "updated_at": event.at})


def held(task: Task, verb: str, *, agent_id: str | None, token: int | None, now: datetime) -> Claim:
    """The live claim under which the write comes; StaleToken when it is another's, or over."""
    lease = task.claim
    live = lease is not None and lease.lease_until > now
    if live and lease is not None:
        mine = (token is None or token == lease.token) and (agent_id is None or agent_id == lease.agent_id)
        if mine and (token is not None or agent_id is not None):
            return lease
    elif task.status is not Status.IN_PROGRESS and token is None:
        raise IllegalTransition(task.task_id, state=task.status.value, verb=verb, legal=legal_verbs(task.status))
    given = ", ".join(
        part
        for part in (f"agent {agent_id}" if agent_id else "", f"token {token}" if token is not None else "")
        if part
    )
    raise StaleToken(
        task.task_id,
        holder=lease.agent_id if live and lease else None,
        lease_until=instant_to_text(lease.lease_until) if live and lease else None,
        given=given or "neither agent nor token given",
    )


def _failed(task: Task, error: TaskError, *, by: str, now: datetime, retry: RetryPolicy, roll: float) -> Change:
    policy = task.retry or retry
    failures = task.failures + 1
    if not policy.tries_again(error.category, failures=failures, own=task.retry is not None):
        return _ended(task, EventType.TASK_FAILED, Status.FAILED, now=now, by=by, failures=failures, error=error)
    return _requeued(
        task,
        EventType.TASK_RETRY_SCHEDULED,
        now=now,
        by=by,
        failures=failures,
        error=error,
        not_before=now + policy.delay(failures, roll=roll),
    )


def _deferred(task: Task, error: TaskError, *, by: str, now: datetime, retry: RetryPolicy, roll: float) -> Change:
    policy = task.retry or retry
    deferrals = task.deferrals + 1
    if deferrals > policy.max_deferrals:
        return _ended(task, EventType.TASK_FAILED, Status.FAILED, now=now, by=by, deferrals=deferrals, error=error)
    return _requeued(
        task,
        EventType.TASK_DEFERRED,
        now=now,
        by=by,
        deferrals=deferrals,
        error=error,
        not_before=now + policy.delay(deferrals, roll=roll),
    )


def _requeued(
    task: Task,
    type_: EventType,
    *,
    now: datetime,
    by: str,
    detail: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Change:
    back = {"status": Status.PENDING, "claim": None, "pending_since": now, "stall_noted_at": None}
    return _changed(task, type_, now=now, by=by, detail=detail, **{**back, **changes})


def _ended(
    task: Task,
    type_: EventType,
    status: Status,
    *,
    now: datetime,
    by: str,
    detail: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Change:
    end = {"status": status, "claim": None, "finished_at": now, "stall_noted_at": None}
    return _changed(task, type_, now=now, by=by, detail=detail, **{**end, **changes})


def _changed(
    task: Task,
    type_: EventType,
    *,
    now: datetime,
    by: str,
    detail: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Change:
    differing = {name: value for name, value in changes.items() if getattr(task, name) != value}
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


def _require(task: Task, verb: str) -> None:
    if task.status not in TRANSITIONS[verb][0]:
        raise IllegalTransition(task.task_id, state=task.status.value, verb=verb, legal=legal_verbs(task.status))


def _why(reason: str) -> Mapping[str, Any]:
    return {"reason": reason} if reason else {}
