"""What is wrong with settings, all of it at once: where it stands, what was found, what is expected, what is near."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from dreamos_tasks.config.catalogue import all_settings, hint_at, info_of, keys_at
from dreamos_tasks.config.variables import PREFIX, path_of, variable_of
from dreamos_tasks.errors import ConfigError

_LONGEST_FOUND = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. `where` is `file:line`, or a variable's name."""

    where: str
    what: str  # goes on from `where`: "claims.lease_seconds is 'soon'; expected a number"
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def refuse(problems: Sequence[Problem]) -> ConfigError:
    """The error that says them all."""
    fixes = "; ".join(dict.fromkeys(problem.fix for problem in problems))
    if len(problems) == 1:
        return ConfigError(str(problems[0]), fix=fixes)
    return ConfigError(
        f"{len(problems)} settings are wrong",
        cause="\n".join(str(problem) for problem in problems),
        fix=fixes,
    )


def unknown_key(path: tuple[str, ...], *, where: str) -> Problem:
    """A key of a file that is no setting, with the nearest that is."""
    key = ".".join(path)
    near = _nearest_key(path)
    if near:
        return Problem(
            where=where, what=f"{key} is not a setting; did you mean {near}?", fix=f"write {near} at {where}"
        )
    known = ", ".join(keys_at(path[:-1]))
    return Problem(where=where, what=f"{key} is not a setting; here stand {known}", fix=f"take {key} out at {where}")


def unknown_variable(name: str) -> Problem:
    """A variable with our prefix that is no setting, with the nearest that is."""
    path = path_of(name)
    tool = path[1] if path[0] == "tools" and len(path) > 1 else "shell"
    known = [variable_of(info.key.replace("<name>", tool)) for info in all_settings()]
    near = _nearest(name, known)
    return Problem(
        where=name,
        what=f"there is no such setting; did you mean {near}?" if near else "there is no such setting",
        fix=f"export {near}=... in its place, or unset {name}" if near else f"unset {name}",
    )


def wrong_value(path: tuple[str, ...], found: object, *, where: str, expected: str) -> Problem:
    """A value that a setting cannot have."""
    key = ".".join(path)
    info = info_of(path)
    words = "not what it must be" if info is not None and info.secret else _found(found)
    choices = expected.removeprefix("one of ").split(", ") if expected.startswith("one of ") else []
    near = _nearest(str(found), choices)
    hint = f"; did you mean {near}?" if near else ""
    place = f"unset or correct {where}" if where.startswith(PREFIX) else f"correct {key} at {where}"
    if near:
        place = f"export {where}={near}" if where.startswith(PREFIX) else f"write {near} at {where}"
    return Problem(where=where, what=f"{key} is {words}; expected {expected}{hint}", fix=place)


def expected_section(path: tuple[str, ...]) -> str:
    """What may stand at a key that is no setting itself."""
    known = keys_at(path)
    if known:
        return "a section with " + ", ".join(known)
    return "a section for each tool, by its name" if hint_at(path) is not None else "nothing"


def _found(value: object) -> str:
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_FOUND else text[:_LONGEST_FOUND] + "..."


def _nearest_key(path: tuple[str, ...]) -> str | None:
    """The setting most likely meant: a sibling that is written alike, else a setting of that name elsewhere."""
    *section, name = path
    sibling = _nearest(name, keys_at(tuple(section)))
    if sibling:
        return ".".join((*section, sibling))
    elsewhere = {info.key.rpartition(".")[2]: info.key for info in reversed(all_settings())}
    near = _nearest(name, elsewhere)
    return elsewhere[near] if near else None


def _nearest(word: str, known: Iterable[str]) -> str | None:
    folded = {name.casefold(): name for name in known}
    found = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None
