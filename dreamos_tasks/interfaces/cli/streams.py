"""The three standard streams and the arguments, whatever state the command was started in: closed, or not UTF-8."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from io import TextIOWrapper

from dreamos_tasks.errors import InvalidInput


def open_streams() -> None:
    """See that descriptors 0 to 2 are open and that printing never fails for a character.

    A descriptor that was closed would be given to the next file that is opened, the board for one, and be printed into.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest number that is free: this one
    for name, descriptor, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
        elif isinstance(stream, TextIOWrapper) and mode == "w":
            with suppress(ValueError):
                stream.reconfigure(errors="backslashreplace")


def text_arguments(args: Sequence[str]) -> list[str]:
    """The arguments as UTF-8, whatever the locale took them for. Raises InvalidInput."""
    read = []
    for arg in args:
        try:
            read.append(arg if arg.isascii() else os.fsencode(arg).decode("utf-8"))
        except UnicodeError as error:
            raise InvalidInput(
                f"an argument is not UTF-8 text: {arg!a}", cause=str(error), fix="iconv -t utf-8 converts text"
            ) from error
    return read


def read_stdin() -> str:
    """All of stdin. Raises InvalidInput when it is not UTF-8 text."""
    binary = getattr(sys.stdin, "buffer", None)
    if binary is None:  # a stream that holds text already
        return sys.stdin.read()
    try:
        return str(binary.read(), "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("stdin is not UTF-8 text", cause=str(error), fix="iconv -t utf-8 converts text") from error
