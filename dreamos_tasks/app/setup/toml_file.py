"""TOML settings: a table of ours between two marks, at the end of the file; what comes of it is read back before it counts."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from dreamos_tasks.app.setup.marked_file import HASH, has_block, with_block, without_block
from dreamos_tasks.errors import InvalidInput


def with_table(text: str | None, name: tuple[str, ...], values: Mapping[str, Any]) -> str:
    """The text with the table. Raises InvalidInput when the text is no TOML, or has a table of this name already."""
    header = ".".join(name)
    if not has_block(text or "", marks=HASH) and _found(_read(text or ""), name) is not None:
        raise InvalidInput(f"[{header}] stands there already, and not from us", fix="take it out by hand")
    lines = [f"[{header}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    new = with_block(text, "\n".join(lines), marks=HASH)
    try:
        fits = _found(tomllib.loads(new), name) == dict(values)
    except tomllib.TOMLDecodeError:  # such as `mcp_servers = {...}`, to which no table can be added
        fits = False
    if not fits:
        raise InvalidInput(f"[{header}] cannot be put behind what stands there", fix="add it by hand")
    return new


def without_table(text: str) -> str | None:
    """The text without the table; None when nothing is left of the file."""
    return without_block(text, marks=HASH)


def has_table(text: str) -> bool:
    """Whether our table is there."""
    return has_block(text, marks=HASH)


def _found(tables: dict[str, Any], name: tuple[str, ...]) -> Any:
    """What stands at this name; None when nothing does."""
    found: Any = tables
    for key in name:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _read(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput("it is no TOML", cause=str(error), fix="mend it by hand") from None
