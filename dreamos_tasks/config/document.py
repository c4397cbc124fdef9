"""A YAML file as a layer: values, the line of every key, and what a file may not hold (a key twice, aliases, tags)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from dreamos_tasks.config.layer import KeyPath, Layer
from dreamos_tasks.config.problems import Problem

_MOST_BYTES = 1_048_576
_TOO_DEEP = "it is nested too deeply"
_NULL_TAG = "tag:yaml.org,2002:null"
_UNREAD = object()  # in the place of a value that is a problem already
# YAML 1.1 takes 1e3 for text, everybody else for a number.
_EXPONENT_PATTERN = re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+")


def read_document(path: Path, layer: Layer, *, of: str = "settings") -> None:
    """Fill `layer` with what the file says. Nothing is raised: what cannot be read is a problem of the layer.

    `of`: what the file is to hold, as problems name it.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        layer.problems.append(unreadable(path, error))
        return
    if len(content) > _MOST_BYTES:
        what = f"it is larger than {_MOST_BYTES} bytes"
        layer.problems.append(Problem(where=str(path), what=what, fix=f"see whether {path} is the right file"))
        return
    _Reader(str(path), layer, of).read(content)


def unreadable(path: Path, error: OSError) -> Problem:
    """The problem of a file that is there and cannot be read."""
    return Problem(where=str(path), what=f"it cannot be read: {error.strerror}", fix=f"ls -l {path}")


def plain_value(text: str) -> Any:
    """The value of a text on one line, as YAML reads it; the text itself when it is no YAML."""
    layer = Layer()
    _Reader("", layer, "settings").read(b"value: " + text.encode(errors="replace"))
    return text if layer.problems or set(layer.data) != {"value"} else layer.data["value"]


class _Reader:
    """Turns the nodes of one document into plain values, and notes where they stand."""

    def __init__(self, name: str, layer: Layer, of: str) -> None:
        self.name = name
        self.of = of
        self.layer = layer
        self.visited: set[int] = set()

    def read(self, content: bytes) -> None:
        try:
            self.loader = yaml.SafeLoader(content)
            root = self.loader.get_single_node()
            if root is None or root.tag == _NULL_TAG:
                return
            if not isinstance(root, yaml.MappingNode):
                self._problem(root, f"{self.of} are sections with keys", fix="write keys with values")
                return
            self.layer.data.update(self._mapping(root, ()))
        except yaml.MarkedYAMLError as error:
            self._broken(error.problem or str(error), error.problem_mark)
        except yaml.reader.ReaderError as error:
            self._broken(f"{error.reason} at byte or character {error.position}", None)
        except RecursionError:
            self._broken(_TOO_DEEP, None)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(key_node, "a key must be a word", fix="write a word")
                continue
            key = str(key_node.value)
            place = (*path, key)
            if key in found:
                first = self.layer.where[place]
                self._problem(key_node, f"{'.'.join(place)} was set before, at {first}", fix="leave one of them")
                continue
            self.layer.where[place] = f"{self.name}:{key_node.start_mark.line + 1}"
            found[key] = self._value(value_node, place)
        return {key: value for key, value in found.items() if value is not _UNREAD}

    def _value(self, node: yaml.Node, path: KeyPath) -> Any:
        if id(node) in self.visited:
            return self._unread(path, f"is an alias, which {self.of} cannot be", fix="write the value out")
        self.visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [value for inner in node.value if (value := self._value(inner, path)) is not _UNREAD]
        return self._scalar(node, path)

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        text = str(node.value)
        kind = node.tag.rpartition(":")[2]
        if kind == "str" and getattr(node, "style", None) is None and _EXPONENT_PATTERN.fullmatch(text):
            return float(text)
        if kind not in ("int", "float", "bool", "null"):
            return text  # a date is text here
        try:
            return self.loader.construct_object(node)
        except ValueError:  # !!int of a word, an integer of 5,000 digits
            return self._unread(path, f"is no {kind} that can be read", fix="write it plainly")

    def _unread(self, path: KeyPath, what: str, *, fix: str) -> object:
        where = self.layer.where[path]  # an alias's own node stands elsewhere
        self.layer.problems.append(Problem(where=where, what=f"{'.'.join(path)} {what}", fix=f"{fix} at {where}"))
        return _UNREAD

    def _problem(self, node: yaml.Node, what: str, *, fix: str) -> None:
        where = f"{self.name}:{node.start_mark.line + 1}"
        self.layer.problems.append(Problem(where=where, what=what, fix=f"{fix} at {where}"))

    def _broken(self, what: str, mark: yaml.Mark | None) -> None:
        where = f"{self.name}:{mark.line + 1}:{mark.column + 1}" if mark is not None else self.name
        self.layer.problems.append(Problem(where=where, what=f"this is not YAML: {what}", fix=f"correct {where}"))
