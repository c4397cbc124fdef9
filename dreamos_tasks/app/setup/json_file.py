"""JSON settings: an entry is put in among those that are there, and taken out, all else in the text kept as it is.

What was put in can be told by how it is written, so that taking it out gives the text from before: in an object that was
empty it begins right behind the bracket; an object that was made for it begins with a space or a new line. A file that was made
for it ends with a new line, what was put into an empty one does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dreamos_tasks.app.setup.json_tree import Child, Node, read_tree
from dreamos_tasks.errors import InvalidInput

INDENT = "  "
_COMMA_AND_SPACE = re.compile(r"\s*,?\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One entry of ours: at `path`, or, when `is_ours` is given, the element it is true of in the list at `path`.

    `beside` are members that a file has to have as well, such as its version; they are written into a new file only.
    """

    path: tuple[str, ...]
    value: Any
    is_ours: Callable[[Any], bool] | None = None
    beside: Mapping[str, Any] | None = None


def with_entry(text: str | None, entry: Entry) -> str:
    """The text with the entry in it. None: no file. Raises InvalidInput when it is no JSON, or holds something else there."""
    if text is None or not text.strip():
        written = json.dumps(_wrapped(entry, entry.path, beside=True), indent=len(INDENT), ensure_ascii=False)
        return f"{written}\n" if text is None else text + written
    root = read_tree(text)
    steps, at = _way(root, entry.path)
    new = _changed(text, entry, steps, at)
    if read_tree(new).value != _merged(root.value, entry):
        raise InvalidInput("its form is not understood well enough to change it safely", fix="add it by hand")
    return new


def without_entry(text: str, entry: Entry) -> str | None:
    """The text without the entry, and without what was made for it; None when nothing is left of the file."""
    if not text.strip():
        return text
    root = read_tree(text)
    steps, at = _way(root, entry.path)
    if at is not None:
        return text
    chain = steps
    if entry.is_ours is not None:
        found = [child for child in steps[-1].node.children if entry.is_ours(child.node.value)]
        if not found:
            return text
        chain = [*steps, found[0]]
    return _taken_out(text, root, chain, beside=entry.beside or {})


def has_entry(text: str, entry: Entry) -> bool:
    """Whether something of ours stands there."""
    if not text.strip():
        return False
    try:
        steps, at = _way(read_tree(text), entry.path)
    except InvalidInput:
        return False
    if at is not None:
        return False
    return entry.is_ours is None or any(entry.is_ours(child.node.value) for child in steps[-1].node.children)


def _way(root: Node, path: tuple[str, ...]) -> tuple[list[Child], int | None]:
    """The members along the path as far as they are there, and how many of its keys were found (None: all)."""
    steps = [Child(root.start, None, root)]
    for found, key in enumerate(path):
        node = steps[-1].node
        if not isinstance(node.value, dict):
            raise _other(path[:found], "an object")
        child = next((child for child in node.children if child.key == key), None)
        if child is None:
            return steps, found
        steps.append(child)
    return steps, None


def _changed(text: str, entry: Entry, steps: list[Child], at: int | None) -> str:
    if at is not None:
        return _inserted(text, steps[-1].node, entry.path[at], _wrapped(entry, entry.path[at + 1 :]))
    node = steps[-1].node
    if entry.is_ours is None:
        return text if node.value == entry.value else _replaced(text, node, entry.value)
    if not isinstance(node.value, list):
        raise _other(entry.path, "a list")
    ours = [child for child in node.children if entry.is_ours(child.node.value)]
    if not ours:
        return _inserted(text, node, None, entry.value)
    return text if ours[0].node.value == entry.value else _replaced(text, ours[0].node, entry.value)


def _wrapped(entry: Entry, keys: tuple[str, ...], *, beside: bool = False) -> Any:
    """The entry within the objects of these keys."""
    value: Any = [entry.value] if entry.is_ours is not None else entry.value
    for key in reversed(keys):
        value = {key: value}
    return dict(entry.beside or {}) | value if beside else value


