"""Texts in the parameters of tools: what can be written as UTF-8 or JSON, given to a program, or name a variable."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import AfterValidator


def is_text(text: str) -> str:
    """The text, when it can be written as UTF-8. Raises ValueError."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair is no text") from None
    return text


def has_no_nul(text: str) -> str:
    """The text, when a program can be given it. Raises ValueError."""
    if "\0" in text:
        raise ValueError("no program can be given a NUL character")
    return text


def is_json(value: Any) -> Any:
    """The value, when JSON can hold it. Raises ValueError."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from None
    return value


def is_not_blank(text: str) -> str:
    """The text, if it says something."""
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _is_variable(name: str) -> str:
    if not name or "=" in name:
        raise ValueError(f"{name!r} cannot be the name of a variable")
    return name


AnyText = Annotated[str, AfterValidator(is_text)]
Text = Annotated[AnyText, AfterValidator(has_no_nul)]
Line = Annotated[Text, AfterValidator(is_not_blank)]
VariableName = Annotated[Text, AfterValidator(_is_variable)]
