"""Strict reading of untrusted JSON: bytes in, values out; what is ambiguous, too large or not UTF-8 is refused with its place.

Every limit is checked before what it guards: bytes before reading, depth and the number of values before parsing.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import replace
from typing import Any

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.intake.json_places import (
    first_fault,
    line_and_column,
    path_at,
)
from dreamos_tasks.intake.problems import Problem, pointer_to
from dreamos_tasks.model.keepable import MAX_DEPTH, MAX_INTEGER_DIGITS

MAX_BYTES = 10_485_760
MAX_VALUES = (
    500_000  # in one text: 10,000 tasks of fifty values. Each costs up to 90 bytes of memory however short it is
)
_READ_BYTES = 1 << 20

_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+\\?(?:"|\Z)', re.DOTALL)  # an open one reaches to the end: linear on any text
_BRACKET = re.compile(r"[\[\]{}]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_CUT_OFF = re.compile(r"[\w.+\-\\]*+\s*\Z")  # the rest of a text that ends within a word, a number or an escape
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class UnreadableJson(InvalidInput):
    """It is no JSON that can be taken. `unfinished`: it ends midway, as a file does that is still being written."""

    def __init__(self, problem: Problem, *, unfinished: bool = False) -> None:
        where = f"line {problem.line}, column {problem.column}: " if problem.line is not None else ""
        expected = f"expected {problem.expected}" if problem.expected else ""
        super().__init__(f"{where}{problem.message}", pointer=problem.pointer, cause=expected, fix=problem.fix)
        self.problem = problem
        self.unfinished = unfinished


class _Refused(ValueError):
    """Raised by the parser's hooks; the walk that follows finds out what and where."""


def read_json(content: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """The value of a JSON text in UTF-8. Raises UnreadableJson, with line and column."""
    check_size(len(content), max_bytes=max_bytes)
    return parse(decode(content))


def read_file(fd: int, *, max_bytes: int = MAX_BYTES) -> bytes:
    """All bytes of an open file, and never more than the limit, though it may be growing. Raises UnreadableJson, OSError."""
    check_size(os.fstat(fd).st_size, max_bytes=max_bytes)
    parts, left = [], max_bytes + 1
    while left > 0 and (part := os.read(fd, min(_READ_BYTES, left))):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        check_size(max_bytes + 1, max_bytes=max_bytes)
    return b"".join(parts)


def check_size(size: int, *, max_bytes: int) -> None:
    """Raises UnreadableJson when that many bytes are too many."""
    if size > max_bytes:
        raise UnreadableJson(
            Problem(
                pointer="",
                message=f"it has {size:,} bytes; {max_bytes:,} are the most",
                expected=f"at most {max_bytes:,} bytes",
                found=f"{size:,} bytes",
                fix="drop several smaller files, or raise inbox.max_bytes",
            )
        )


def decode(content: bytes) -> str:
    """The text of the bytes; a byte order mark of UTF-8 is passed over. Raises UnreadableJson with the byte's offset."""
    if content.startswith(_UTF16_MARKS) or b"\0" in content[:2]:
        raise UnreadableJson(
            Problem(
                pointer="",
                message="it is UTF-16 or UTF-32, not UTF-8 (byte 0)",
                expected="text in UTF-8",
                found="a byte order mark or zero bytes",
                fix="save it as UTF-8: iconv -f utf-16 -t utf-8",
            )
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        before = content[:start]
        raise UnreadableJson(
            Problem(
                pointer="",
                message=f"byte 0x{content[start]:02x} at offset {start} is not UTF-8",
                expected="text in UTF-8",
                found=f"0x{content[start]:02x}",
                fix="save it as UTF-8: iconv -t utf-8 finds the encoding's name with -f",
                line=before.count(b"\n") + 1,
                column=start - before.rfind(b"\n"),
            ),
            unfinished=error.reason == "unexpected end of data",
        ) from None


def parse(text: str, *, first_line: int = 1) -> Any:
    """The value of a JSON text. Raises UnreadableJson; its line counts from `first_line`."""
    try:
        check_shape(text)
        value = _DECODER.decode(text)
        if _SURROGATE_ESCAPE.search(text) is not None:
            _refuse_fault(text)
    except json.JSONDecodeError as error:
        raise _syntax_error(text, error, first_line=first_line) from None
    except (_Refused, RecursionError):
        try:
            _refuse_fault(text)
        except UnreadableJson as error:
            raise _moved(error, first_line) from None
        raise UnreadableJson(
            Problem(pointer="", message="it cannot be read", fix="drop several smaller files")
        ) from None
    except UnreadableJson as error:
        raise _moved(error, first_line) from None
    return value


def check_shape(text: str) -> None:
    """Refuse too many levels or values before anything is built, by the brackets and commas outside of strings.

    Raises UnreadableJson.
    """
    brackets = text.count("[") + text.count("{")
    commas = text.count(",")
    if brackets <= MAX_DEPTH and brackets + commas < MAX_VALUES:
        return
    outline = _STRING.sub("", text)
    values = outline.count("[") + outline.count("{") + outline.count(",") + 1
    if values > MAX_VALUES:
        raise UnreadableJson(
            Problem(
                pointer="",
                message=f"it holds about {values:,} keys and values; {MAX_VALUES:,} are the most",
                expected=f"at most {MAX_VALUES:,} keys and values",
                found=f"{values:,}",
                fix="drop several smaller files",
            )
        )
    depth = 0
    for bracket in _BRACKET.finditer(outline):
        depth += 1 if bracket[0] in "[{" else -1
        if depth > MAX_DEPTH:
            _refuse_fault(text)
            raise UnreadableJson(Problem(pointer="", message=f"more than {MAX_DEPTH} brackets are open at once"))


def _refuse_fault(text: str) -> None:
    fault = first_fault(text)
    if fault is None:
        return
    line, column = line_and_column(text, fault.offset)
    raise UnreadableJson(
        Problem(
            pointer=pointer_to(*fault.path),
            message=fault.message,
            expected=fault.expected,
            found=fault.found,
            fix=fault.fix,
            line=line,
            column=column,
        )
    )


def _syntax_error(text: str, error: json.JSONDecodeError, *, first_line: int) -> UnreadableJson:
    unfinished = error.msg.startswith("Unterminated string") or (
        error.msg != "Extra data" and _CUT_OFF.match(text, error.pos) is not None
    )
    empty = not text.strip()
    ends = "it is empty" if empty else f"it ends midway ({error.msg})"
    return UnreadableJson(
        Problem(
            pointer=pointer_to(*path_at(text, error.pos)),
            message=ends if unfinished else f"no JSON: {error.msg}",
            expected="a JSON text" if empty else "JSON (RFC 8259)",
            found="the end" if unfinished else text[error.pos : error.pos + 1],
            fix='write JSON into it, for example {"title": "..."}'
            if empty
            else "write it whole, under another name, and rename it"
            if unfinished
            else "look for a missing or surplus comma, quote or bracket there",
            line=error.lineno + first_line - 1,
            column=error.colno,
        ),
        unfinished=unfinished,
    )


def _moved(error: UnreadableJson, first_line: int) -> UnreadableJson:
    """The error of a text that begins at another line."""
    problem = error.problem
    if first_line == 1 or problem.line is None:
        return error
    return UnreadableJson(replace(problem, line=problem.line + first_line - 1), unfinished=error.unfinished)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Refused
    return made


def _integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_DIGITS:
        raise _Refused
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise _Refused
    return number


def _no_constant(_: str) -> float:
    raise _Refused


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_finite, parse_constant=_no_constant
)
