"""Touching: what a piece of code does to the world outside its own memory, as far as Python can see it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FrameType
from typing import Any

_AUDITED = (
    "open",
    "socket.",
    "subprocess.",
    "os.",
    "shutil.",
    "glob.",
    "tempfile.",
    "urllib.",
    "http.",
    "sqlite3.connect",
)
_HARMLESS = ("os.putenv", "os.unsetenv")
_UNAUDITED = ("stat", "lstat", "access", "readlink")  # these look, too, and raise no audit event
_watched: dict[int, list[str]] = {}  # by thread


@contextmanager
def touches() -> Iterator[list[str]]:
    """Collects what this thread touches: files, sockets, processes. Importing modules does not count."""
    _install_hook()
    thread = threading.get_ident()
    found: list[str] = []
    originals = {name: getattr(os, name) for name in _UNAUDITED}
    for name, original in originals.items():
        setattr(os, name, _told(name, original))
    _watched[thread] = found
    try:
        yield found
    finally:
        del _watched[thread]
        for name, original in originals.items():
            setattr(os, name, original)


def _told(name: str, original: Any) -> Any:
    def call(*args: object, **options: object) -> object:
        _note(f"os.{name}", args)
        return original(*args, **options)

    return call


@cache  # a hook stays for the life of the process
def _install_hook() -> None:
    sys.addaudithook(_note)


def _note(event: str, args: tuple[object, ...]) -> None:
    found = _watched.get(threading.get_ident())
    if found is None or event in _HARMLESS or not event.startswith(_AUDITED):
        return
    if not _is_importing(sys._getframe(1)):
        found.append(f"{event} {args[0] if args else ''}".rstrip())


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
