"""The JSON form of the model's values: what commands print, events carry and JSON boards keep. `json_reading` reads it."""

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
from dreamos_tasks.model.event import Event
from dreamos_tasks.model.limits import Usage
from dreamos_tasks.model.plan import (
    Plan,
    Step,
    StepResult,
    TaskError,
)
from dreamos_tasks.model.request import Pause, Request
from dreamos_tasks.model.task import (
    DRAFT_FIELDS,
    TASK_FIELDS,
    Claim,
    Progress,
    Task,
    TaskDraft,
)
from dreamos_tasks.model.undone import Rollback, Undone

_draft_values = attrgetter(*DRAFT_FIELDS)
SCALARS = frozenset({str, int, bool, type(None)})
# Values whose defaults say nothing: they are written sparsely. (A retry policy is not: an empty one means the board's own.)
SPARSE = (Step, StepResult, Plan, TaskError, Progress, Request, Pause, Usage, Undone, Rollback)
TOLD_ANYWAY = frozenset({(Request, "state")})  # whether it is still open: who reads a request asks that first


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


def event_to_json(event: Event) -> dict[str, Any]:
    """The event as a message: `{"id": seq, "type", "timestamp", "data": {"task_id", "by", "changes", "detail"}}`."""
    return {
        "id": event.seq,
        "type": event.type.value,
        "timestamp": instant_to_text(event.at),
        "data": {"task_id": event.task_id, "by": event.by, "changes": event.changes, "detail": event.detail},
    }


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
    return tuple(
        (f.name, MISSING if (cls, f.name) in TOLD_ANYWAY else f.default, f.default_factory is not MISSING)
        for f in fields(cls)
    )


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


_WRITERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (float, _finite),
    (Enum, attrgetter("value")),
    (datetime, instant_to_text),
    (Claim, _claim_to_json),
    (Mapping, _mapping_to_json),
    ((tuple, list), _list_to_json),
    ((str, int), lambda value: value),
)
