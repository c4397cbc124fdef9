"""What every kind of board can keep, and every reader of it takes back as it was: JSON, not too deep, of whole characters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

from dreamos_tasks.errors import InvalidInput

MAX_DEPTH = 100  # levels of objects and lists; what reads a task later recurses, and no plan needs a tenth of it
MAX_INTEGER_DIGITS = 308  # a double ends there, and so do most readers; Python reads longer ones in quadratic time
REPLACEMENT = "\ufffd"

_BROKEN = re.compile("[\0\ud800-\udfff]")  # a board may be kept where text cannot hold these


def is_keepable_text(text: str) -> bool:
    """Whether it holds neither a NUL nor half a character."""
    return _BROKEN.search(text) is None


def keepable_text(text: str) -> str:
    """The text with U+FFFD for each NUL and each half of a character."""
    return _BROKEN.sub(REPLACEMENT, text)


def check_keepable(value: Any) -> None:
    """Raises InvalidInput for a value that some board could not keep."""
    left = [(value, 0)]
    while left:
        each, depth = left.pop()
        match each:
            case None | bool():
                pass
            case str():
                if not is_keepable_text(each):
                    raise InvalidInput("a text in it holds a NUL or half a character")
            case int():
                if abs(each) >= 10**MAX_INTEGER_DIGITS:
                    raise InvalidInput("a number in it is too long")
            case float():
                if not isfinite(each):
                    raise InvalidInput(f"JSON has no {each}")
            case Mapping() | list() | tuple() if depth == MAX_DEPTH:
                raise InvalidInput(f"it is nested more than {MAX_DEPTH} levels deep")
            case Mapping():
                if not all(isinstance(key, str) and is_keepable_text(key) for key in each):
                    raise InvalidInput("a key in it is no text, or holds a NUL or half a character")
                left += ((inner, depth + 1) for inner in each.values())
            case list() | tuple():
                left += ((inner, depth + 1) for inner in each)
            case _:
                raise InvalidInput(f"{type(each).__name__} has no JSON form")
