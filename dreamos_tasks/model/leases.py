"""The verbs of a claim: taken, prolonged, given back, run out, taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from dreamos_tasks.errors import (
    ClaimHeld,
    IllegalTransition,
    NotClaimable,
    StaleToken,
)
from dreamos_tasks.model.event import Change, EventType
from dreamos_tasks.model.hold import GateWait, KeyUse
from dreamos_tasks.model.json_form import (
    instant_to_text,
)
from dreamos_tasks.model.plan import ErrorCategory, TaskError
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.readiness import lease_expired, refusals
from dreamos_tasks.model.task import (
    Claim,
    ProcessIdentity,
    Status,
    Task,
    evolve,
)
from dreamos_tasks.model.transitions import changed, ended, legal_verbs, requeued, require, set_free, why


def claim(
    task: Task,
    request: ClaimRequest,
    *,
    unfinished: Sequence[str],
    now: datetime,
    lease_seconds: float,
    process: ProcessIdentity | None = None,
    key_use: KeyUse | None = None,
    identity: Mapping[str, Any] | None = None,
) -> Change:
    """Give the agent a lease and a fresh token. Claiming what one holds changes nothing and succeeds.

    `identity`: what the event is to tell of who claimed (see model.agent).
    """
    if task.status is Status.IN_PROGRESS and task.claim is not None and not lease_expired(task, now):
        if task.claim.agent_id == request.agent_id:
            return Change(task, task)
        raise ClaimHeld(task.task_id, holder=task.claim.agent_id, lease_until=instant_to_text(task.claim.lease_until))
    free = expire(task, now=now) if lease_expired(task, now) else Change(task, task)
    require(free.task, "claim")
    reasons = refusals(free.task, request, unfinished=unfinished, now=now, key_use=key_use)
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
    taken = changed(
        free.task,
        EventType.TASK_CLAIMED,
        now=now,
        by=request.agent_id,
        detail=identity,
        status=Status.IN_PROGRESS,
        claim=lease,
        last_token=token,
        attempt=task.attempt + 1,
        started_at=task.started_at or now,
        stall_noted_at=None,
        progress=None,
        gate_wait=None,
    )
    return Change(task, taken.task, free.events + taken.events)


def heartbeat(task: Task, *, agent_id: str | None, token: int | None, now: datetime, lease_seconds: float) -> Change:
    """Prolong the lease. Writes no event: it changes nothing that anybody waits for."""
    lease = held(task, "heartbeat", agent_id=agent_id, token=token, now=now)
    until = max(lease.lease_until, now + timedelta(seconds=lease_seconds))
    prolonged = replace(lease, lease_until=until, heartbeat_at=now)
    return Change(task, evolve(task, {"claim": prolonged, "updated_at": now}))


def release(
    task: Task,
    *,
    agent_id: str | None,
    token: int | None,
    now: datetime,
    reason: str = "",
    until: datetime | None = None,
    gate_wait: GateWait | None = None,
) -> Change:
    """Give the task back unfinished; the attempt does not count. `until`: nobody is to take it before.

    With a `gate_wait` nothing was done: it goes on waiting since when it did before.
    """
    lease = held(task, "release", agent_id=agent_id, token=token, now=now)
    later = {} if until is None else {"not_before": until}
    return requeued(
        task,
        EventType.TASK_RELEASED,
        now=now,
        since=task.pending_since if gate_wait is not None else None,
        by=lease.agent_id,
        detail=why(reason),
        gate_wait=gate_wait,
        **later,
    )


def wake(task: Task, *, by: str, now: datetime) -> Change:
    """What its next step waited for may be had: it is ready again. Empty when it waits for nothing."""
    require(task, "wake")
    if task.gate_wait is None:
        return Change(task, task)
    return changed(task, EventType.TASK_WOKEN, now=now, by=by, not_before=None, gate_wait=None)


def expire(task: Task, *, now: datetime, max_lost_leases: int | None = None, by: str = "board") -> Change:
    """End a claim whose lease has run out. After `max_lost_leases` of them the task fails: it ends whoever takes it."""
    require(task, "expire")
    lease = task.claim
    if lease is None or lease.lease_until > now:
        raise IllegalTransition(
            task.task_id, state="held under a live lease", verb="expire", legal=("release", "cancel")
        )
    detail = {
        "agent_id": lease.agent_id,
        "token": lease.token,
        "lease_until": instant_to_text(lease.lease_until),
    }
    return _lost(
        task,
        lease,
        EventType.TASK_LEASE_EXPIRED,
        now=now,
        since=lease.lease_until,  # as reads have shown it since then
        by=by,
        detail=detail,
        max_lost_leases=max_lost_leases,
    )


def abandon(task: Task, *, now: datetime, by: str, reason: str, max_lost_leases: int) -> Change:
    """Take the task from a holder that has fallen silent, before its lease runs out; counted as a lease that ran out."""
    require(task, "recover")
    lease = task.claim
    assert lease is not None, "what is in progress is claimed"
    detail = {"agent_id": lease.agent_id, "token": lease.token, "reason": reason}
    return _lost(
        task,
        lease,
        EventType.TASK_RECOVERED,
        now=now,
        since=now,
        by=by,
        detail=detail,
        max_lost_leases=max_lost_leases,
    )


def _lost(
    task: Task,
    lease: Claim,
    type_: EventType,
    *,
    now: datetime,
    since: datetime,
    by: str,
    detail: Mapping[str, Any],
    max_lost_leases: int | None,
) -> Change:
    lost = task.lost_leases + 1
    if max_lost_leases is not None and lost >= max_lost_leases:
        error = TaskError(
            category=ErrorCategory.RESOURCE,
            message=f"{lost} agents in a row let the lease run out",
            cause=f"the last was {lease.agent_id}",
            suggestions=(f"dt history {task.task_id}", f"dt retry {task.task_id}"),
        )
        return ended(
            task,
            EventType.TASK_FAILED,
            Status.FAILED,
            now=now,
            by=by,
            detail=detail,
            lost_leases=lost,
            error=error,
        )
    return requeued(
        task,
        type_,
        now=now,
        since=since,
        by=by,
        detail=detail,
        lost_leases=lost,
        **set_free(task),
    )


def recover(task: Task, *, now: datetime, by: str, reason: str) -> Change:
    """Take the task from a holder that is proven dead, before its lease runs out. Nothing is counted against it."""
    require(task, "recover")
    return requeued(task, EventType.TASK_RECOVERED, now=now, by=by, detail=why(reason), **set_free(task))


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
        was_held=token is not None and token <= task.last_token and (lease is None or token != lease.token),
    )
