"""Value: a frozen dataclass that costs little to define and little to make.

`dataclasses.dataclass` writes and compiles nine methods for each frozen class, half a millisecond of them, and a command that
agents call in a loop defines fifty classes, of which it uses a few. Here one method is compiled, `__init__`, once many values
are made; the others are shared. To everyone else (`fields`, `replace`, pickle, pydantic) the result is a dataclass.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, FrozenInstanceError, field, fields
from functools import cached_property, partial
from typing import Any, TypeVar, dataclass_transform

Class = TypeVar("Class", bound=type)
Made = TypeVar("Made")
WORTH_FILLING = 8  # fields; with fewer, the way by another class is the longer one
WORTH_COMPILING = 256  # compiling takes as long as is saved on about so many values; most commands make fewer
# By this `fields` knows a field from a class variable. A private name, and the only one: tests hold values to `dataclass`.
_FIELD = dataclasses._FIELD  # type: ignore[attr-defined]


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen_value(cls: Class) -> Class:
    """Decorator: as `dataclass(frozen=True, slots=True, kw_only=True)`. Every annotated name is a field."""
    own = cls.__annotations__
    inherited = [getattr(base, "__dataclass_fields__", {}) for base in reversed(cls.__mro__[1:])]
    found: dict[str, Field[Any]] = {name: each for of_base in inherited for name, each in of_base.items()}
    slots = tuple(name for name in own if name not in found)
    found.update((name, _field(name, hint, vars(cls).get(name, MISSING))) for name, hint in own.items())
    first = _FirstInit()
    body = {name: what for name, what in vars(cls).items() if name not in own and name not in _OF_A_CLASS_WITHOUT_SLOTS}
    body |= {"__slots__": slots, "__dataclass_fields__": found, "__init__": first}
    made: Any = type(cls)(cls.__name__, cls.__bases__, {**_SHARED, **body})
    made.__qualname__ = cls.__qualname__
    first.cls = made
    result: Class = made
    return result


def _field(name: str, hint: Any, default: Any) -> Field[Any]:
    made: Any = default if isinstance(default, Field) else field(default=default)
    made.name, made.type, made.kw_only, made._field_type = name, hint, True, _FIELD
    return made  # type: ignore[no-any-return]


class _FirstInit:
    """Stands in for a class's `__init__`: fills the first values by itself, then puts a compiled one in its place."""

    cls: Any

    def __init__(self) -> None:
        self._made = 0

    def __get__(self, value: object, owner: type | None = None) -> Any:
        self._made += 1
        if isinstance(value, self.cls) and self._made <= WORTH_COMPILING:
            return partial(self._fill, value)
        init = self.cls.__init__ = _init_of(self.cls)  # also for whoever asks what the parameters are
        return init if value is None else init.__get__(value, owner)

    @cached_property
    def _slots(self) -> list[tuple[str, Callable[[object, Any], None], Any, Any]]:
        """Of each field: its name, what puts a value into it, its default, and what makes one."""
        return [(f.name, getattr(self.cls, f.name).__set__, f.default, f.default_factory) for f in fields(self.cls)]

    def _fill(self, value: Any, /, **given: Any) -> None:
        taken = 0
        for name, put, default, make in self._slots:
            if name in given:
                put(value, given[name])
                taken += 1
            elif default is not MISSING:
                put(value, default)
            elif make is not MISSING:
                put(value, make())
            else:
                _init_of(self.cls)(value, **given)  # says what is missing, as Python says it
        if taken != len(given):
            _init_of(self.cls)(value, **given)  # or what is unknown
        if hasattr(value, "__post_init__"):
            value.__post_init__()


def filler_of(cls: Callable[..., Made]) -> Callable[[Iterable[Any]], Made]:
    """Makes values out of all their fields, in order: no defaults, no `__post_init__`. For copies of what was checked."""
    names = ", ".join(f"value.{each.name}" for each in fields(cls))  # type: ignore[arg-type]
    text = f" def fill(values):\n  value = new(filling)\n  {names}, = values\n  value.__class__ = cls\n  return value"
    filler: Callable[[Iterable[Any]], Made] = _compiled(
        cls, text, "fill", {"new": object.__new__, "filling": _filling(cls), "cls": cls}
    )
    return filler


def _init_of(cls: Any) -> Any:
    """`__init__` with the fields as parameters."""
    known: dict[str, Any] = {"MISSING": MISSING, "cls": cls}  # what the compiled lines refer to
    parameters, lines, fill, put = [], [], [], []
    annotations: dict[str, Any] = {}
    for each in fields(cls):
        name = each.name
        annotations[name] = each.type
        known[f"_put_{name}"] = getattr(cls, name).__set__
        default = ""
        if each.default is not MISSING:
            known[f"_default_{name}"] = each.default
            default = f"=_default_{name}"
        elif each.default_factory is not MISSING:
            known[f"_make_{name}"] = each.default_factory
            default = "=MISSING"
            lines.append(f"  if {name} is MISSING: {name} = _make_{name}()")
        parameters.append(name + default)
        fill.append(f"   self.{name} = {name}")
        put.append(f"   _put_{name}(self, {name})")
    if len(fill) >= WORTH_FILLING:
        known |= {"_become": object.__setattr__, "_filling": _filling(cls)}
        lines += ["  if self.__class__ is cls:", '   _become(self, "__class__", _filling)', *fill]
        lines += ["   self.__class__ = cls", "  else:", *put]
    else:
        lines += ["  if True:", "   pass", *put]
    if hasattr(cls, "__post_init__"):
        lines.append("  self.__post_init__()")
    text = f" def __init__({', '.join(['self', *(['*'] if parameters else ()), *parameters])}):\n" + "\n".join(lines)
    init = _compiled(cls, text, "__init__", known)
    init.__qualname__, init.__annotations__ = f"{cls.__qualname__}.__init__", {**annotations, "return": None}
    return init


def _filling(cls: Any) -> type:
    """A class of the same slots that refuses nothing. What is filled as one of these is then made what it is: the compiler
    stores into such slots directly, where passing `_refuse` by takes a call a field."""
    free = {"__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    made: type = type(cls)(f"{cls.__name__}Filling", cls.__bases__, {"__slots__": cls.__dict__["__slots__"], **free})
    return made


def _compiled(cls: Any, text: str, name: str, known: dict[str, Any]) -> Any:
    made: dict[str, Any] = {}
    lines = f"def closure({', '.join(known)}):\n{text}\n return {name}"
    exec(lines, vars(sys.modules[cls.__module__]), made)  # noqa: S102  names of fields, nothing else
    return made["closure"](**known)


def _values(value: Any) -> tuple[Any, ...]:
    return tuple([getattr(value, name) for name in value.__dataclass_fields__])


def _eq(self: Any, other: Any) -> bool:
    return _values(self) == _values(other) if other.__class__ is self.__class__ else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _repr(self: Any) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _refuse(_self: object, name: str, *_value: object) -> None:
    raise FrozenInstanceError(f"cannot change field {name!r}")


def _set_state(self: Any, state: tuple[Any, ...]) -> None:
    for each, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, each.name, value)


_SHARED = {
    "__eq__": _eq,
    "__hash__": _hash,
    "__repr__": _repr,
    "__setattr__": _refuse,
    "__delattr__": _refuse,
    "__getstate__": _values,  # how pickle and copy read and fill what cannot be assigned to
    "__setstate__": _set_state,
    "__replace__": dataclasses.replace,  # for copy.replace
}
_OF_A_CLASS_WITHOUT_SLOTS = ("__dict__", "__weakref__")
