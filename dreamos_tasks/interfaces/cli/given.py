"""Given: the text that an option or argument stands for: itself, what a file holds (@FILE), or stdin (@-)."""

from __future__ import annotations

from pathlib import Path

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.ids import STDIN


def text_given(call: Call, given: str, *, pointer: str) -> str:
    """The text, read from a file or stdin where it begins with an @. Raises InvalidInput."""
    return file_text(call, given[1:], pointer=pointer) if given.startswith("@") else given


def file_text(call: Call, source: str, *, pointer: str = "") -> str:
    """What a file holds, or stdin for `-`. Raises InvalidInput."""
    try:
        return call.read_stdin() if source == STDIN else Path(source).read_text(encoding="utf-8")
    except OSError as error:
        raise unreadable(source, error, pointer=pointer) from error
    except UnicodeDecodeError as error:
        fix = f"iconv -t utf-8 {source}"
        raise InvalidInput(f"{source} is not UTF-8 text", pointer=pointer, cause=str(error), fix=fix) from error


def unreadable(source: str, error: OSError, *, pointer: str = "") -> InvalidInput:
    """Why a file that was named cannot be read."""
    cause = error.strerror or str(error)
    return InvalidInput(f"{source} cannot be read", pointer=pointer, cause=cause, fix=f"ls -l {source}")
