"""Forks: a process that forks lets go of its boards before, and each side opens them again when it needs them.

SQLite keeps in memory what a process has locked. A child has that memory and not the locks: whatever it writes to the board,
even through a connection of its own, can be lost when another process closes it (https://sqlite.org/howtocorrupt.html, 2.6).
"""

from __future__ import annotations

import os
from pathlib import Path
from threading import RLock, get_ident
from typing import Protocol
from weakref import ref

from dreamos_tasks.errors import BoardUnsafe

TURN_SECONDS = 0.1  # to wait for a board's lock with those of others in hand


class Forkable(Protocol):
    """A board that is open in this process. Who holds its `lock` has it alone among the threads."""

    @property
    def lock(self) -> RLock: ...

    def let_go(self) -> None:
        """Keep nothing open that a child must not have. Under the lock, before the fork."""
        ...

    def arrive_in_child(self, *, is_whole: bool) -> None:
        """Be of use in the child, or refuse to be. `is_whole`: under the lock, which else may be another thread's."""
        ...


_boards: set[ref[Forkable]] = set()
_held: dict[int, list[Forkable]] = {}  # by the thread that forks
_torn: list[tuple[Path, object]] = []  # in a child: the boards that were open when it was made, and their connections


def register(board: Forkable) -> None:
    """From now on this board is looked after when the process forks, for as long as it is there."""
    _boards.add(ref(board, _boards.discard))


def tear(path: Path, connection: object) -> None:
    """In a child: this connection is the parent's, and in use. It must not even be closed here, by whatever way."""
    import ctypes  # hardly any child needs it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    _torn.append((path, connection))


def refuse_torn() -> None:
    """Raise BoardUnsafe in a child that was forked from the midst of a transaction: SQLite cannot be used in it."""
    if _torn:
        raise BoardUnsafe(
            f"this process was forked while a transaction was under way at {_torn[0][0]}",
            cause="what SQLite knows of its locks is the parent's; what this process wrote could be lost",
            fix="fork before the transaction or after it (together), or start processes with the method spawn",
        )


def _open_boards() -> list[Forkable]:
    return [board for board in (known() for known in list(_boards)) if board is not None]


def _before() -> None:
    """Hold the locks of all boards, so that no other thread is in the midst of something, and let go of them."""
    held = _held[get_ident()] = []  # as far as it goes: Ctrl-C may break this off, and the fork goes on
    while missing := [board for board in _open_boards() if not _is_among(held, board)]:
        board = missing[0]
        if not board.lock.acquire(timeout=TURN_SECONDS if held else -1):
            _release(held)  # whoever has it may be waiting for one of these
            board.lock.acquire()
        held.append(board)
    for board in held:
        board.let_go()


def _is_among(boards: list[Forkable], board: Forkable) -> bool:
    return any(each is board for each in boards)


def _release(held: list[Forkable]) -> None:
    while held:
        held.pop().lock.release()


def _in_parent() -> None:
    _release(_held.pop(get_ident(), []))


def _in_child() -> None:
    held = _held.pop(get_ident(), [])
    _held.clear()
    for board in _open_boards():
        board.arrive_in_child(is_whole=_is_among(held, board))
    _release(held)


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
