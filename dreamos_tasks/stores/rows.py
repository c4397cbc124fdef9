"""Tasks and events as rows of the SQLite board, and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

from dreamos_tasks.model.asking import deadline_of
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.json_reading import field_from_json
from dreamos_tasks.model.task import (
    PRIORITIES_BY_RANK,
    Claim,
    ProcessIdentity,
    Status,
    Task,
)

_STATUSES = {status.value: status for status in Status}  # half a microsecond less than asking the class
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NEVER = 2**62  # `due` of a task without due_at: sorts after all others
_read_json = json.JSONDecoder().raw_decode

# What goes into the two JSON columns, with the default that is left out.
SPEC_FIELDS: Mapping[str, Any] = {
    "description": "",
    "tags": (),
    "depends_on": (),
    "related_task_id": None,
    "requires": (),
    "plan": None,
    "verify": (),
    "context": {},
    "timeout_seconds": None,
    "limits": {},
    "retry": None,
    "concurrency_key": None,
    "created_by": "api",
    "extra": {},
}
STATE_FIELDS: Mapping[str, Any] = {
    "failures": 0,
    "deferrals": 0,
    "lost_leases": 0,
    "progress": None,
    "steps": (),
    "result": None,
    "evidence": (),
    "error": None,
    "stall_noted_at": None,
    "requests": (),
    "pause": None,
    "gate_wait": None,
    "rollback": None,
}
INSERT_EVENT = "INSERT INTO event (seq, n, prev, type, at, by, data) VALUES (?, ?, ?, ?, ?, ?, ?)"
COLUMNS = (
    "task_id, status, priority, due, title, assigned_to, parent_id, dedupe_key, not_before, claimed_by, claimed_at, "
    "lease_until, heartbeat_at, last_token, attempt, created_at, updated_at, pending_since, started_at, finished_at, "
    "spec, state, n, last_seq"
)


def _compact_encoder() -> Callable[[Any], str]:
    """JSON without blanks. `JSONEncoder.encode` makes its C encoder anew for each text, which takes longer than using it."""
    plain = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return plain.encode
    pieces = make(None, plain.default, json.encoder.encode_basestring, None, ":", ",", False, False, True)
    return lambda value: "".join(pieces(value, 0))


encode = _compact_encoder()


def to_us(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - EPOCH) // MICROSECOND


def decode(text: str) -> Any:
    """What `encode` wrote."""
    return _read_json(text)[0]  # `loads` looks for blanks around it first, which takes longer than reading it


def from_us(microseconds: int | None) -> datetime | None:
    """The aware UTC instant."""
    return None if microseconds is None else _instant(microseconds)


def _instant(microseconds: int) -> datetime:
    return EPOCH + timedelta(microseconds=microseconds)


def lane_of(task: Task) -> str:
    """Whose turn the task can be: one agent's, any daemon's, or any agent's. (`lifecycle.offered_in_turn`, as a key.)"""
    if task.assigned_to is not None:
        return "agent:" + task.assigned_to
    return "plan" if task.plan is not None else "open"


def row_to_task(row: Sequence[Any]) -> Task:
    """The task of a row of COLUMNS."""
    (
        task_id,
        status,
        priority,
        due,
        title,
        assigned_to,
        parent_id,
        dedupe_key,
        not_before,
        claimed_by,
        claimed_at,
        lease_until,
        heartbeat_at,
        last_token,
        attempt,
        created_at,
        updated_at,
        pending_since,
        started_at,
        finished_at,
        spec,
        state,
        _,
        _,
    ) = row
    created = _instant(created_at)
    rest: dict[str, Any] = {}
    if spec is not None:
        rest = {name: field_from_json(name, value) for name, value in decode(spec).items()}
    process = None
    if state is not None:
        kept = decode(state)
        process = kept.pop("process", None)
        kept.pop("deadline", None)
        for name, value in kept.items():
            rest[name] = field_from_json(name, value)
    claim = None
    if claimed_by is not None:
        claim = Claim(
            agent_id=claimed_by,
            token=last_token,
            claimed_at=_instant(claimed_at),
            lease_until=_instant(lease_until),
            heartbeat_at=_instant(heartbeat_at),
            process=ProcessIdentity(**process) if process else None,
        )
    return Task(
        task_id=task_id,
        status=_STATUSES[status],
        priority=PRIORITIES_BY_RANK[priority],
        due_at=None if due == NEVER else from_us(due),
        title=title,
        assigned_to=assigned_to,
        parent_id=parent_id,
        dedupe_key=dedupe_key,
        not_before=from_us(not_before),
        claim=claim,
        last_token=last_token,
        attempt=attempt,
        created_at=created,
        updated_at=created if updated_at == created_at else _instant(updated_at),
        pending_since=created if pending_since == created_at else from_us(pending_since),
        started_at=from_us(started_at),
        finished_at=from_us(finished_at),
        **rest,
    )


def event_to_row(event: Event) -> tuple[Any, ...]:
    """type, at, by, data."""
    data: dict[str, Any] = {}
    if event.changes:
        data["changes"] = event.changes
    if event.detail:
        data["detail"] = event.detail
    return event.type.value, to_us(event.at), event.by, encode(data)


def row_to_event(row: Sequence[Any]) -> Event:
    """The event of a row (seq, task_id, type, at, by, data)."""
    seq, task_id, type_, at, by, data = row
    kept = decode(data)
    return Event(
        seq=seq,
        task_id=task_id,
        type=EventType(type_),
        at=_instant(at),
        by=by,
        changes=kept.get("changes", {}),
        detail=kept.get("detail", {}),
    )


def spec_text(task: Task) -> str | None:
    """The column `spec`."""
    values = _spec_values(task)
    return None if values == _SPEC_DEFAULTS else encode(_sparse(_SPEC, values))


def state_text(task: Task) -> str | None:
    """The column `state`."""
    process = task.claim.process if task.claim is not None else None
    values = _state_values(task)
    if process is None and values == _STATE_DEFAULTS:
        return None
    kept = _sparse(_STATE, values)
    deadline = deadline_of(task)
    if deadline is not None:
        kept["deadline"] = to_us(deadline)  # for its index
    if process is not None:
        kept["process"] = to_json(process)
    return encode(kept)


def _sparse(defaults: Iterable[tuple[str, Any]], values: Iterable[Any]) -> dict[str, Any]:
    return {
        name: to_json(value)
        for (name, default), value in zip(defaults, values, strict=True)
        if value is not default and value != default
    }


_SPEC, _STATE = tuple(SPEC_FIELDS.items()), tuple(STATE_FIELDS.items())
_spec_values, _SPEC_DEFAULTS = attrgetter(*SPEC_FIELDS), tuple(SPEC_FIELDS.values())
_state_values, _STATE_DEFAULTS = attrgetter(*STATE_FIELDS), tuple(STATE_FIELDS.values())
