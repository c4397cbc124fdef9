"""JsonTree: where in a JSON text every object, list and value stands, so that a text can be changed and the rest kept.

Comments and commas before a closing bracket are understood: some programs allow both in their settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dreamos_tasks.errors import InvalidInput

DEEPEST = 100  # levels; no settings need a tenth of it
_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"', re.DOTALL)
_SCALAR = re.compile(r"[^\s,:\[\]{}\"/]+")


@dataclass(frozen=True, slots=True)
class Node:
    """One value: `text[start:end]`. `value` is what it means; `children` are the members or elements of a container."""

    start: int
    end: int
    value: Any
    children: tuple[Child, ...] = ()


@dataclass(frozen=True, slots=True)
class Child:
    """A member or an element, from its key (if it has one) to the end of its value."""

    start: int
    key: str | None
    node: Node

    @property
    def end(self) -> int:
        """Behind its value."""
        return self.node.end


def read_tree(text: str) -> Node:
    """The whole text. Raises InvalidInput where it is no JSON."""
    reader = _Reader(text)
    start = reader.space(0)
    root = reader.value(start, depth=0)
    end = reader.space(root.end)
    if end != len(text):
        raise _refused(text, end, "the end of the file")
    return root


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text

    def space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        assert found is not None
        return found.end()

    def value(self, at: int, *, depth: int) -> Node:
        if depth > DEEPEST:
            raise _refused(self.text, at, f"no more than {DEEPEST} levels")
        sign = self.text[at : at + 1]
        if sign == "{":
            children, end = self._children(at, "}", depth=depth)
            keys = [child.key for child in children]
            if len(set(keys)) != len(keys):
                raise _refused(self.text, at, "every key once")
            return Node(at, end, {child.key: child.node.value for child in children}, children)
        if sign == "[":
            children, end = self._children(at, "]", depth=depth)
            return Node(at, end, [child.node.value for child in children], children)
        found = (_STRING if sign == '"' else _SCALAR).match(self.text, at)
        if found is None:
            raise _refused(self.text, at, "a value")
        try:
            return Node(at, found.end(), json.loads(found[0]))
        except ValueError:
            raise _refused(self.text, at, "a value") from None

    def _children(self, start: int, close: str, *, depth: int) -> tuple[tuple[Child, ...], int]:
        children = tuple(self._each_child(start + 1, close, depth=depth))
        at = self.space(children[-1].end if children else start + 1)
        if children and self.text[at : at + 1] == ",":
            at = self.space(at + 1)
        if self.text[at : at + 1] != close:
            raise _refused(self.text, at, f"a comma or {close!r}")
        return children, at + 1

    def _each_child(self, at: int, close: str, *, depth: int) -> Iterator[Child]:
        at = self.space(at)
        while self.text[at : at + 1] not in (close, ""):
            child = self._member(at, depth=depth) if close == "}" else Child(at, None, self.value(at, depth=depth + 1))
            yield child
            at = self.space(child.end)
            if self.text[at : at + 1] != ",":
                return
            at = self.space(at + 1)

    def _member(self, at: int, *, depth: int) -> Child:
        key = _STRING.match(self.text, at)
        colon = self.space(key.end()) if key is not None else at
        if key is None or self.text[colon : colon + 1] != ":":
            raise _refused(self.text, colon, 'a member: "key": value')
        return Child(at, json.loads(key[0]), self.value(self.space(colon + 1), depth=depth + 1))


def _refused(text: str, at: int, expected: str) -> InvalidInput:
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    return InvalidInput(f"line {line}, column {column} is no JSON", cause=f"expected {expected}", fix="mend it by hand")
