"""The words of other boards: their statuses and priorities, and what these are here."""

from __future__ import annotations

from typing import Any

from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.model.task import Priority, Status, priority_from

# What others call the states, and where such a task is to be here. A claim is never taken over: nobody holds its lease.
STATUS_WORDS: dict[str, Status] = {
    **{
        status.value: status
        for status in (Status.PENDING, Status.PAUSED, Status.COMPLETED, Status.FAILED, Status.CANCELLED)
    },
    **dict.fromkeys(
        (
            *("new", "open", "todo", "to_do", "backlog", "ready", "queued", "ready_queue", "available", "unassigned"),
            *("working", "claimed", "in_progress", "active", "started", "running", "assigned", "accepted"),
            *("stalled", "awaiting_approval", "needs_review", "review", "pending_review"),
        ),
        Status.PENDING,
    ),
    **dict.fromkeys(("blocked", "on_hold", "hold", "deferred", "waiting", "suspended"), Status.PAUSED),
    **dict.fromkeys(("done", "complete", "closed", "archived", "resolved", "success", "finished"), Status.COMPLETED),
    **dict.fromkeys(("error", "errored", "failure"), Status.FAILED),
    **dict.fromkeys(
        ("obsolete", "canceled", "abandoned", "rejected", "wontfix", "superseded", "duplicate"), Status.CANCELLED
    ),
}
UNDER_WAY = frozenset({"working", "claimed", "in_progress", "active", "started", "running", "assigned", "accepted"})
PRIORITY_WORDS = {
    "highest": Priority.CRITICAL,
    "blocker": Priority.CRITICAL,
    "immediate": Priority.CRITICAL,
    "p0": Priority.CRITICAL,
    "p1": Priority.HIGH,
    "p2": Priority.MEDIUM,
    "p3": Priority.LOW,
    "p4": Priority.LOW,
    "important": Priority.HIGH,
    "moderate": Priority.MEDIUM,
    "lowest": Priority.LOW,
    "minor": Priority.LOW,
    "trivial": Priority.LOW,
}


def word_of(value: Any) -> str:
    """A word as the tables have it: lower case, `_` for blanks and dashes."""
    return "_".join(str(value).strip().lower().replace("-", " ").split())


def status_of(value: Any) -> Status | None:
    """The state that a word of another board means; None for one that nobody knows."""
    return STATUS_WORDS.get(word_of(value))


def priority_of(value: Any) -> Priority | None:
    """The priority that a word or number means; numbers past 3 are low. None for what means none."""
    word = word_of(value)
    if word in PRIORITY_WORDS:
        return PRIORITY_WORDS[word]
    if word.isascii() and word.isdigit() and word.lstrip("0") not in ("", "1", "2", "3"):
        return Priority.LOW
    try:
        return priority_from(word)
    except InvalidTask:
        return None
