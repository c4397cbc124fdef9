"""All settings, described: key, type in words, default, unit and why. For `config show`, the reference and error messages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from annotated_types import DocInfo, Ge, Gt, Le

from dreamos_tasks.config import rules as _rules  # noqa: F401  gives the annotations of settings their meaning
from dreamos_tasks.config.settings import Settings, ToolSettings
from dreamos_tasks.config.variables import variable_of

ANY_NAME = "<name>"  # stands for a tool's name in a key
# Text that YAML reads as the same text without quotes; its words for true, false and null are not.
_PLAIN_PATTERN = re.compile(
    r"(?!(?:null|true|false|yes|no|on|off|[yn])$)[A-Za-z][A-Za-z0-9_./-]*\*?|\d+\.\d+\.\d+\.\d+",
    re.IGNORECASE,
)
_UNITS = {
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_per_minute": "calls a minute",
    "_per_minute_per_host": "calls a minute",
}
_PASSWORD_PATTERNS = (
    re.compile(r"(//[^:/@\s]*:)\S*(?=@)"),
    re.compile(r"(password\s*=\s*)[^&\s]+", re.IGNORECASE),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingInfo:
    """One setting, for a reader. `key` of a tool's setting has `<name>` where the tool's name stands."""

    key: str
    expected: str  # "a number above 0, at most 31536000"
    default: object
    unit: str  # "" when there is none
    why: str
    variable: str  # the environment variable that sets it
    secret: bool  # show it with `shown` only


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionInfo:
    """One section, for a reader."""

    key: str
    about: str
    settings: tuple[SettingInfo, ...]


@cache
def sections() -> tuple[SectionInfo, ...]:
    """All settings by section, in the order of the reference."""
    return tuple(
        SectionInfo(key=name, about=_about(_section_class(hint)), settings=tuple(_describe(hint, (name,))))
        for name, hint in _hints(Settings).items()
    )


def all_settings() -> tuple[SettingInfo, ...]:
    """All settings, in the order of the reference."""
    return tuple(setting for section in sections() for setting in section.settings)


def values(settings: Settings) -> dict[str, object]:
    """Dotted key -> value of every setting as it stands; of tools, those that are mentioned."""
    return {".".join(path): value for path, value in leaves(settings)}


def leaves(settings: Settings) -> Iterator[tuple[tuple[str, ...], object]]:
    """Like `values`, with keys apart: a tool's name may hold a dot."""
    return _leaves(settings, ())


def shown(key: str, value: object) -> object:
    """`value` as it may be shown to anybody: without the password, when the setting is secret."""
    info = info_of(tuple(key.split(".")))
    if info is None or not info.secret or not isinstance(value, str):
        return value
    for pattern in _PASSWORD_PATTERNS:
        value = pattern.sub(r"\1***", value)
    return value


def info_of(path: tuple[str, ...]) -> SettingInfo | None:
    """What is known about the setting at these keys; None for a section and for what is no setting."""
    if len(path) > 2 and path[0] == "tools":
        path = ("tools", ANY_NAME, *path[2:])
    return _by_key().get(".".join(path))


def hint_at(path: tuple[str, ...]) -> Any:
    """The type of the setting or section at these keys; None where there is none."""
    hint: Any = Settings
    for name in path:
        hint = _inner_hint(hint, name)
    return hint


def keys_at(path: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that may stand in the section at `path`; none when any may, or when it is no section."""
    hint = hint_at(path)
    return tuple(_hints(cast("type", hint))) if is_dataclass(hint) else ()


@cache
def _by_key() -> Mapping[str, SettingInfo]:
    return {setting.key: setting for setting in all_settings()}


@cache
def _hints(of: type) -> dict[str, Any]:
    hints = get_type_hints(of, include_extras=True)
    return {field.name: hints[field.name] for field in fields(of)}


def _inner_hint(hint: Any, name: str) -> Any:
    if is_dataclass(hint):
        return _hints(cast("type", hint)).get(name)
    return get_args(hint)[1] if _is_mapping(hint) else None


def _section_class(hint: Any) -> type:
    return ToolSettings if _is_mapping(hint) else cast("type", hint)


def _is_mapping(hint: Any) -> bool:
    origin = get_origin(hint)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _about(section: type) -> str:
    return (section.__doc__ or "").partition("\n")[0]


def _describe(hint: Any, path: tuple[str, ...]) -> Iterator[SettingInfo]:
    section = _section_class(hint)
    path = (*path, ANY_NAME) if _is_mapping(hint) else path
    for field in fields(section):
        inner = _hints(section)[field.name]
        if is_dataclass(inner):
            yield from _describe(inner, (*path, field.name))
            continue
        key = ".".join((*path, field.name))
        yield SettingInfo(
            key=key,
            expected=expected(inner),
            default=field.default,
            unit=next((unit for ending, unit in _UNITS.items() if field.name.endswith(ending)), ""),
            why=field.metadata["why"],
            variable=variable_of(key),
            secret=field.metadata["secret"],
        )


def expected(hint: Any) -> str:
    """A type in words, as an error says what it expected."""
    if get_origin(hint) in (Union, UnionType):
        return ", or ".join(expected(kind) for kind in get_args(hint))
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(get_args(hint))
    if get_origin(hint) is tuple:
        return "a list of " + expected(get_args(hint)[0])
    if get_origin(hint) is Annotated:
        return _constrained(*get_args(hint))
    return {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "null"}[hint]


def _constrained(kind: Any, *constraints: object) -> str:
    described = next((constraint for constraint in constraints if isinstance(constraint, DocInfo)), None)
    words = expected(kind) if described is None else described.documentation
    for constraint in constraints:
        match constraint:
            case Gt(gt=least):
                words += f" above {least}"
            case Ge(ge=least):
                words += f" from {least}"
            case Le(le=most):
                words += f" up to {most}"
    return words


def _leaves(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*path, name))
    elif is_dataclass(value):
        for field in fields(value):
            yield from _leaves(getattr(value, field.name), (*path, field.name))
    else:
        yield path, value


def as_yaml(value: object) -> str:
    """A setting's value as it is written in config.yaml, on one line."""
    if isinstance(value, tuple):
        return "[" + ", ".join(as_yaml(item) for item in value) + "]"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, str) and _PLAIN_PATTERN.fullmatch(value):
        return value
    return json.dumps(value)