def _merged(before: Any, entry: Entry) -> Any:
    """What the text is to mean."""
    after = json.loads(json.dumps(before))
    at = after
    for key in entry.path[:-1]:
        at = at.setdefault(key, {})
    last = entry.path[-1]
    if entry.is_ours is None:
        at[last] = entry.value
        return after
    there = at.setdefault(last, [])
    index = next((index for index, value in enumerate(there) if entry.is_ours(value)), None)
    there[len(there) if index is None else index : len(there) if index is None else index + 1] = [entry.value]
    return after


def _inserted(text: str, node: Node, key: str | None, value: Any) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    if not node.children:
        return text[: node.start + 1] + _member(key, _line(value)) + text[node.start + 1 :]
    last = node.children[-1]
    indent = _indent_of(text, last.start)
    if indent is None:
        return text[: last.end] + ", " + _member(key, _line(value)) + text[last.end :]
    deeper = indent.removeprefix(_indent_of(text, node.end - 1) or "") or INDENT
    written = json.dumps(value, indent=deeper, ensure_ascii=False).replace("\n", newline + indent)
    return text[: last.end] + f",{newline}{indent}" + _member(key, written) + text[last.end :]


def _replaced(text: str, node: Node, value: Any) -> str:
    newline = "\r\n" if "\r\n" in text else "\n"
    indent = re.match(r"[ \t]*", text[text.rfind("\n", 0, node.start) + 1 :])
    many_lines = "\n" in text[node.start : node.end]
    written = json.dumps(value, indent=INDENT, ensure_ascii=False) if many_lines else _line(value)
    assert indent is not None
    return text[: node.start] + written.replace("\n", newline + indent[0]) + text[node.end :]


def _taken_out(text: str, root: Node, chain: list[Child], *, beside: Mapping[str, Any]) -> str | None:
    """Without the last of the chain; and without each container around it that held nothing else and was made for it."""
    last = len(chain) - 1
    while last > 1 and _made_for(chain[last - 1].node, chain[last]):
        last -= 1
    parent = chain[last - 1].node
    if last == 1 and _is_file_of_ours(root, chain[1], beside):
        return None if text.endswith("\n") else text[: root.start]  # the end of a line is written into a new file only
    index = parent.children.index(chain[last])
    return _without(text, parent, index)


def _made_for(container: Node, child: Child) -> bool:
    return len(container.children) == 1 and child.start > container.start + 1


def _is_file_of_ours(root: Node, child: Child, beside: Mapping[str, Any]) -> bool:
    """Whether the file holds nothing but this and what was written beside it."""
    others = {other.key: other.node.value for other in root.children if other is not child}
    return child.start > root.start + 1 and others == dict(beside)


def _without(text: str, parent: Node, index: int) -> str:
    children, child = parent.children, parent.children[index]
    if index > 0:
        begin, end = children[index - 1].end, child.end
        between = text[begin : child.start]
    elif len(children) > 1:
        begin, end = child.start, children[1].start
        between = text[child.end : end]
    else:
        return text[: child.start] + text[child.end :]
    if _COMMA_AND_SPACE.fullmatch(between):
        return text[:begin] + text[end:]
    kept = between.replace(",", "", 1) if between.count(",") == 1 else between  # a comment stands there: it stays
    return text[:begin] + kept + text[end:] if index > 0 else text[: child.start] + kept + text[end:]


def _indent_of(text: str, at: int) -> str | None:
    """The space before it on its line; None when something else stands there."""
    before = text[text.rfind("\n", 0, at) + 1 : at]
    return before if "\n" in text[:at] and not before.strip(" \t") else None


def _member(key: str | None, written: str) -> str:
    return written if key is None else f"{json.dumps(key, ensure_ascii=False)}: {written}"


def _line(value: Any) -> str:
    """The value in one line, in which every object and list that holds something begins with a space."""
    if isinstance(value, dict) and value:
        return (
            "{ "
            + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_line(each)}" for key, each in value.items())
            + " }"
        )
    if isinstance(value, list) and value:
        return "[ " + ", ".join(map(_line, value)) + " ]"
    return json.dumps(value, ensure_ascii=False)


def _other(path: tuple[str, ...], expected: str) -> InvalidInput:
    place = "/" + "/".join(path)
    return InvalidInput(f"{place} is not {expected}", pointer=place, fix="mend it by hand")
