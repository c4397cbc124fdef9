"""The text of a JSON board: bytes to JSON with every ambiguity refused, and where in the text a value stands."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from dreamos_tasks.stores.typed_form import Misfit

# Characters that reorder or hide what a terminal or an editor shows, and halves of characters: written as escapes.
_DECEIVING = re.compile("[\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_BLANKS = re.compile(r"[ \t\r\n]*")
_pretty = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2).encode
_flat = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


class BadText(Misfit):
    """Text that is no JSON: where it stops making sense."""

    def __init__(self, what: str, *, line: int, column: int, expected: str = "", fix: str = "") -> None:
        super().__init__(what, expected=expected, fix=fix)
        self.line = line
        self.column = column


def decode(content: bytes) -> Any:
    """The JSON value of a file. Raises BadText, Misfit."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        raise BadText(
            f"byte 0x{content[error.start]:02x} is not UTF-8",
            line=before.count(b"\n") + 1,
            column=error.start - before.rfind(b"\n"),
            expected="text in UTF-8",
            fix="save the file as UTF-8",
        ) from None
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=_finite, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise BadText(
            f"no JSON: {error.msg}",
            line=error.lineno,
            column=error.colno,
            expected="JSON",
            fix="look for a missing or surplus comma, quote or bracket there",
        ) from None
    except Misfit:
        raise
    except ValueError as error:  # an integer of more than 4300 digits
        raise Misfit(f"a number is too long: {error}", expected="numbers of at most 4300 digits") from None
    except RecursionError:
        raise Misfit("it is nested too deeply", expected="a few levels of objects and lists") from None


def place_of(content: bytes, pointer: str) -> tuple[int, int]:
    """Line and column, from 1, of the value that a JSON Pointer names, or of the innermost there is around it."""
    text = content.decode("utf-8-sig")
    at = _skip(text, 0)
    for token in pointer.split("/")[1:]:
        wanted = token.replace("~1", "/").replace("~0", "~")
        found = next((place for key, place in _members(text, at) if key == wanted), None)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def encode_block(value: Any) -> str:
    """For a person: two spaces a level."""
    return _visible(_pretty(value))


def encode_line(value: Any) -> str:
    """On one line."""
    return _visible(_flat(value))


def _visible(text: str) -> str:
    return _DECEIVING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        owner = next((f" (in {made[name]!r})" for name in ("task_id", "title") if name in made), "")
        raise Misfit(
            f"the key {twice!r} stands twice in one object{owner}",
            expected="each key once",
            fix="keep the one that is meant",
        )
    return made


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise Misfit(f"{digits} is too large for a number", expected="numbers up to 1.8e308")
    return number


def _no_constant(word: str) -> float:
    raise Misfit(f"{word} is no JSON number", expected="finite numbers", fix="write null where there is no number")


def _members(text: str, at: int) -> Iterator[tuple[str, int]]:
    """Key (or index) and place of each value inside the object or list at `at`."""
    opening = text[at]
    if opening not in "{[":
        return
    decoder = json.JSONDecoder()
    index = 0
    at = _skip(text, at + 1)
    while text[at] not in "}]":
        key = str(index)
        if opening == "{":
            key, end = decoder.raw_decode(text, at)
            at = _skip(text, _skip(text, end) + 1)  # past the colon
        yield key, at
        _, end = decoder.raw_decode(text, at)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
        index += 1


def _skip(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at
