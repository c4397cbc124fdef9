"""The model's values from their JSON form. It is trusted: a store wrote it, or a door has validated it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from dreamos_tasks.model.hold import gate_wait_from_json
from dreamos_tasks.model.json_form import instant_from_text
from dreamos_tasks.model.limits import Usage
from dreamos_tasks.model.plan import (
    ApprovalMode,
    ErrorCategory,
    Evidence,
    Plan,
    Step,
    StepResult,
    StepStatus,
    TaskError,
)
from dreamos_tasks.model.request import Pause, PauseEnd, Request, RequestKind, RequestState, Risk
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import TASK_FIELDS, Claim, Priority, ProcessIdentity, Progress, Status, Task
from dreamos_tasks.model.undone import Rollback, RollbackCause, Undone


def task_from_json(form: Mapping[str, Any]) -> Task:
    """The task whose (full or sparse) JSON form this is. Keys that are no field go to `extra`."""
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in form.items():
        if name not in _TASK_NAMES:
            extra[name] = value
        elif value is not None:
            read = _READERS.get(name)
            known[name] = read(value) if read else value
    if extra:
        known["extra"] = {**known.get("extra", {}), **extra}
    return Task(**known)


def field_from_json(name: str, value: Any) -> Any:
    """One field of a task from its JSON form."""
    read = _READERS.get(name)
    return read(value) if read and value is not None else value


def _step_from_json(form: Mapping[str, Any]) -> Step:
    """A step from its sparse form."""
    known = {name: form[name] for name in form if name in _STEP_NAMES}
    if "needs" in known:
        known["needs"] = tuple(known["needs"])
    if "approval" in known:
        known["approval"] = ApprovalMode(known["approval"])
    return Step(**known)


def _step_result_from_json(form: Mapping[str, Any]) -> StepResult:
    """A step's result from its sparse form."""
    known = dict(form)
    known["status"] = StepStatus(known["status"])
    for name in ("started_at", "finished_at"):
        if known.get(name) is not None:
            known[name] = instant_from_text(known[name])
    if known.get("error") is not None:
        known["error"] = _error_from_json(known["error"])
    if known.get("usage") is not None:
        known["usage"] = Usage(**known["usage"])
    if known.get("undone") is not None:
        known["undone"] = Undone(**{**known["undone"], "at": instant_from_text(known["undone"]["at"])})
    known["failures"] = tuple(map(ErrorCategory, known.get("failures", ())))
    return StepResult(**known)


def _error_from_json(form: Mapping[str, Any]) -> TaskError:
    """A task's error from its sparse form."""
    known = dict(form)
    known["category"] = ErrorCategory(known["category"])
    known["suggestions"] = tuple(known.get("suggestions", ()))
    return TaskError(**known)


def _claim_from_json(form: Mapping[str, Any]) -> Claim:
    process = form.get("process")
    return Claim(
        agent_id=form["agent_id"],
        token=form["token"],
        claimed_at=instant_from_text(form["claimed_at"]),
        lease_until=instant_from_text(form["lease_until"]),
        heartbeat_at=instant_from_text(form.get("heartbeat_at") or form["claimed_at"]),
        process=ProcessIdentity(**process) if process else None,
    )


def _plan_from_json(form: Mapping[str, Any]) -> Plan:
    return Plan(**{**form, "steps": tuple(map(_step_from_json, form["steps"]))})


def _retry_from_json(form: Mapping[str, Any]) -> RetryPolicy | None:
    if not form:
        return None
    known = dict(form)
    if known.get("categories") is not None:
        known["categories"] = tuple(map(ErrorCategory, known["categories"]))
    return RetryPolicy(**known)


def _progress_from_json(form: Mapping[str, Any]) -> Progress:
    known = dict(form)
    if known.get("at") is not None:
        known["at"] = instant_from_text(known["at"])
    return Progress(**known)


def _request_from_json(form: Mapping[str, Any]) -> Request:
    known = dict(form)
    known["kind"] = RequestKind(known["kind"])
    known["state"] = RequestState(known.get("state", RequestState.OPEN))
    for name in ("asked_at", "expires_at", "decided_at"):
        if known.get(name) is not None:
            known[name] = instant_from_text(known[name])
    if known.get("risk") is not None:
        known["risk"] = Risk(known["risk"])
    for name in ("reasons", "choices"):
        known[name] = tuple(known.get(name, ()))
    return Request(**known)


def _pause_from_json(form: Mapping[str, Any]) -> Pause:
    known = dict(form)
    for name in ("at", "until"):
        if known.get(name) is not None:
            known[name] = instant_from_text(known[name])
    known["then"] = PauseEnd(known.get("then", PauseEnd.RESUME))
    return Pause(**known)


def _rollback_from_json(form: Mapping[str, Any]) -> Rollback:
    known = dict(form)
    known["cause"] = RollbackCause(known["cause"])
    known["steps"] = tuple(known.get("steps", ()))
    for name in ("since", "started_at", "finished_at"):
        if known.get(name) is not None:
            known[name] = instant_from_text(known[name])
    return Rollback(**known)


def _evidence_from_json(form: Mapping[str, Any]) -> Evidence:
    return Evidence(**{**form, "at": instant_from_text(form["at"])})


def _each(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    return lambda values: tuple(map(read, values))


_TASK_NAMES = frozenset(TASK_FIELDS)
_STEP_NAMES = frozenset(f.name for f in fields(Step))
_READERS: dict[str, Callable[[Any], Any]] = {
    "status": Status,
    "priority": Priority,
    "tags": tuple,
    "depends_on": tuple,
    "requires": tuple,
    "plan": _plan_from_json,
    "verify": _each(_step_from_json),
    "steps": _each(_step_result_from_json),
    "evidence": _each(_evidence_from_json),
    "claim": _claim_from_json,
    "progress": _progress_from_json,
    "error": _error_from_json,
    "requests": _each(_request_from_json),
    "pause": _pause_from_json,
    "rollback": _rollback_from_json,
    "gate_wait": gate_wait_from_json,
    "retry": _retry_from_json,
    **dict.fromkeys(
        (
            "not_before",
            "due_at",
            "created_at",
            "updated_at",
            "pending_since",
            "stall_noted_at",
            "started_at",
            "finished_at",
        ),
        instant_from_text,
    ),
}
