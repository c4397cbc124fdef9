"""Live messages: what happens on the board, as those are told who follow it. Pure; one event is one message.

`{"id": SEQ, "type", "timestamp", "data": {"task_id", "event", "by", "changes", "detail"}}`. The id is the event's seq, so
whoever asks for what comes after the last id that it has seen misses nothing and is told nothing twice. `event` is the
board's own word for it, `changes` the fields of the task that it changed. Of what can be long there is only the part that
the event is about: `step` (the step that began or ended, without its output) and `request` (what people were asked). What
is left out all the same is named in `left_out`, and can be had from the task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.json_form import instant_to_text

LONGEST_FIELD = 2000  # characters of JSON: a message is to be read by a hundred clients at once


class LiveType(StrEnum):
    """What a message is about."""

    STATUS_CHANGE = "status_change"
    STEP_START = "step_start"
    STEP_PROGRESS = "step_progress"
    STEP_COMPLETE = "step_complete"  # whichever way it ended: `data.step.status` says it
    ERROR = "error"
    APPROVAL_REQUEST = "approval_request"  # asked or decided: `data.request.state` says it
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    QUEUE_UPDATE = "queue_update"  # a task came, or something about it changed while its state did not
    HEARTBEAT = "heartbeat"
    GAP = "gap"


_TYPES: Mapping[EventType, LiveType] = {
    EventType.TASK_ADDED: LiveType.QUEUE_UPDATE,
    EventType.STEP_STARTED: LiveType.STEP_START,
    EventType.PROGRESS: LiveType.STEP_PROGRESS,
    EventType.STEP_COMPLETED: LiveType.STEP_COMPLETE,
    EventType.STEP_FAILED: LiveType.STEP_COMPLETE,
    EventType.STEP_SKIPPED: LiveType.STEP_COMPLETE,
    EventType.STEP_PAUSED: LiveType.STEP_COMPLETE,
    EventType.STEP_UNDONE: LiveType.STEP_COMPLETE,
    EventType.STEP_UNDO_FAILED: LiveType.ERROR,
    EventType.VERIFICATION_FAILED: LiveType.ERROR,
    EventType.TASK_FAILED: LiveType.ERROR,
    EventType.TASK_RETRY_SCHEDULED: LiveType.ERROR,
    EventType.TASK_DEFERRED: LiveType.ERROR,
    EventType.TASK_COMPLETED: LiveType.COMPLETED,
    EventType.TASK_CANCELLED: LiveType.CANCELLED,
    EventType.APPROVAL_REQUESTED: LiveType.APPROVAL_REQUEST,
    EventType.APPROVAL_GRANTED: LiveType.APPROVAL_REQUEST,
    EventType.APPROVAL_REJECTED: LiveType.APPROVAL_REQUEST,
    EventType.QUESTION_ASKED: LiveType.APPROVAL_REQUEST,
    EventType.QUESTION_ANSWERED: LiveType.APPROVAL_REQUEST,
    EventType.REQUEST_EXPIRED: LiveType.APPROVAL_REQUEST,
    EventType.PAUSE_REQUESTED: LiveType.STATUS_CHANGE,  # it is about to
    EventType.TASK_RESUMED: LiveType.STATUS_CHANGE,
}
# Told apart, or of use only to whoever looks at the whole task.
_LEFT_OUT = frozenset({"steps", "requests", "plan", "verify", "evidence"})
_LEFT_OUT_OF_A_STEP = frozenset({"output_head", "output_tail", "value", "undo"})
_encode = json.JSONEncoder(separators=(",", ":")).encode


def live_message(event: Event) -> dict[str, Any]:
    """The message of one event."""
    left_out: list[str] = []
    data: dict[str, Any] = {"task_id": event.task_id, "event": event.type.value, "by": event.by}
    step = _named(event.changes.get("steps"), "name", event.detail.get("step"))
    request = _named(event.changes.get("requests"), "request_id", event.detail.get("request_id"))
    told_apart = {name for name, one in (("steps", step), ("requests", request)) if one is not None}
    changes = {name: value for name, value in event.changes.items() if name not in told_apart}
    data["changes"] = _short(changes, _LEFT_OUT, left_out)
    data["detail"] = _short(event.detail, (), left_out, within="detail.")
    if step is not None:
        data["step"] = _short(step, _LEFT_OUT_OF_A_STEP, left_out, within="step.")
    if request is not None:
        data["request"] = _short(request, (), left_out, within="request.")
    if left_out:
        data["left_out"] = left_out
    return _message(event.seq, live_type(event), event.at, data)


def heartbeat(seq: int, now: datetime) -> dict[str, Any]:
    """Nothing has happened, and the connection is alive. Its id is that of the newest event: all up to it has been told."""
    return _message(seq, LiveType.HEARTBEAT, now, {})


def gap(seq: int, now: datetime, *, after: int, reason: str, snapshot: Mapping[str, Any]) -> dict[str, Any]:
    """What came after the id `after`, up to this message's id, is not told one by one; `snapshot` says how things stand."""
    return _message(seq, LiveType.GAP, now, {"after": after, "reason": reason, "snapshot": snapshot})


def encoded(message: Mapping[str, Any]) -> str:
    """The message as it goes over the wire: one line of ASCII."""
    return _encode(message)


def live_type(event: Event) -> LiveType:
    """What the message of an event is about."""
    known = _TYPES.get(event.type)
    if known is not None:
        return known
    return LiveType.STATUS_CHANGE if "status" in event.changes else LiveType.QUEUE_UPDATE


def _message(seq: int, type_: LiveType, at: datetime, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": seq, "type": type_.value, "timestamp": instant_to_text(at), "data": data}


def _named(records: Any, key: str, name: Any) -> Mapping[str, Any] | None:
    """The newest of the records that has this name."""
    if name is None or not isinstance(records, list | tuple):
        return None
    return next((record for record in reversed(records) if record.get(key) == name), None)


def _short(
    fields: Mapping[str, Any], dropped: Iterable[str], left_out: list[str], *, within: str = ""
) -> dict[str, Any]:
    short = {}
    for name, value in fields.items():
        if name in dropped or _is_long(value):
            left_out.append(within + name)
        else:
            short[name] = value
    return short


def _is_long(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > LONGEST_FIELD
    return isinstance(value, Mapping | list | tuple) and len(_encode(value)) > LONGEST_FIELD
