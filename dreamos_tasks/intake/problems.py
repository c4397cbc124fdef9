"""What is wrong with something handed in, all of it at once: where, what was expected, what was found, how to mend it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher, get_close_matches
from typing import Any

from dreamos_tasks.errors import InvalidInput

SURELY_MEANT = 0.8  # as difflib counts: nedds/needs, aproval/approval; but not visible/idempotent or notes/needs
LONG_ENOUGH = 5  # characters: what a word begins with stands for it (timeout, depends)
SHOWN_CHARACTERS = 60  # of a value that does not fit
SHOWN_PROBLEMS = 100  # of one file: more help nobody, and a file can hold a million
SHOWN_IN_CAUSE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. `pointer` is a JSON Pointer into what was handed in; line and column count from 1."""

    pointer: str
    message: str
    expected: str = ""
    found: str = ""
    nearest_field: str | None = None
    fix: str = ""
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        place = self.pointer or "the whole"
        if self.line is not None:
            place = f"line {self.line}, {place}" if self.pointer else f"line {self.line}, column {self.column}"
        rule = f"; expected: {self.expected}" if self.expected else ""
        return f"{place}: {self.message}{rule}"

    def to_json(self) -> dict[str, Any]:
        """As it stands in `<name>.error.json`."""
        return {
            "pointer": self.pointer,
            "message": self.message,
            "expected": self.expected,
            "found": self.found,
            "nearest_field": self.nearest_field,
            "fix": self.fix,
            "line": self.line,
            "column": self.column,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that was let pass, and that its author may want to know."""

    pointer: str
    message: str
    nearest_field: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As it stands in `<name>.receipt.json`."""
        return {"pointer": self.pointer, "message": self.message, "nearest_field": self.nearest_field}


class InvalidDrafts(InvalidInput):
    """What was handed in cannot be taken as it is; `problems` says everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem], *, notices: Sequence[Notice] = ()) -> None:
        first = problems[0]
        more = len(problems) - 1
        suffix = f" (and {more} more {'problem' if more == 1 else 'problems'})" if more else ""
        causes = [str(problem) for problem in problems[:SHOWN_IN_CAUSE]]
        if len(problems) > SHOWN_IN_CAUSE:
            causes.append(f"... and {len(problems) - SHOWN_IN_CAUSE} more")
        super().__init__(
            f"{first.message}{suffix}",
            pointer=first.pointer,
            cause="\n".join(causes),
            fix=first.fix or "dt help inbox shows what a task looks like",
        )
        self.problems = tuple(problems[:SHOWN_PROBLEMS])
        self.notices = tuple(notices)

    def to_json(self) -> dict[str, Any]:
        """The first problem, and all of them."""
        return {
            "code": self.code,
            **self.problems[0].to_json(),
            "problems": [problem.to_json() for problem in self.problems],
            "warnings": [notice.to_json() for notice in self.notices],
        }


def placed(problem: Problem, places: Mapping[str, tuple[int, int]]) -> Problem:
    """The problem with its line and column, or those of the nearest value around it."""
    pointer = problem.pointer
    while pointer not in places and pointer:
        pointer = pointer.rpartition("/")[0]
    found = places.get(pointer)
    if problem.line is not None or found is None:
        return problem
    return replace(problem, line=found[0], column=found[1])


def pointer_to(*tokens: str | int) -> str:
    """The JSON Pointer (RFC 6901) that goes through these keys and indices."""
    return "".join(f"/{str(token).replace('~', '~0').replace('/', '~1')}" for token in tokens)


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known word that was most likely meant, whatever its case."""
    folded = {name.casefold(): name for name in known}
    found = get_close_matches(str(word)[:SHOWN_CHARACTERS].casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def nearly_is(word: str, known: str) -> bool:
    """Whether a word can hardly be anything but the known one, misspelt or cut short."""
    word, known = word[:SHOWN_CHARACTERS].casefold(), known.casefold()
    if len(word) >= LONG_ENOUGH and known.startswith(word):
        return True
    return SequenceMatcher(None, word, known).ratio() >= SURELY_MEANT


def shown(value: object) -> str:
    """A value as an error may quote it: short, in JSON, and nothing in it that a terminal would obey."""
    match value:
        case dict():
            return "an object" if value else "an empty object"
        case list():
            return "a list" if value else "an empty list"
        case str() if len(value) > SHOWN_CHARACTERS:
            value = value[: SHOWN_CHARACTERS - 1] + "…"
        case int() if not isinstance(value, bool) and abs(value) >= 10**SHOWN_CHARACTERS:
            return "a very large number"
    text = json.dumps(value, ensure_ascii=False, default=lambda other: type(other).__name__)
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)
