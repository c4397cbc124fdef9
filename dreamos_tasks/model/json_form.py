"""The JSON form of the model's values: what commands print, events carry and JSON boards keep.

Writing is general; reading back (`task_from_json`) trusts its input, which a store wrote or a door has validated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import cache, lru_cache
from math import isfinite
from operator import attrgetter
from typing import Any

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.hold import gate_wait_from_json
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
from dreamos_tasks.model.task import (
    DRAFT_FIELDS,
    TASK_FIELDS,
    Claim,
    Priority,
    ProcessIdentity,
    Progress,
    Status,
    Task,
    TaskDraft,
)
from dreamos_tasks.model.undone import Rollback, RollbackCause, Undone

_draft_values = attrgetter(*DRAFT_FIELDS)
SCALARS = frozenset({str, int, bool, type(None)})
# Values whose defaults say nothing: they are written sparsely. (A retry policy is not: an empty one means the board's own.)
SPARSE = (Step, StepResult, Plan, TaskError, Progress, Request, Pause, Usage, Undone, Rollback)


def instant_to_text(instant: datetime) -> str:
    """RFC 3339 with `Z` and microseconds, of an instant in UTC."""
    return instant.isoformat("T", "microseconds")[:-6] + "Z"


def instant_from_text(text: str) -> datetime:
    """An aware UTC instant from what `instant_to_text` wrote, or any offset form `fromisoformat` reads."""
    return datetime.fromisoformat(text).astimezone(UTC)


def to_json(value: Any) -> Any:
    """A value of the model as JSON types. Mappings and lists are copied.

    Raises InvalidInput for a number that JSON does not have, TypeError for objects and keys that have no JSON form.
    """
    cls = value.__class__
    return value if cls in SCALARS else _writer_of(cls)(value)


def task_to_json(task: Task) -> dict[str, Any]:
    """Every field of the task, in the contract's form."""
    return {name: to_json(getattr(task, name)) for name in TASK_FIELDS}


def task_to_sparse_json(task: Task) -> dict[str, Any]:
    """The fields that differ from their defaults: what an event and a board need to keep."""
    sparse = {}
    for name, default in _task_defaults():
        value = getattr(task, name)
        if value is not default and value != default:
            sparse[name] = to_json(value)
    return sparse


def draft_to_sparse_json(draft: TaskDraft) -> dict[str, Any]:
    """What somebody asked for, without the fields left at their defaults."""
    return {
        name: to_json(value)
        for name, value, default in zip(DRAFT_FIELDS, _draft_values(draft), _draft_defaults(), strict=True)
        if value is not default and value != default
    }


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


def event_to_json(event: Event) -> dict[str, Any]:
    """The event as a message: `{"id": seq, "type", "timestamp", "data": {"task_id", "by", "changes", "detail"}}`."""
    return {
        "id": event.seq,
        "type": event.type.value,
        "timestamp": instant_to_text(event.at),
        "data": {"task_id": event.task_id, "by": event.by, "changes": event.changes, "detail": event.detail},
    }


def event_from_json(form: Mapping[str, Any]) -> Event:
    """Back from `event_to_json`."""
    inner = form["data"]
    return Event(
        type=EventType(form["type"]),
        task_id=inner["task_id"],
        at=instant_from_text(form["timestamp"]),
        by=inner["by"],
        changes=inner["changes"],
        detail=inner["detail"],
        seq=form["id"],
    )


def step_from_json(form: Mapping[str, Any]) -> Step:
    """A step from its sparse form."""
    known = {name: form[name] for name in form if name in _STEP_NAMES}
    if "needs" in known:
        known["needs"] = tuple(known["needs"])
    if "approval" in known:
        known["approval"] = ApprovalMode(known["approval"])
    return Step(**known)


def step_result_from_json(form: Mapping[str, Any]) -> StepResult:
    """A step's result from its sparse form."""
    known = dict(form)
    known["status"] = StepStatus(known["status"])
    for name in ("started_at", "finished_at"):
        if known.get(name) is not None:
            known[name] = instant_from_text(known[name])
    if known.get("error") is not None:
        known["error"] = error_from_json(known["error"])
    if known.get("usage") is not None:
        known["usage"] = Usage(**known["usage"])
    if known.get("undone") is not None:
        known["undone"] = Undone(**{**known["undone"], "at": instant_from_text(known["undone"]["at"])})
    known["failures"] = tuple(map(ErrorCategory, known.get("failures", ())))
    return StepResult(**known)


