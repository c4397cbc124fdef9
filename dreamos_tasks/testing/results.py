"""Results: whether a ToolResult can be kept on a board, shown to a person and referred to by a later step."""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.keepable import check_keepable, is_keepable_text
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolContext, ToolResult

LONGEST_TEXT = 8192  # characters of a head or tail, of a message or cause: it stands on the board
MARKER_BYTES = 256  # an output file may be a line longer than its limit, which says what was left out


def problems_of(result: object, context: ToolContext) -> Sequence[str]:
    """What is wrong with a result; empty when nothing is."""
    if not isinstance(result, ToolResult):
        return (f"execute gave {type(result).__name__}, not a ToolResult",)
    return [*_of_texts(result), *_of_category(result), *_of_json(result, context), *_of_file(result, context)]


def secrets_in(result: ToolResult, context: ToolContext) -> Sequence[str]:
    """Where the call's secrets stand, of all that is kept of it."""
    places = {field.name: repr(getattr(result, field.name)).encode() for field in fields(result)}
    places |= {str(path): path.read_bytes() for path in context.run_dir.rglob("*") if path.is_file()}
    places |= {f"the name of {path}": path.name.encode() for path in context.run_dir.rglob("*")}
    return [place for place, content in places.items() if any(one.encode() in content for one in context.secrets)]


def _of_texts(result: Any) -> Iterator[str]:
    for name in ("message", "cause", "output_head", "output_tail"):
        text = getattr(result, name)
        if not isinstance(text, str):
            yield f"{name} is {type(text).__name__}, not text"
        elif not is_keepable_text(text):
            yield f"{name} holds a NUL or half a surrogate pair, which a board cannot keep"
        elif len(text) > LONGEST_TEXT:
            yield f"{name} has {len(text)} characters; a board keeps {LONGEST_TEXT}"
    if not isinstance(result.suggestions, tuple) or not all(isinstance(one, str) for one in result.suggestions):
        yield "suggestions is no tuple of texts"


def _of_category(result: Any) -> Iterator[str]:
    if result.category is None:
        if result.try_later:
            yield "a call that succeeded asks to be tried later"
        return
    if not isinstance(result.category, ErrorCategory):
        yield f"category {result.category!r} is no ErrorCategory"
    if not result.message:
        yield "a failed call says no message"


def _of_json(result: Any, context: ToolContext) -> Iterator[str]:
    for name in ("value", "undo"):
        value = getattr(result, name)
        try:
            check_keepable(value)
        except InvalidInput as error:
            yield f"{name} can be kept on no board: {error.message}"
            continue
        text = json.dumps(value)
        if len(text) > context.output_limit_bytes:
            yield f"{name} has {len(text)} characters as JSON; output_limit_bytes is {context.output_limit_bytes}"


def _of_file(result: Any, context: ToolContext) -> Iterator[str]:
    path = result.output_path
    if path is None:
        return
    if not isinstance(path, Path) or not path.is_relative_to(context.run_dir) or not path.is_file():
        yield f"output_path {path} is no file in run_dir"
        return
    content = path.read_bytes()
    if len(content) > context.output_limit_bytes + MARKER_BYTES:
        yield f"the output file has {len(content)} bytes; output_limit_bytes is {context.output_limit_bytes}"
    if hashlib.sha256(content).hexdigest() != result.output_sha256:
        yield "output_sha256 is not that of the output file"
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        yield "others can read the output file: make it 0600"
