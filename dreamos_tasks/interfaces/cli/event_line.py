"""An event as a line for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from dreamos_tasks.interfaces.cli.text import COLUMN_GAP, harmless, local
from dreamos_tasks.model.event import Event

LEFT_OUT = frozenset({"like"})  # by which the past of a step without a name is found: for programs
SHOWN = ("status", "title", "priority", "result")  # what changed that says something in a line


def event_line(event: Event, now: datetime) -> str:
    """Its number, when, what, to which task, by whom, and what that changed."""
    when = local(event.at, now)
    words = harmless(event_words(event))
    return f"{event.seq:>5}  {when}  {event.type.value:<20}  {event.task_id}  {harmless(event.by)}  {words}".rstrip()


def event_words(event: Event) -> str:
    """What it changed, and why, as far as that is a matter of a word. Not made harmless yet."""
    changes = ", ".join(
        f"{name} {value}"
        for name, value in event.changes.items()
        if isinstance(value, str | int | float) and name in SHOWN
    )
    detail = ", ".join(
        f"{name} {_short(value)}"
        for name, value in event.detail.items()
        if value is not None and name not in LEFT_OUT and not isinstance(value, Mapping)
    )
    return COLUMN_GAP.join(part for part in (changes, detail) if part)


def _short(value: Any) -> Any:
    return round(value, 2 if value >= 1 else 3) if isinstance(value, float) else value
