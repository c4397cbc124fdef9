"""Text for a terminal: what tasks hold made harmless, instants as people say them, columns that line up."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from datetime import datetime

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
COLUMN_GAP = "  "
COLOUR_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "cyan": "36"}
# What a command prints to colour its output; everything else that begins with ESC could do harm.
_COLOUR_SEQUENCE = r"\x1b\[[0-9;:]*m"
_INSTANT = r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"


def harmless(text: str, *, keep: str = "") -> str:
    """The text with everything that is not plainly visible written as an escape: control characters, ANSI, right-to-left marks.

    A task's title may come from anyone; shown raw it could repaint the terminal. `keep` holds characters to leave alone.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else _escaped(char) for char in text)


def harmless_block(text: str) -> str:
    """As `harmless`, for text of several lines: line ends and tabs stay, colours are left out."""
    return harmless(re.sub(_COLOUR_SEQUENCE, "", text).replace("\r\n", "\n"), keep="\n\t")


def _escaped(char: str) -> str:
    code = ord(char)
    if char in "\n\t\r":
        return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}[char]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def coloured(text: str, colour: str) -> str:
    """The text between the sequences that switch a colour on and off."""
    return f"\x1b[{COLOUR_CODES[colour]}m{text}\x1b[0m"


def duration(seconds: float) -> str:
    """A length of time in one unit: `45 s`, `12 min`, `3 h`, `5 days`."""
    seconds = abs(seconds)
    if seconds < 90:  # "1 min" for 89 s would be too coarse
        return f"{seconds:.0f} s" if seconds >= 1 or seconds == 0 else f"{seconds:.1f} s"
    if seconds < 90 * MINUTE:
        return f"{seconds / MINUTE:.0f} min"
    if seconds < 2 * DAY:
        return f"{seconds / HOUR:.0f} h"
    return f"{seconds / DAY:.0f} days"


def ago(instant: datetime, now: datetime) -> str:
    """`3 min ago`, `in 2 h` or `now`."""
    seconds = (now - instant).total_seconds()
    if abs(seconds) < 1:
        return "now"
    return f"{duration(seconds)} ago" if seconds > 0 else f"in {duration(seconds)}"


def local(instant: datetime, now: datetime) -> str:
    """The instant in the user's time zone: the time for today, the day too for others."""
    here, today = instant.astimezone(), now.astimezone()
    return f"{here:%H:%M:%S}" if here.date() == today.date() else f"{here:%Y-%m-%d %H:%M}"


def local_and_ago(instant: datetime, now: datetime) -> str:
    """`14:03:10 (3 min ago)`."""
    return f"{local(instant, now)} ({ago(instant, now)})"


def with_local_instants(text: str, now: datetime, *, say: Callable[[datetime, datetime], str] = local_and_ago) -> str:
    """The text of the board, which writes instants in UTC, with each as people say it."""
    return re.sub(_INSTANT, lambda found: _said_by(say, found[0], now), text)


def _said_by(say: Callable[[datetime, datetime], str], text: str, now: datetime) -> str:
    try:
        return say(datetime.fromisoformat(text), now)
    except (ValueError, OverflowError):  # somebody's own text, which only looks like one
        return text


def count(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def width(text: str) -> int:
    """How many columns a terminal takes for it."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def cut(text: str, columns: int) -> str:
    """The text, its end left out if it is wider than so many columns."""
    if width(text) <= columns:
        return text
    while width(text) > columns - 1:
        text = text[: min(len(text) - 1, columns - 1)]
    return text.rstrip() + "…"


def columns_of(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Every cell but the last of each row padded to its column."""
    if not rows:
        return []
    widths = [max(width(row[index]) for row in rows) for index in range(len(rows[0]) - 1)]
    return [
        [
            *(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=False)),
            row[-1],
        ]
        for row in rows
    ]


def terminal_columns() -> int:
    """How wide the terminal is. (`shutil` knows too, and takes longer to import than this command to run.)"""
    return _terminal("COLUMNS", 0) or 80


def terminal_lines() -> int:
    """How high the terminal is."""
    return _terminal("LINES", 1) or 24


def _terminal(variable: str, index: int) -> int:
    named = os.environ.get(variable, "")
    if named.isdigit() and int(named) > 0:
        return int(named)
    try:
        return os.get_terminal_size(1)[index]
    except OSError:
        return 0
