"""Marked texts: a block of ours between two marks, at the end of a text that is otherwise left as it is."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dreamos_tasks.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The lines around the block, as comments of the file's own kind. Lines that begin with them are ours, whatever follows."""

    begin: str
    end: str
    ending: str = ""  # of both lines, such as ` -->`


MARKDOWN = Marks(begin="<!-- dreamos-tasks: begin", end="<!-- dreamos-tasks: end", ending=" -->")
HASH = Marks(begin="# dreamos-tasks: begin", end="# dreamos-tasks: end")
NOTE = " (written by `dt setup PROGRAM`, taken out by `dt setup PROGRAM --remove`)"


def with_block(text: str | None, block: str, *, marks: Marks) -> str:
    """The text with the block: in the place of the one that is there, else at the end. None: no file. Raises InvalidInput."""
    newline = "\r\n" if text is not None and "\r\n" in text else "\n"
    lines = [f"{marks.begin}{NOTE}{marks.ending}", *block.strip("\n").split("\n"), f"{marks.end}{marks.ending}"]
    written = newline.join(lines) + newline
    if text is None:
        return written
    place = _place(text, marks)
    if place is not None:
        begin, end = place
        return text[:begin] + written + text[end:]
    return text + newline + written


def without_block(text: str, *, marks: Marks) -> str | None:
    """The text without the block and the line end that was put before it; None when nothing is left of the file."""
    place = _place(text, marks)
    if place is None:
        return text
    begin, end = place
    before = text[:begin]
    if before.endswith("\n"):
        before = before[: -2 if before.endswith("\r\n") else -1]
    return before + text[end:] if begin > 0 else text[end:] or None


def has_block(text: str, *, marks: Marks) -> bool:
    """Whether there is a block of ours."""
    return marks.begin in text


def _place(text: str, marks: Marks) -> tuple[int, int] | None:
    begins = [found.start() for found in re.finditer(rf"^{re.escape(marks.begin)}", text, re.MULTILINE)]
    ends = [found.end() for found in re.finditer(rf"^{re.escape(marks.end)}[^\n]*(?:\n|\Z)", text, re.MULTILINE)]
    if not begins and not ends:
        return None
    if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
        raise InvalidInput(
            "the marks around our block do not stand as they were written",
            cause=f"{len(begins)} begin and {len(ends)} end a block",
            fix="take the block out by hand, marks and all, and call dt setup again",
        )
    return begins[0], ends[0]
