"""Makes drafts of forms with pydantic, by the annotations of the model's own classes, and words what does not fit."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.intake.findings import Findings
from dreamos_tasks.intake.problems import nearest, pointer_to, shown
from dreamos_tasks.model import constraints as _constraints  # noqa: F401  gives the model's annotations their meaning
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import TaskDraft

Value = TypeVar("Value")
PointerOf = Callable[[tuple[int | str, ...]], str]
RETRY_FIELDS = tuple(f.name for f in fields(RetryPolicy))
JITTERS = ("full", "none")
_COUNTS = ("max_attempts", "max_deferrals")

_EXPECTED: Mapping[str, str] = {
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "an object",
    "dataclass_type": "an object",
    "bool_type": "true or false",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "finite_number": "a finite number",
    "greater_than": "a number greater than {gt:,.10g}",
    "greater_than_equal": "a number of {ge:,.10g} or more",
    "less_than_equal": "a number of {le:,.10g} or less",
    "too_short": "at least {min_length}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
    "enum": "{expected}",
}
_FIXES: Mapping[str, str] = {
    "string_type": "put it in quotes",
    "tuple_type": "put it in brackets: [...]",
    "bool_type": "write true or false, without quotes",
    "float_type": "write the number without quotes",
    "int_type": "write the number without quotes",
}


def typed_draft(form: Mapping[str, Any], pointer_of: PointerOf, findings: Findings) -> TaskDraft | None:
    """The draft that a form gives; None when it breaks a rule, which `findings` then tells."""
    return typed(_draft_adapter(), form, pointer_of, findings)


def typed(
    adapter: TypeAdapter[Value], form: Mapping[str, Any], pointer_of: PointerOf, findings: Findings
) -> Value | None:
    """The value that a form gives, by the annotations of its class; None when it breaks a rule, as above."""
    try:
        text = json.dumps(form, allow_nan=False)
        return adapter.validate_json(text, strict=True)
    except ValidationError as error:
        found = error.errors(include_url=False)
        for details in found:
            if not _is_a_consequence(details, found):
                _tell(details, pointer_of, findings)
    except (ValueError, TypeError, RecursionError) as error:
        findings.refuse(pointer_of(()), "it has no JSON form", expected="JSON values", found=str(error)[:80])
    return None


def retry_form(value: Any) -> Any:
    """A retry policy as the model takes it: null is the default, and 3.0 is a whole number as in JSON Schema."""
    if not isinstance(value, dict):
        return value
    return {
        key: int(inner) if key in _COUNTS and isinstance(inner, float) and inner.is_integer() else inner
        for key, inner in value.items()
        if inner is not None
    }


def refuse_retry(value: Any, pointer: str, findings: Findings) -> None:
    """Tell what is wrong with a retry policy. `{}` is the board's own, and right."""
    if value is None:
        return
    if not isinstance(value, dict):
        findings.refuse_type(pointer, value, expected="an object {...}", fix='"retry": {"max_attempts": 5}')
        return
    for key in value:
        if key not in RETRY_FIELDS:
            near = nearest(key, RETRY_FIELDS)
            findings.refuse(
                pointer + pointer_to(key),
                f"{shown(key)} is no field of a retry policy",
                expected=f"one of {', '.join(RETRY_FIELDS)}",
                found=shown(key),
                nearest_field=near,
                fix=f"write {near}" if near else "leave it out",
            )
    jitter = value.get("jitter")
    if isinstance(jitter, str) and jitter not in JITTERS:
        near = nearest(jitter, JITTERS)
        findings.refuse(
            f"{pointer}/jitter",
            f"{shown(jitter)} is no jitter",
            expected="full or none",
            found=shown(jitter),
            nearest_field=near,
            fix='"jitter": "full"',
        )
    try:
        _retry_adapter().validate_json(json.dumps(retry_form(value), allow_nan=False), strict=True)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            _tell(details, lambda loc: pointer + pointer_to(*loc), findings)
    except (ValueError, TypeError, RecursionError) as error:
        findings.refuse(pointer, "it has no JSON form", expected="JSON values", found=str(error)[:80])


def _is_a_consequence(details: ErrorDetails, found: Sequence[ErrorDetails]) -> bool:
    """Whether a list is too short only because what is wrong with its parts was left out."""
    loc = details["loc"]
    return details["type"] == "too_short" and any(
        len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in found
    )


def _tell(details: ErrorDetails, pointer_of: PointerOf, findings: Findings) -> None:
    kind, context = details["type"], details.get("ctx", {})
    pointer = pointer_of(details["loc"])
    cause = context.get("error")
    if isinstance(cause, InvalidInput):
        findings.refuse(pointer + cause.pointer, cause.message, expected=cause.cause, fix=cause.fix)
        return
    if kind == "missing":
        name = details["loc"][-1]
        parent = pointer_of(details["loc"][:-1])
        findings.refuse(parent, f"{shown(name)} is missing", expected=f"a {name}", fix=f'add "{name}": ...')
        return
    words = context.get("expected", "")
    near = nearest(details["input"], words.replace("'", "").replace(" or ", ", ").split(", ")) if words else None
    expected = _EXPECTED[kind].format(**context) if kind in _EXPECTED else details["msg"]
    findings.refuse(
        pointer,
        f"{shown(details['input'])} does not fit here",
        expected=f"one of {expected}" if words else expected,
        found=shown(details["input"]),
        nearest_field=near,
        fix=f'write "{near}"' if near else _FIXES.get(kind, ""),
    )


@cache
def _draft_adapter() -> TypeAdapter[TaskDraft]:
    return TypeAdapter(TaskDraft)


@cache
def _retry_adapter() -> TypeAdapter[RetryPolicy]:
    return TypeAdapter(RetryPolicy)
