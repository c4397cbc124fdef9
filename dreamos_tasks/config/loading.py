"""Reads, checks and merges what files and the environment say: environment > the board's file > the user's file > defaults."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from dreamos_tasks.config.catalogue import hint_at, info_of, leaves
from dreamos_tasks.config.consistency import contradictions, follow
from dreamos_tasks.config.home import MARK, Home, user_config
from dreamos_tasks.config.layer import KeyPath, Layer
from dreamos_tasks.config.problems import (
    Problem,
    expected_section,
    refuse,
    unknown_key,
    unknown_variable,
    wrong_value,
)
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.config.sources import read_environment, read_file
from dreamos_tasks.config.variables import PREFIX

DEFAULT = "default"
_MARK_KEY = MARK.partition(":")[0]
_SETTINGS = TypeAdapter(Settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The settings of a board, and for each dotted key where its value comes from.

    An origin is `file:line`, a variable's name, `default`, or `default: ` and what it follows from.
    """

    settings: Settings
    origins: Mapping[str, str]


def config_files(home: Home, environ: Mapping[str, str]) -> tuple[Path, Path]:
    """The files that are read, the weaker first: the user's, and the board's. Either may be missing."""
    return user_config(environ), home.config


def load(home: Home, environ: Mapping[str, str] | None = None) -> Loaded:
    """Read everything and check it. Raises ConfigError, with every problem of every source at once."""
    environ = os.environ if environ is None else environ
    files = dict.fromkeys(config_files(home, environ))
    layers = [*(read_file(file) for file in files), read_environment(environ)]
    problems = [problem for layer in layers for problem in (*_mark_problems(layer), *layer.problems, *_wrong(layer))]
    if problems:
        raise refuse(problems)
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge(merged, layer.data)
    settings = _validated(merged)
    paths = [path for path, _ in leaves(settings)]
    strongest = {path: number for number, layer in enumerate(layers) for path in paths if layer.says(path)}
    given = {".".join(path): layers[number].place(path) or DEFAULT for path, number in strongest.items()}
    strength = {".".join(path): number for path, number in strongest.items()}
    settings, reasons = follow(settings, strength=strength)
    conflicts = [_conflict(keys, rule, given) for keys, rule in contradictions(settings)]
    if conflicts:
        raise refuse(conflicts)
    origins = {".".join(path): given.get(".".join(path), DEFAULT) for path in paths}
    origins |= {key: f"{DEFAULT}: {reason}" for key, reason in reasons.items()}
    return Loaded(settings=settings, origins=origins)


def _mark_problems(layer: Layer) -> Iterable[Problem]:
    """Take the mark off a file's values; it is about the file, and no setting."""
    if (_MARK_KEY,) not in layer.where:
        return
    release = layer.data.pop(_MARK_KEY, None)
    if str(release) != "1":
        where = layer.where[_MARK_KEY,]
        yield wrong_value((_MARK_KEY,), release, where=where, expected="1, the only form this release knows")


def _wrong(layer: Layer) -> list[Problem]:
    """What is wrong with the values of one layer, which is complete by itself: all that it leaves out has a default."""
    _drop_empty_sections(layer.data)
    try:
        _validated(layer.data)
    except ValidationError as error:
        found = {_key_path(detail["loc"]): detail for detail in reversed(error.errors(include_url=False))}
        return [_problem(layer, path, detail["type"], detail["input"]) for path, detail in reversed(found.items())]
    return []


def _validated(data: Mapping[str, Any]) -> Settings:
    # Through JSON: strict there means no number for a yes, no text for a number, and still a list for a tuple.
    return _SETTINGS.validate_json(json.dumps(data), strict=True)


def _drop_empty_sections(data: dict[str, Any], path: KeyPath = ()) -> None:
    """A section whose settings are all commented out is read as null."""
    for name, value in list(data.items()):
        here = (*path, name)
        if isinstance(value, dict):
            _drop_empty_sections(value, here)
        elif value is None and info_of(here) is None and hint_at(here) is not None:
            data[name] = {}


def _key_path(location: Sequence[int | str]) -> KeyPath:
    return tuple(part for part in location if isinstance(part, str) and part != "[key]")


def _problem(layer: Layer, path: KeyPath, kind: str, found: object) -> Problem:
    where = layer.place(path) or ""
    if kind == "unexpected_keyword_argument":
        return unknown_variable(where) if where.startswith(PREFIX) else unknown_key(path, where=where)
    info = info_of(path)
    return wrong_value(path, found, where=where, expected=info.expected if info else expected_section(path))


def _conflict(keys: Sequence[str], rule: str, given: Mapping[str, str]) -> Problem:
    places = [f"{key} ({given.get(key, DEFAULT)})" for key in keys]
    first = next((given[key] for key in keys if key in given), DEFAULT)
    return Problem(
        where=first,
        what=f"{' and '.join(places)} do not go together: {rule}",
        fix=f"correct {' or '.join(keys)}",
    )


def _merge(into: dict[str, Any], data: Mapping[str, Any]) -> None:
    for name, value in data.items():
        if isinstance(value, Mapping):
            _merge(into.setdefault(name, {}), value)
        else:
            into[name] = value
