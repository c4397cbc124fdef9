"""Why a board can neither be read nor written."""

from __future__ import annotations

from dreamos_tasks.errors.families import BoardUnavailable


class BoardLocked(BoardUnavailable):
    """Somebody held the board's lock for longer than we wait."""

    code = "board_locked"

    def __init__(self, path: str, *, waited_seconds: float) -> None:
        super().__init__(
            f"the board's lock was not free within {waited_seconds:g} s",
            cause=f"another process holds {path}; it may be stopped (SIGSTOP) or on a very slow disk",
            fix=f"fuser {path} names it; continue or end that process, then try again",
        )


class BoardGone(BoardUnavailable):
    """The board's file was deleted or replaced while it was open."""

    code = "board_gone"


class BoardCorrupt(BoardUnavailable):
    """The file is not a sound board. It is kept; nothing is written over it."""

    code = "board_corrupt"


class BoardTooNew(BoardUnavailable):
    """A newer release wrote the board."""

    code = "board_too_new"

    def __init__(self, path: str, *, found: int, known: int) -> None:
        super().__init__(
            f"{path} has schema {found}; this release knows up to {known}",
            cause="a newer dreamos-tasks wrote it",
            fix="uv tool upgrade dreamos-tasks (or pip install --upgrade dreamos-tasks)",
        )


class BoardUnsafe(BoardUnavailable):
    """Using the board here could lose or leak it."""

    code = "board_unsafe"
