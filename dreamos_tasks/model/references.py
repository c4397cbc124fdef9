"""References: `${steps.build.output.path}`, `${secret:NAME}`: values of earlier steps, and secrets, by name.

A text that is one reference becomes the value itself, of whatever type it is; within a longer text, and where a tool takes
texts only, a value is written out.
`$${...}` stands for the text `${...}`. All other texts, a shell's own `${HOME}` among them, are left as they are.

What may follow `steps.NAME.`: `status`, `exit_code`, `value` (what the tool returned) and `output`. `output` is the value, or,
when the tool returned none, what it printed; `output.KEY` goes into it (into printed JSON too); `output.path` and
`output.text` are the captured file and text wherever the value has no such key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from dreamos_tasks.model.plan import StepResult
from dreamos_tasks.model.value import frozen_value

_REFERENCE = re.compile(r"(\$?)\$\{(?:steps\.(?P<path>[^{}]*)|secret:(?P<secret>[^{}]*))\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FIELDS = ("status", "exit_code", "value", "output")

PathOf = Callable[[StepResult], str | None]  # the captured output's file, as a command can open it


class UnknownReference(LookupError):
    """What is referred to is not there. Its text says what, and what there is."""


@frozen_value
class Reference:
    """One reference: where it stands (JSON Pointer below the parameters), and what it means.

    `step` and `path` name a value of an earlier step, `secret` a secret; one of them is given. `alone`: nothing stands
    beside it in its text.
    """

    pointer: str
    text: str
    step: str | None = None
    path: tuple[str, ...] = ()
    secret: str | None = None
    alone: bool = False


def may_refer(params: Any) -> bool:
    """Whether there is anything in these parameters that `resolved` or `revealed` would look at. Quick."""
    if isinstance(params, str):
        return "${" in params
    if isinstance(params, Mapping):
        return any(map(may_refer, params.values()))
    return isinstance(params, list | tuple) and any(map(may_refer, params))


def references_in(params: Any, *, pointer: str = "") -> Iterator[Reference]:
    """All references in these parameters, in their order."""
    if isinstance(params, str):
        for match in _REFERENCE.finditer(params):
            if not match[1]:
                yield _reference(match, pointer, params)
    elif isinstance(params, Mapping):
        for key, inner in params.items():
            yield from references_in(inner, pointer=f"{pointer}/{_token(str(key))}")
    elif isinstance(params, list | tuple):
        for index, inner in enumerate(params):
            yield from references_in(inner, pointer=f"{pointer}/{index}")


def secrets_named(texts: Iterable[Any]) -> frozenset[str]:
    """The names of the secrets that are referred to anywhere in these parameters."""
    found = (reference.secret for params in texts if may_refer(params) for reference in references_in(params))
    return frozenset(name for name in found if name is not None)


def trouble_with(reference: Reference, *, earlier: Sequence[str]) -> str:
    """What is wrong with a reference, before anything has run; "" when it can be kept. `earlier`: steps that come before."""
    if reference.secret is not None:
        return "" if _NAME.fullmatch(reference.secret) else f"{reference.text}: a secret's name is like A_TOKEN"
    if reference.step not in earlier:
        known = f"only {', '.join(earlier[:8])} run before it" if earlier else "no step runs before it"
        return f"{reference.text}: step {reference.step!r} does not run before this one; {known} (see needs)"
    if not reference.path or reference.path[0] not in FIELDS:
        return f"{reference.text}: after the step's name comes one of {', '.join(FIELDS)}"
    if reference.path[0] in ("status", "exit_code") and len(reference.path) > 1:
        return f"{reference.text}: {reference.path[0]} has no parts"
    return ""


def resolved(params: Any, records: Mapping[str, StepResult], *, path_of: PathOf, texts: Sequence[str] = ()) -> Any:
    """The parameters with the values of earlier steps in them; secrets stay names. Raises UnknownReference.

    In the parameters named by `texts` there are only texts: there a value alone is written out, too.
    """

    def value_of(match: re.Match[str]) -> Any:
        if match["path"] is None:
            return match[0]
        step, _, path = match["path"].partition(".")
        record = records.get(step)
        if record is None:
            raise UnknownReference(f"{match[0]}: step {step!r} has not run")
        return _value_at(record, path.split("."), match[0], path_of)

    def text_of(match: re.Match[str]) -> Any:
        value = value_of(match)
        return value if value is None else _written(value)  # nothing is no text: whoever wants one says so

    if not texts or not isinstance(params, Mapping):
        return _filled(params, value_of, unescape=False)
    return {key: _filled(inner, text_of if key in texts else value_of, unescape=False) for key, inner in params.items()}


def revealed(params: Any, secrets: Mapping[str, str]) -> tuple[Any, tuple[str, ...]]:
    """The parameters with the secrets in them, and the secrets that were used. Raises UnknownReference."""
    used: dict[str, None] = {}

    def value_of(match: re.Match[str]) -> Any:
        name = match["secret"]
        if name is None:
            return match[0]
        if name not in secrets:
            raise UnknownReference(f"{match[0]}: there is no secret of this name")
        used[secrets[name]] = None
        return secrets[name]

    return _filled(params, value_of, unescape=True), tuple(used)


def _filled(params: Any, value_of: Callable[[re.Match[str]], Any], *, unescape: bool) -> Any:
    if isinstance(params, str):
        return _filled_text(params, value_of, unescape=unescape) if "${" in params else params
    if isinstance(params, Mapping):
        return {key: _filled(inner, value_of, unescape=unescape) for key, inner in params.items()}
    if isinstance(params, list | tuple):
        return [_filled(inner, value_of, unescape=unescape) for inner in params]
    return params


def _filled_text(text: str, value_of: Callable[[re.Match[str]], Any], *, unescape: bool) -> Any:
    alone = _REFERENCE.fullmatch(text)
    if alone is not None and not alone[1]:
        return value_of(alone)

    def written(match: re.Match[str]) -> str:
        if match[1]:
            return match[0][1:] if unescape else match[0]
        return _written(value_of(match))

    return _REFERENCE.sub(written, text)


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _reference(match: re.Match[str], pointer: str, text: str) -> Reference:
    alone = match[0] == text
    if match["secret"] is not None:
        return Reference(pointer=pointer, text=match[0], secret=match["secret"], alone=alone)
    step, _, path = match["path"].partition(".")
    parts = tuple(path.split(".")) if path else ()
    return Reference(pointer=pointer, text=match[0], step=step, path=parts, alone=alone)


def _value_at(record: StepResult, path: Sequence[str], text: str, path_of: PathOf) -> Any:
    match path[0]:
        case "status":
            return record.status.value
        case "exit_code":
            return record.exit_code
        case "value":
            return _within(record.value, path[1:], text)
        case _:
            return _output_at(record, path[1:], text, path_of)


def _output_at(record: StepResult, path: Sequence[str], text: str, path_of: PathOf) -> Any:
    value = record.value
    if not path:
        return _printed(record, text) if value is None else value
    if not (isinstance(value, Mapping) and path[0] in value):
        if path == ["path"]:
            file = path_of(record)
            if file is None:
                raise UnknownReference(f"{text}: step {record.name!r} printed nothing, so there is no file")
            return file
        if path == ["text"]:
            return _printed(record, text)
    return _within(_printed_json(record, text) if value is None else value, path, text)


def _within(value: Any, path: Sequence[str], text: str) -> Any:
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list | tuple) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise UnknownReference(f"{text}: there is no {part!r}; there is {_kind(value)}")
    return value


def _printed(record: StepResult, text: str) -> str:
    if record.output_tail:
        raise UnknownReference(f"{text}: step {record.name!r} printed too much to be a value; use output.path")
    return record.output_head.removesuffix("\n")


def _printed_json(record: StepResult, text: str) -> Any:
    try:
        return json.loads(_printed(record, text))
    except ValueError:
        raise UnknownReference(f"{text}: what step {record.name!r} printed is not JSON") from None


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"an object with {', '.join(map(str, list(value)[:8])) or 'nothing in it'}"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    return "nothing" if value is None else f"the value {str(value)[:40]!r}"


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
