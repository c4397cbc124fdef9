"""The verbs that end an attempt: the outcome decides what becomes of the task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, assert_never

from dreamos_tasks.errors import (
    VerificationFailed,
)
from dreamos_tasks.model.event import Change, EventType
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.leases import held, release
from dreamos_tasks.model.outcome import Cancelled, Failed, Outcome, RetryLater, Snoozed, Succeeded
from dreamos_tasks.model.plan import Evidence, TaskError
from dreamos_tasks.model.retry import DEFAULT_RETRY, RetryPolicy
from dreamos_tasks.model.ruling import instant_of_retry, policy_for, put_off_too_often, ruling_on, step_of
from dreamos_tasks.model.steering import cancel
from dreamos_tasks.model.task import (
    Status,
    Task,
)
from dreamos_tasks.model.transitions import changed, ended, requeued


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
            return ended(
                task,
                EventType.TASK_COMPLETED,
                Status.COMPLETED,
                now=now,
                by=lease.agent_id,
                result=to_json(outcome.result),
                evidence=outcome.evidence,
                error=None,
            )
        case Failed():
            return _failed(task, outcome, by=lease.agent_id, now=now, retry=retry, roll=roll)
        case RetryLater():
            return _deferred(task, outcome, by=lease.agent_id, now=now, retry=retry, roll=roll)
        case Snoozed():
            return release(
                task,
                agent_id=agent_id,
                token=token,
                now=now,
                reason=outcome.reason,
                until=outcome.until,
                gate_wait=outcome.gate_wait,
            )
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
    return changed(task, EventType.VERIFICATION_FAILED, now=now, by=lease.agent_id, error=error)


def _failed(task: Task, failed: Failed, *, by: str, now: datetime, retry: RetryPolicy, roll: float) -> Change:
    ruling = ruling_on(task, failed, board=retry)
    error, failures = failed.error, task.failures + 1
    if not ruling.again:
        return ended(task, EventType.TASK_FAILED, Status.FAILED, now=now, by=by, failures=failures, error=error)
    return requeued(
        task,
        EventType.TASK_RETRY_SCHEDULED,
        now=now,
        by=by,
        detail=_told(failed, failures=ruling.failures, most=ruling.policy.max_attempts),
        failures=task.failures if ruling.of_step else failures,
        error=error,
        not_before=instant_of_retry(ruling.policy, failed, failures=ruling.failures, now=now, roll=roll),
    )


def _deferred(task: Task, later: RetryLater, *, by: str, now: datetime, retry: RetryPolicy, roll: float) -> Change:
    step = step_of(task, later.step)
    policy = policy_for(task, step, board=retry)
    error, deferrals = later.error, task.deferrals + 1
    if deferrals > policy.max_deferrals:
        error = put_off_too_often(error, task, step, policy=policy)
        return ended(task, EventType.TASK_FAILED, Status.FAILED, now=now, by=by, deferrals=deferrals, error=error)
    return requeued(
        task,
        EventType.TASK_DEFERRED,
        now=now,
        by=by,
        detail=_told(later, deferrals=deferrals, most=policy.max_deferrals),
        deferrals=deferrals,
        error=error,
        not_before=instant_of_retry(policy, later, failures=deferrals, now=now, roll=roll),
    )


def _told(failed: Failed | RetryLater, **counts: int) -> Mapping[str, Any]:
    """What no field keeps of why there is another attempt."""
    step = {"step": failed.step} if failed.step is not None else {}
    asked = {"retry_after_seconds": failed.retry_after_seconds} if failed.retry_after_seconds is not None else {}
    return {**step, **asked, **counts}
