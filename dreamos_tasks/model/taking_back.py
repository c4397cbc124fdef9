"""Taking back: a person's last change to the board is undone by a new event, which puts back the fields as they were."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from dreamos_tasks.errors import CannotUndo
from dreamos_tasks.model.event import Change, Event, EventType
from dreamos_tasks.model.recording import fold
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.model.transitions import FOREGROUND, changed, ended, resting_status

# What people say to the board; the work itself (claims, steps, results) is not taken back so.
SPOKEN = {
    EventType.TASK_ADDED: "add",
    EventType.TASK_EDITED: "edit",
    EventType.TASK_PAUSED: "pause",
    EventType.PAUSE_REQUESTED: "pause",
    EventType.TASK_RESUMED: "resume",
    EventType.TASK_CANCELLED: "cancel",
    EventType.TASK_RETRIED: "retry",
    EventType.APPROVAL_GRANTED: "approve",
    EventType.APPROVAL_REJECTED: "reject",
    EventType.QUESTION_ANSWERED: "answer",
}
DECISIONS = frozenset({EventType.APPROVAL_GRANTED, EventType.APPROVAL_REJECTED, EventType.QUESTION_ANSWERED})
MACHINES = frozenset({"board", "monitor"})  # who changes tasks by itself, beside daemons


def is_spoken(event: Event, *, machines: Collection[str] = ()) -> bool:
    """Whether a person or an agent has said this, and not the board, a monitor or a daemon by itself."""
    by_itself = event.by in MACHINES or event.by in machines or FOREGROUND.fullmatch(event.by) is not None
    return event.type in SPOKEN and not by_itself


def was_said_with(event: Event, other: Event) -> bool:
    """Whether the two are one change: tasks of one `add`, or those that were cancelled with their episode."""
    if (event.type, event.by) != (other.type, other.by):
        return False
    episode = event.detail.get("episode")
    return event.at == other.at or (episode is not None and episode == other.detail.get("episode"))


def taken_back_by(event: Event) -> Sequence[int]:
    """The seqs of the events that this one takes back."""
    return tuple(event.detail.get("taken_back", ())) if event.type is EventType.CHANGE_TAKEN_BACK else ()


def take_back(task: Task, told: Sequence[Event], event: Event, *, by: str, now: datetime) -> Change:
    """The task as it was before `event`, of which `told` are all events. A new task is cancelled: nothing is ever deleted.

    A claim does not come back: what was held is in the queue again. Raises CannotUndo when anything has happened to it since.
    """
    _refuse_decisions(task, event)
    _refuse_later(task, told, event)
    detail = {"taken_back": [event.seq], "verb": SPOKEN[event.type], "said_by": event.by}
    if event.type is EventType.TASK_ADDED:
        return ended(task, EventType.CHANGE_TAKEN_BACK, Status.CANCELLED, now=now, by=by, detail=detail)
    before = _before(told, event)
    return changed(
        task, EventType.CHANGE_TAKEN_BACK, now=now, by=by, detail=detail, **_restored(task, before, event, now)
    )


def _restored(task: Task, before: Task, event: Event, now: datetime) -> dict[str, Any]:
    restored = {name: getattr(before, name) for name in event.changes}
    if before.claim is None or task.claim is not None:
        return restored
    status = resting_status(before.pause, before.requests)
    restored.pop("steps", None)  # what was cut off by it stays cut off
    restored |= {"status": status, "claim": None}
    if status is Status.PENDING:
        restored["pending_since"] = now
    return restored


def _before(told: Sequence[Event], event: Event) -> Task:
    task: Task | None = None
    for one in told:
        if one.seq >= event.seq:
            break
        task = fold(task, one)
    assert task is not None, "a task begins with its being added"
    return task


def _refuse_decisions(task: Task, event: Event) -> None:
    if event.type in DECISIONS:
        raise CannotUndo(
            f"the last change was to {SPOKEN[event.type]} {task.task_id}, by {event.by}: that cannot be taken back",
            cause="what was decided may have been acted upon",
            fix=f"dt pause {task.task_id} --now, or dt cancel {task.task_id}",
        )


def _refuse_later(task: Task, told: Sequence[Event], event: Event) -> None:
    gone = {seq for one in told for seq in taken_back_by(one)}
    since = [
        one
        for one in told
        if one.seq > event.seq and one.seq not in gone and one.type is not EventType.CHANGE_TAKEN_BACK
    ]
    if since:
        first = since[0]
        held = f"; it is held by {task.claim.agent_id}" if task.claim is not None else ""
        raise CannotUndo(
            f"{SPOKEN[event.type]} {task.task_id} cannot be taken back: something has happened to it since",
            cause=f"{first.type.value.replace('_', ' ')} by {first.by}{held}",
            fix=f"dt history {task.task_id}; dt events --after {event.seq}",
        )
