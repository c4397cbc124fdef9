"""A task as a JSON board holds it, perhaps written or edited by a person: read tolerantly, strict where a rule is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.history import differing_fields
from dreamos_tasks.model.json_form import (
    draft_to_sparse_json,
    instant_to_text,
    task_to_sparse_json,
    to_json,
)
from dreamos_tasks.model.task import DRAFT_FIELDS, FINAL, QUEUED, TASK_FIELDS, Status, Task, TaskDraft, evolve
from dreamos_tasks.stores.typed_form import Misfit, reader_of

BY_HAND = "file"  # who did what a person wrote into the file
ALWAYS_SHOWN = ("task_id", "title", "status", "priority")  # first, and even at their defaults
FIELDS_IN_ORDER = (*ALWAYS_SHOWN, *(name for name in TASK_FIELDS if name not in (*ALWAYS_SHOWN, "extra")))
RESERVED = frozenset({*TASK_FIELDS, "events"})  # names that no unknown key can stand under
CLAIM_TELLS = frozenset({"claim", "attempt"})  # what the history of attempts is read from
COUNTERS = ("attempt", "failures", "deferrals", "lost_leases", "last_token")

_read_task = reader_of(Task)
_read_event = reader_of(Event)


def task_to_written(task: Task) -> dict[str, Any]:
    """The task as it is to stand in the file, events aside: defaults left out, unknown keys where they were."""
    sparse = {**{name: to_json(getattr(task, name)) for name in ALWAYS_SHOWN}, **task_to_sparse_json(task)}
    unknown = sparse.pop("extra", {})
    written = {name: sparse[name] for name in FIELDS_IN_ORDER if name in sparse}
    written.update({key: value for key, value in unknown.items() if key not in RESERVED})
    hidden = {key: value for key, value in unknown.items() if key in RESERVED}
    return {**written, "extra": hidden} if hidden else written


def event_to_written(event: Event) -> dict[str, Any]:
    """The event as it is to stand in its task's `events`."""
    written = {
        "seq": event.seq,
        "type": event.type.value,
        "at": instant_to_text(event.at),
        "by": event.by,
        "changes": event.changes,
        "detail": event.detail,
    }
    return {key: value for key, value in written.items() if value or key not in ("changes", "detail")}


def read_events(form: Any, *, task_id: str) -> tuple[Event, ...]:
    """The events of a task, oldest first. Raises Misfit."""
    if form is None:
        return ()
    if not isinstance(form, list):
        raise Misfit("the events are not a list", expected="the list of what happened to the task, or nothing")
    events = []
    for index, written in enumerate(form):
        try:
            if not isinstance(written, dict):
                raise Misfit("an event is no object", expected="an object {...}")
            if written.get("seq") is None:
                raise Misfit("'seq' is missing", expected="its number in the log of the whole board")
            events.append(_read_event({**written, "task_id": task_id}))
        except Misfit as misfit:
            misfit.inside(index)
            raise
    return tuple(sorted(events, key=lambda event: event.seq))


def folded(events: Sequence[Event]) -> Task | None:
    """The task as its events tell it; None when there are none. Raises Misfit when they cannot be replayed."""
    task = None
    for index, event in enumerate(events):
        try:
            if (task is None) is not (event.type is EventType.TASK_ADDED):
                raise ValueError("a task is added once, and first")
            if event.type is EventType.TASK_CLAIMED and not event.changes.keys() >= CLAIM_TELLS:
                raise ValueError("a claim tells its holder and the number of the attempt")
            task = lifecycle.fold(task, event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Misfit(
                f"this event cannot be replayed: {error!r}",
                expected="the log as it was written",
                fix="put the events back as they were, or remove them all: a new log is begun",
                pointer=f"/{index}",
            ) from None
    return task


def read_task(form: Mapping[str, Any], *, task_id: str, told: Task | None, saved_at: datetime) -> Task:
    """The task that a person means. `told`: what its events tell; `saved_at`: when the file was written. Raises Misfit."""
    known = {
        key: value for key, value in form.items() if key != "events" and (value is not None or key not in RESERVED)
    }
    known["task_id"] = task_id
    for name in ("created_at", "updated_at"):
        if name not in known:
            instant = getattr(told, name) if told else saved_at
            known[name] = known.get("created_at") if name == "updated_at" and not told else instant_to_text(instant)
    if told is None:
        known.setdefault("created_by", BY_HAND)
    if isinstance(claim := known.get("claim"), dict) and "claimed_at" in claim:
        known["claim"] = {"heartbeat_at": claim["claimed_at"], **claim}
    task = _held_to_the_rules_of_a_draft(_read_task(known))
    _check_counters(task)
    _check_claim(task)
    changes: dict[str, Any] = {}
    if task.pending_since is None and task.status in QUEUED:
        changes["pending_since"] = task.created_at
    if task.finished_at is None and task.status in FINAL:
        changes["finished_at"] = task.updated_at
    if task.claim is not None and task.last_token != task.claim.token:
        changes["last_token"] = task.claim.token
    return evolve(task, changes) if changes else task


def missing_events(task: Task, *, told: Task | None, saved_at: datetime) -> tuple[Task, tuple[Event, ...]]:
    """The task, and what must be added to its events so that they tell it."""
    events: list[Event] = []
    if told is None:
        asked = draft_to_sparse_json(task)
        asked.pop("task_id")
        events.append(
            Event(type=EventType.TASK_ADDED, task_id=task.task_id, at=task.created_at, by=BY_HAND, changes=asked)
        )
        told = lifecycle.fold(None, events[0])
    names = differing_fields(told, task)
    if names:
        at = max(saved_at, told.updated_at)
        changes = {name: to_json(getattr(task, name)) for name in names if name != "updated_at"}
        events.append(Event(type=EventType.TASK_EDITED, task_id=task.task_id, at=at, by=BY_HAND, changes=changes))
        task = evolve(task, {"updated_at": at})
    return task, tuple(events)


def _held_to_the_rules_of_a_draft(task: Task) -> Task:
    asked = {name: getattr(task, name) for name in DRAFT_FIELDS}
    try:
        draft = TaskDraft(**asked)
    except InvalidTask as error:
        raise Misfit(error.message, cause=error.cause, fix=error.fix, pointer=error.pointer) from None
    completed = {name: value for name in DRAFT_FIELDS if (value := getattr(draft, name)) != asked[name]}
    return evolve(task, completed) if completed else task


def _check_counters(task: Task) -> None:
    for name in COUNTERS:
        if getattr(task, name) < 0:
            raise Misfit(
                f"{getattr(task, name)} cannot be a count", expected="0 or more", fix="leave it out", pointer=f"/{name}"
            )


def _check_claim(task: Task) -> None:
    if task.status is Status.IN_PROGRESS and task.claim is None:
        raise Misfit(
            "the task is in progress, but nobody holds it",
            expected="a claim exactly while the status is in_progress",
            fix=f'write "status": "pending" and let the agent claim it: dt claim {task.task_id} --agent NAME',
            pointer="/status",
        )
    if task.claim is None:
        return
    if task.status is not Status.IN_PROGRESS:
        raise Misfit(
            f"the task is {task.status.value}, but {task.claim.agent_id} holds it",
            expected="a claim exactly while the status is in_progress",
            fix='remove the claim, or write "status": "in_progress"',
            pointer="/claim",
        )
    if task.claim.token < max(task.last_token, 1):
        raise Misfit(
            f"the token {task.claim.token} has been given out before",
            expected=f"{task.last_token or 1}, the number of the task's last claim",
            fix=f'write "token": {task.last_token or 1}',
            pointer="/claim/token",
        )
