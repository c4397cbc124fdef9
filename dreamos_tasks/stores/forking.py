"""Forks: a process that forks lets go of its boards before, and each side opens them again when it needs them.

SQLite keeps in memory what a process has locked. A child has that memory and not the locks: whatever it writes to the board,
even through a connection of its own, can be lost when another process closes it (https://sqlite.org/howtocorrupt.html, 2.6).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import RLock, get_ident
from typing import Protocol
from weakref import ref

MOST_HOOKS = 2  # at first, and when filelock is there
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


class _Opening:
    """Held while a board is opened: at that moment no process forks."""

    def __init__(self) -> None:
        self.lock = RLock()

    def let_go(self) -> None:
        """Nothing is open yet."""

    def arrive_in_child(self, *, is_whole: bool) -> None:
        """See Forkable."""
        if not is_whole:
            self.lock = RLock()


_boards: set[ref[Forkable]] = set()
_held: dict[int, list[Forkable]] = {}  # by the thread that forks
_hooks = 0


def opening() -> RLock:
    """To be held while a board is opened and registered."""
    return _opening.lock


def register(board: Forkable) -> None:
    """From now on this board is looked after when the process forks, for as long as it is there."""
    _boards.add(ref(board, _boards.discard))
    if "filelock" in sys.modules and _hooks < MOST_HOOKS:
        _ask_to_be_told()


def _ask_to_be_told() -> None:
    """Of forks, and before `filelock` is: from then on nobody gets or gives back its locks, and whoever wants to is waited for.

    Who asked last is told first. Asking cannot be taken back, so what was asked before is passed over.
    """
    global _hooks
    number = _hooks = _hooks + 1

    def unless_asked_again(act: Callable[[], None]) -> Callable[[], None]:
        return lambda: act() if number == _hooks else None

    os.register_at_fork(
        before=unless_asked_again(_before),
        after_in_parent=unless_asked_again(_in_parent),
        after_in_child=unless_asked_again(_in_child),
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


_opening = _Opening()
_ask_to_be_told()
register(_opening)
