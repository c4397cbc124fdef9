"""An event as a line for people."""

from __future__ import annotations

from datetime import datetime

from dreamos_tasks.interfaces.cli.text import COLUMN_GAP, harmless, local
from dreamos_tasks.model.event import Event

SHOWN = ("status", "title", "priority", "result")  # what changed that says something in a line


def event_line(event: Event, now: datetime) -> str:
    """Its number, when, what, to which task, by whom, and what that changed."""
    when = local(event.at, now)
    words = harmless(event_words(event))
    return f"{event.seq:>5}  {when}  {event.type.value:<20}  {event.task_id}  {harmless(event.by)}  {words}".rstrip()


def event_words(event: Event) -> str:
    """What it changed, and why. Not made harmless yet."""
    changes = ", ".join(
        f"{name} {value}"
        for name, value in event.changes.items()
        if isinstance(value, str | int | float) and name in SHOWN
    )
    detail = ", ".join(f"{name} {value}" for name, value in event.detail.items() if value is not None)
    return COLUMN_GAP.join(part for part in (changes, detail) if part)
