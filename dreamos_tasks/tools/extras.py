"""Extras: libraries that not everybody needs, imported when a call needs them; a missing one is named with what installs it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any


class ExtraMissing(ImportError):
    """A library of an extra is not installed, or cannot be loaded. `fix` installs it."""

    def __init__(self, library: str, *, extra: str, why: str = "") -> None:
        super().__init__(f"{library} cannot be loaded: {why}" if why else f"{library} is not installed")
        self.fix = install_line(extra)


def install_line(extra: str) -> str:
    """The command that installs an extra."""
    return f"pip install 'dreamos-tasks[{extra}]'"


def load(library: str, *, extra: str) -> Any:
    """The library's module. Raises ExtraMissing."""
    try:
        return import_module(library)
    except ImportError as error:
        why = "" if getattr(error, "name", None) == library else str(error)
        raise ExtraMissing(library, extra=extra, why=why) from error


def is_installed(library: str) -> bool:
    """Whether it is there, without loading it."""
    return find_spec(library) is not None