def error_from_json(form: Mapping[str, Any]) -> TaskError:
    """A task's error from its sparse form."""
    known = dict(form)
    known["category"] = ErrorCategory(known["category"])
    known["suggestions"] = tuple(known.get("suggestions", ()))
    return TaskError(**known)


def _finite(number: float) -> float:
    if not isfinite(number):
        raise InvalidInput(
            f"{number} has no JSON form",
            cause="JSON has no NaN and no infinity",
            fix="leave it out, or write null or a text instead",
        )
    return number


def _text(key: Any) -> Any:
    if not isinstance(key, str):
        raise TypeError(f"{key!r} cannot be a key in JSON: a key is a text")
    return key


@lru_cache(maxsize=256)
def _writer_of(cls: type) -> Callable[[Any], Any]:
    """What writes values of this class: looked for once a class."""
    for kinds, writer in _WRITERS:
        if issubclass(cls, kinds):
            return writer
    return _dataclass_to_json if is_dataclass(cls) else _refused


def _mapping_to_json(value: Mapping[Any, Any]) -> dict[str, Any]:
    return {_text(key): to_json(inner) for key, inner in value.items()}


def _list_to_json(value: Sequence[Any]) -> list[Any]:
    return [to_json(inner) for inner in value]


def _dataclass_to_json(value: Any) -> dict[str, Any]:
    written = {}
    for name, default, may_be_empty in _fields(value.__class__):
        inner = getattr(value, name)
        if inner is default or inner == default or (may_be_empty and not inner):
            continue
        written[name] = to_json(inner)
    return written


def _refused(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} has no JSON form")


@cache
def _fields(cls: Any) -> tuple[tuple[str, Any, bool], ...]:
    """Each field, the default that is left out (MISSING: none is), and whether an empty one is left out."""
    if not issubclass(cls, SPARSE):
        return tuple((f.name, MISSING, False) for f in fields(cls))
    return tuple((f.name, f.default, f.default_factory is not MISSING) for f in fields(cls))


@cache
def _task_defaults() -> tuple[tuple[str, Any], ...]:
    """Each field with the value that goes without saying; a required field has none."""
    return tuple((f.name, {} if f.default_factory is not MISSING else f.default) for f in fields(Task))


@cache
def _draft_defaults() -> tuple[Any, ...]:
    return tuple({} if f.default_factory is not MISSING else f.default for f in fields(TaskDraft))


def _claim_to_json(claim: Claim) -> dict[str, Any]:
    form = {
        "agent_id": claim.agent_id,
        "token": claim.token,
        "claimed_at": instant_to_text(claim.claimed_at),
        "lease_until": instant_to_text(claim.lease_until),
        "heartbeat_at": instant_to_text(claim.heartbeat_at),
    }
    if claim.process is not None:
        form["process"] = _dataclass_to_json(claim.process)
    return form


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
    return Plan(**{**form, "steps": tuple(map(step_from_json, form["steps"]))})


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


_WRITERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (float, _finite),
    (Enum, attrgetter("value")),
    (datetime, instant_to_text),
    (Claim, _claim_to_json),
    (Mapping, _mapping_to_json),
    ((tuple, list), _list_to_json),
    ((str, int), lambda value: value),
)
_TASK_NAMES = frozenset(TASK_FIELDS)
_STEP_NAMES = frozenset(f.name for f in fields(Step))
_READERS: dict[str, Callable[[Any], Any]] = {
    "status": Status,
    "priority": Priority,
    "tags": tuple,
    "depends_on": tuple,
    "requires": tuple,
    "plan": _plan_from_json,
    "verify": _each(step_from_json),
    "steps": _each(step_result_from_json),
    "evidence": _each(_evidence_from_json),
    "claim": _claim_from_json,
    "progress": _progress_from_json,
    "error": error_from_json,
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
