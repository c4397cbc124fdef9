"""Where in a JSON text a value stands. Walks it token by token; slow, and needed only to say what is wrong and where."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from dreamos_tasks.intake.problems import SHOWN_CHARACTERS, pointer_to, shown
from dreamos_tasks.model.keepable import MAX_DEPTH, MAX_INTEGER_DIGITS

_TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:(?P<string>"(?:[^"\\]++|\\.)*+")|(?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)|(?P<colon>:)"""
    r"""|(?P<scalar>[^\s",:\[\]{}]++))""",
    re.DOTALL,
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NUMBER = re.compile(r"-?\d++(?P<fraction>(?:\.\d++)?+(?:[eE][+-]?+\d++)?+)")
CONSTANTS = ("NaN", "Infinity", "-Infinity")

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A part of a text that is well-formed and still refused."""

    offset: int
    path: Path
    message: str
    expected: str
    fix: str
    found: str = ""


@dataclass(frozen=True, slots=True)
class Token:
    """A key, or the beginning of a value; `path` leads to the value (of the key)."""

    offset: int
    text: str
    is_key: bool


class Walk:
    """Goes through a text as far as it makes sense. `path` is that of the token given last."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._keys: list[set[str] | None] = []  # of the objects around, None for a list
        self._path: list[str | int] = []
        self.repeats_key = False

    @property
    def path(self) -> Path:
        """From the top to the token."""
        return tuple(self._path)

    @property
    def depth(self) -> int:
        """How many objects and lists are around the token."""
        return len(self._path)

    def __iter__(self) -> Iterator[Token]:
        at, expects_key = 0, False
        while (found := _TOKEN.match(self._text, at)) is not None:
            at = found.end()
            kind = found.lastgroup or ""
            text = found[kind]
            offset = at - len(text)
            match kind:
                case "open":
                    yield Token(offset, text, False)
                    expects_key = text == "{"
                    self._keys.append(set() if expects_key else None)
                    self._path.append("" if expects_key else 0)
                case "close":
                    if not self._path:
                        return
                    self._path.pop()
                    self._keys.pop()
                    expects_key = False
                case "comma":
                    expects_key = self._next_member()
                case "string" if expects_key:
                    self._enter(text)
                    expects_key = False
                    yield Token(offset, text, True)
                case "string" | "scalar":
                    yield Token(offset, text, False)

    def _next_member(self) -> bool:
        """Past a comma; whether a key comes next."""
        if not self._path:
            return False
        last = self._path[-1]
        if isinstance(last, int):
            self._path[-1] = last + 1
            return False
        return True

    def _enter(self, token: str) -> None:
        key = unescaped(token)
        keys = self._keys[-1]
        assert keys is not None
        self.repeats_key = key in keys
        keys.add(key)
        self._path[-1] = key


def first_fault(text: str) -> Fault | None:
    """The first thing in a well-formed text that is not taken: too deep, a key twice, a number or text out of bounds."""
    walk = Walk(text)
    for token in walk:
        fault = _too_deep(walk, token) or (_key_twice(walk, token) if token.is_key else _out_of_bounds(walk, token))
        fault = fault or _half_character(walk, token)
        if fault is not None:
            return fault
    return None


def path_at(text: str, offset: int) -> Path:
    """The path of the last key or value that begins before the offset."""
    walk = Walk(text)
    path: Path = ()
    for token in walk:
        if token.offset >= offset:
            break
        path = walk.path
    return tuple(_SURROGATE.sub("\ufffd", step) if isinstance(step, str) else step for step in path)


def places_of(text: str, pointers: Collection[str]) -> dict[str, tuple[int, int]]:
    """Line and column of the values that these JSON Pointers name, or of the innermost there is around each."""
    wanted = set(pointers)
    wanted.add("")
    wanted.update(pointer[:at] for pointer in pointers for at, sign in enumerate(pointer) if sign == "/")
    levels = {pointer.count("/") for pointer in wanted}
    offsets: dict[str, int] = {}
    walk = Walk(text)
    for token in walk:
        if not token.is_key and walk.depth in levels:
            pointer = pointer_to(*walk.path)
            if pointer in wanted:
                offsets.setdefault(pointer, token.offset)
                if len(offsets) == len(wanted):
                    break
    return {pointer: line_and_column(text, offset) for pointer, offset in offsets.items()}


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """From 1, as editors count."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def unescaped(token: str) -> str:
    """The text that a JSON string stands for; the token itself where its escapes are wrong."""
    try:
        text = json.loads(token, strict=False)
    except ValueError:
        return token
    return str(text)


def _too_deep(walk: Walk, token: Token) -> Fault | None:
    if walk.depth + (token.text in "[{") <= MAX_DEPTH:
        return None
    return Fault(
        offset=token.offset,
        path=walk.path[:8],  # a hundred keys tell nobody more
        message=f"it is nested more than {MAX_DEPTH} levels deep",
        expected=f"at most {MAX_DEPTH} levels of objects and lists",
        fix="put the deep part into a file of its own, and name that file in context",
    )


def _key_twice(walk: Walk, token: Token) -> Fault | None:
    if not walk.repeats_key:
        return None
    return Fault(
        offset=token.offset,
        found=_shown_token(token),
        path=walk.path,
        message=f"the key {shown(walk.path[-1])} stands twice in one object",
        expected="each key once",
        fix="keep the one that is meant",
    )


def _out_of_bounds(walk: Walk, token: Token) -> Fault | None:
    what = expected = ""
    if token.text in CONSTANTS:
        what, expected = f"{token.text} is no JSON number", "a finite number, or null"
    number = _NUMBER.fullmatch(token.text)
    if number is not None:
        if not number["fraction"] and len(token.text) > MAX_INTEGER_DIGITS:
            what, expected = f"a number has {len(token.text)} digits", f"at most {MAX_INTEGER_DIGITS} digits"
        elif number["fraction"] and not math.isfinite(float(token.text)):
            what, expected = f"{token.text[:SHOWN_CHARACTERS]} is too large for a number", "numbers up to 1.8e308"
    if not what:
        return None
    return Fault(
        offset=token.offset,
        found=_shown_token(token),
        path=walk.path,
        message=what,
        expected=expected,
        fix="write it as a text, in quotes, if it must be exact",
    )


def _half_character(walk: Walk, token: Token) -> Fault | None:
    if "\\u" not in token.text and _SURROGATE.search(token.text) is None:
        return None
    if not token.text.startswith('"') or _SURROGATE.search(unescaped(token.text)) is None:
        return None
    return Fault(
        offset=token.offset,
        found=_shown_token(token),
        path=walk.path[:-1] if token.is_key else walk.path,
        message="a text holds half a character (a lone surrogate, \\ud800 to \\udfff)",
        expected="both halves of a character, or none",
        fix="write the character itself, in UTF-8",
    )


def _shown_token(token: Token) -> str:
    """As it stands there, cut where it is long."""
    text = _SURROGATE.sub("\ufffd", token.text)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"
