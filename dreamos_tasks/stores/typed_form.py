"""Reads JSON into the model's classes by their own annotations: the types and limits written there are the rules.

The doors do the same with pydantic. A board that people edit is read by every command, and none of them can wait for that
import.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache, partial
from typing import Annotated, Any, NoReturn, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.model import constraints as _constraints  # noqa: F401  gives the model's annotations their meaning
from dreamos_tasks.model.instants import read_instant
from dreamos_tasks.model.plan import Plan
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Priority, priority_from

Reader = Callable[[Any], Any]
SHOWN_CHARACTERS = 60  # of a value that does not fit
EMPTY: Mapping[Any, Any] = {RetryPolicy: {}, Plan: {"steps": []}}  # what a task without one is told with


class Misfit(ValueError):
    """A value that breaks a rule: where it stands (JSON Pointer), what is expected there or the rule, and what to do."""

    def __init__(self, what: str, *, expected: str = "", cause: str = "", fix: str = "", pointer: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.cause = cause or (expected and f"expected {expected}")
        self.fix = fix
        self.pointer = pointer

    def inside(self, key: str | int) -> Misfit:
        """The same, seen from the object or array that holds the value."""
        self.pointer = f"/{str(key).replace('~', '~0').replace('/', '~1')}{self.pointer}"
        return self


@cache
def reader_of(annotation: Any) -> Reader:
    """What reads the JSON form of a value annotated so. The reader raises Misfit."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation is Any:
        return lambda form: form
    if origin is Annotated:
        return partial(_limited, reader_of(arguments[0]), arguments[1:])
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not type(None))
        return partial(_optional, reader_of(inner))
    if origin is tuple:
        return partial(_list, reader_of(arguments[0]))
    if origin is Mapping:
        return partial(_plain, dict, "an object {...}")
    if annotation is Priority:
        return _priority
    if annotation is datetime:
        return _instant
    if is_dataclass(annotation) and isinstance(annotation, type):
        reader = _object_reader(annotation)
        return partial(_none_if, EMPTY[annotation], reader) if annotation in EMPTY else reader
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return partial(_word, annotation)
    return _PLAIN_READERS[annotation]


def _object_reader(cls: type[Any]) -> Reader:
    hints = get_type_hints(cls, include_extras=True)
    readers = {f.name: reader_of(hints[f.name]) for f in fields(cls)}
    required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    nullable = frozenset(name for name, hint in hints.items() if hint is Any or type(None) in get_args(hint))

    def read(form: Any) -> Any:
        _plain(dict, "an object {...}", form)
        known: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for key, value in form.items():
            reader = readers.get(key)
            if reader is None:
                extra[key] = value
            elif value is not None or key in nullable:
                try:
                    known[key] = reader(value)
                except Misfit as misfit:
                    misfit.inside(key)
                    raise
        if extra:
            if "extra" not in readers:
                _refuse_key(next(iter(extra)), tuple(readers))
            known["extra"] = {**known.get("extra", {}), **extra}
        for name in required:
            if name not in known:
                raise Misfit(
                    f"{name!r} is missing", expected=f"the keys {', '.join(required)}", fix=f'add "{name}": ...'
                )
        return cls(**known)

    return read


def _refuse_key(key: str, known: Sequence[str]) -> NoReturn:
    near = difflib.get_close_matches(key, known, n=1)
    raise Misfit(
        f"{key!r} is no key of this object",
        expected=f"one of {', '.join(known)}",
        fix=f"did you mean {near[0]!r}?" if near else "leave it out",
        pointer=f"/{key}",
    )


def _limited(read: Reader, limits: Sequence[Any], form: Any) -> Any:
    value = read(form)
    for limit in limits:
        match limit:
            case Ge(ge=least) if value < least:
                raise Misfit(f"{_shown(form)} is too small", expected=f"a number of {least} or more")
            case Gt(gt=least) if value <= least:
                raise Misfit(f"{_shown(form)} is too small", expected=f"a number greater than {least}")
            case Le(le=most) if value > most:
                raise Misfit(f"{_shown(form)} is too large", expected=f"a number of {most} or less")
            case MinLen(min_length=least) if len(value) < least:
                raise Misfit(f"{_shown(form)} is too short", expected=f"a length of {least} or more")
            case MaxLen(max_length=most) if len(value) > most:
                raise Misfit(f"{_shown(form)} is too long", expected=f"a length of {most} or less")
    return value


def _optional(read: Reader, form: Any) -> Any:
    return None if form is None else read(form)


def _none_if(empty: Any, read: Reader, form: Any) -> Any:
    return None if form == empty else read(form)


def _list(read: Reader, form: Any) -> tuple[Any, ...]:
    if form.__class__ is not list:
        raise Misfit(f"{_shown(form)} is not a list", expected="a list [...]", fix="put it in brackets: [...]")
    values = []
    for index, item in enumerate(form):
        try:
            values.append(read(item))
        except Misfit as misfit:
            misfit.inside(index)
            raise
    return tuple(values)


def _plain(cls: type, expected: str, form: Any) -> Any:
    if form.__class__ is not cls:
        raise Misfit(f"{_shown(form)} does not fit here", expected=expected)
    return form


def _number(form: Any) -> Any:
    if form.__class__ is not float and form.__class__ is not int:
        raise Misfit(f"{_shown(form)} is not a number", expected="a number")
    return form


def _word(words: type[Enum], form: Any) -> Any:
    word = form.strip().lower().replace("-", "_").replace(" ", "_") if isinstance(form, str) else form
    try:
        return words(word)
    except ValueError:
        known = [str(member.value) for member in words]
        near = difflib.get_close_matches(str(word), known, n=1)
        raise Misfit(
            f"{_shown(form)} is not known here",
            expected=f"one of {', '.join(known)}",
            fix=f"did you mean {near[0]!r}?" if near else f'write "{known[0]}"',
        ) from None


def _priority(form: Any) -> Priority:
    try:
        return priority_from(form)
    except InvalidTask as error:
        raise Misfit(error.message, cause=error.cause, fix=error.fix) from None


def _instant(form: Any) -> datetime:
    try:
        return read_instant(form)
    except (ValueError, TypeError, AttributeError, OverflowError):
        raise Misfit(
            f"{_shown(form)} is not an instant", expected="RFC 3339 in UTC", fix='write it like "2026-01-31T09:30:00Z"'
        ) from None


def _shown(form: Any) -> str:
    text = repr(form)
    return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"


_PLAIN_READERS: Mapping[Any, Reader] = {
    str: partial(_plain, str, "a text"),
    int: partial(_plain, int, "a whole number"),
    bool: partial(_plain, bool, "true or false"),
    float: _number,
}
