"""Params: a tool's parameters, defined once by a frozen dataclass: read, refused in words, described by a schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from dreamos_tasks.model.tool import ParamProblem

Values = TypeVar("Values")

DIALECT = "https://json-schema.org/draft/2020-12/schema"
LONGEST_FOUND = 60  # characters of a wrong value in a message

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object",
    "mapping_type": "an object",
}


class Params(Generic[Values]):
    """The parameters of one tool, as a class says them: `Params(ShellParams)`. The class forbids what it does not name."""

    def __init__(self, kind: type[Values]) -> None:
        self._kind = kind

    def read(self, params: Mapping[str, object]) -> Values:
        """The values. Raises ValidationError, which is a ValueError; `problems` says what is wrong."""
        return self._adapter.validate_python(dict(params))

    def problems(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        """All that is wrong, each place once; empty when `read` gives values."""
        try:
            self.read(params)
        except ValidationError as error:
            return self._problems(error.errors(include_url=False), params)
        return ()

    @cached_property
    def schema(self) -> Mapping[str, object]:
        """JSON Schema, 2020-12."""
        return {"$schema": DIALECT, **self._adapter.json_schema()}

    @cached_property
    def _adapter(self) -> TypeAdapter[Values]:
        return TypeAdapter(self._kind)

    def _problems(self, errors: list[ErrorDetails], params: Mapping[str, object]) -> Sequence[ParamProblem]:
        by_place: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
        for error in errors:
            by_place.setdefault(_place(error, params), []).append(error)
        # Where several types may stand, each complains: what is wrong further inside is what was meant.
        inmost = [
            place
            for place in by_place
            if not any(other != place and other[: len(place)] == place for other in by_place)
        ]
        return [self._problem(place, by_place[place]) for place in inmost]

    def _problem(self, place: tuple[str | int, ...], errors: Sequence[ErrorDetails]) -> ParamProblem:
        pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)
        name = str(place[0]) if place else ""
        error = next((error for error in errors if error["type"] not in _EXPECTED), errors[0])
        if error["type"] in _UNKNOWN:
            return self._unknown(pointer, place)
        if error["type"] == "missing":
            return ParamProblem(pointer=pointer, message=f"{place[-1]} is missing", fix=self._meaning(name))
        if error["type"] in _EXPECTED:
            expected = " or ".join(dict.fromkeys(_EXPECTED[one["type"]] for one in errors))
            message = f"expected {expected}, found {_shown(error['input'])}"
            return ParamProblem(pointer=pointer, message=message, fix=self._meaning(name))
        words = error["msg"].removeprefix("Value error, ")
        if error["type"] == "too_short":
            words = "must not be empty"
        elif words.startswith("Input "):
            words = f"{words.removeprefix('Input ')}, found {_shown(error['input'])}"
        return ParamProblem(pointer=pointer, message=words, fix=self._meaning(name))

    def _unknown(self, pointer: str, place: tuple[str | int, ...]) -> ParamProblem:
        name = str(place[-1])
        is_inner = len(place) > 1
        known = self._inner_names if is_inner else [field.name for field in fields(self._kind)]  # type: ignore[arg-type]
        near = [one for one in get_close_matches(name.casefold(), known, n=2) if one != name][:1]
        message = f"there is no {name!r} here" if is_inner else f"there is no parameter {name!r}"
        if near:
            return ParamProblem(
                pointer=pointer, message=f"{message}; did you mean {near[0]!r}?", fix=f"write {near[0]}"
            )
        fix = self._meaning(str(place[0])) if is_inner else f"it can be one of {', '.join(known)}"
        return ParamProblem(pointer=pointer, message=message, fix=fix)

    @cached_property
    def _inner_names(self) -> Sequence[str]:
        """What the objects within the parameters call their parts."""
        inner: Any = self.schema.get("$defs", {})
        return list(dict.fromkeys(name for definition in inner.values() for name in definition.get("properties", ())))

    def _meaning(self, name: str) -> str:
        """What the schema says about a parameter."""
        properties: Any = self.schema.get("properties", {})
        about = properties.get(name, {}).get("description", "")
        return f"{name}: {about}" if about else ""


def _place(error: ErrorDetails, params: Mapping[str, object]) -> tuple[str | int, ...]:
    """Where the error is in `params`; pydantic's own path also names types and keys."""
    place: list[str | int] = []
    value: object = params
    for part in error["loc"]:
        if isinstance(value, Mapping) and (part in value or not place):
            value = value.get(part)
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        place.append(part)
    if error["type"] == "missing" and place[-1:] != [error["loc"][-1]]:
        place.append(error["loc"][-1])
    return tuple(place)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_FOUND else text[:LONGEST_FOUND] + "..."
