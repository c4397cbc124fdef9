"""How one attempt at a task ended: a closed set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.hold import GateWait
from dreamos_tasks.model.plan import ErrorCategory, Evidence, TaskError
from dreamos_tasks.model.value import frozen_value


@frozen_value
class Succeeded:
    """The work is done. `evidence` must cover the task's `verify` steps."""

    result: Any = None
    evidence: tuple[Evidence, ...] = ()


@frozen_value
class Failed:
    """The attempt failed; its category and the retry policy say whether there is another.

    `step` names the step of the plan that failed: its own retry policy counts, if it has one. `retry_after_seconds`: the
    other side asks not to be called again before.
    """

    error: TaskError
    step: str | None = None
    retry_after_seconds: float | None = None


@frozen_value
class RetryLater:
    """Deferred (exit 75, "try later"): run again with backoff, without counting an attempt spent. Fields as of Failed."""

    error: TaskError
    step: str | None = None
    retry_after_seconds: float | None = None


@frozen_value
class Snoozed:
    """Given back untouched: the daemon drains, or the work must wait, `until` then. Nothing is counted.

    `gate_wait`: what a step of it waits for.
    """

    reason: str
    until: datetime | None = None
    gate_wait: GateWait | None = None


@frozen_value
class Cancelled:
    """Somebody cancelled the task while it ran."""

    reason: str


Outcome = Succeeded | Failed | RetryLater | Snoozed | Cancelled


def outcome_of_result(result: Any, evidence: Sequence[Evidence] = ()) -> Succeeded | Failed:
    """How an attempt ended of which its holder gives this result: the form of an error is a failure, all else a success."""
    outcome = outcome_from_payload(result) if isinstance(result, Mapping) else None
    return outcome if isinstance(outcome, Failed) else Succeeded(result=result, evidence=tuple(evidence))


def outcome_from_payload(payload: Mapping[str, Any]) -> Succeeded | Failed | None:
    """Read the result form `{"status": "success"|"error", ...}` that agents were taught; None when it is something else.

    Shapes: `{"status": "success", "message"?, "data"?}`, `{"status": "error", "error_code", "message", "details"?}`.
    """
    match payload.get("status"):
        case "success" if payload.keys() <= {"status", "message", "data"}:
            return Succeeded(result=dict(payload))
        case "error" if payload.keys() <= {"status", "error_code", "message", "details"}:
            if not isinstance(payload.get("message"), str):
                raise InvalidInput(
                    "an error result needs a message",
                    pointer="/result/message",
                    fix='{"status": "error", "error_code": "...", "message": "..."}',
                )
            details = payload.get("details")
            return Failed(
                error=TaskError(
                    category=ErrorCategory.LOGIC,
                    message=payload["message"],
                    cause=f"{payload.get('error_code', 'error')}" + (f": {details}" if details else ""),
                )
            )
        case _:
            return None
