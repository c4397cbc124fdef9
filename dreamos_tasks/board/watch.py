"""BoardWatch: waits until another process has written to the board. The one definition of it, for all who wait or follow.

Whoever commits rings the bell that it hangs up; that is when it looks. Below is a slow look at the board's change mark: a
bell can be lost, and a person may edit a JSON board.
"""

from __future__ import annotations

import errno
import os
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dreamos_tasks.board.doorbell import FOLLOWERS, hang_doorbell

if TYPE_CHECKING:
    import socket

    from dreamos_tasks.board.reader import BoardReader

NET_SECONDS = 1.0  # how late a change is seen at most for which no bell rang
NET_WITHOUT_BELL_SECONDS = 0.1  # where none can be hung up: asking for the change mark is a read of shared memory


class BoardWatch:
    """Watches one board from any process, with or without a daemon. Close it: its bell is a socket in the board's folder.

    `doorbell` is where the board's daemon has, or would have, its own. `output` is a descriptor that is written to: with
    whoever reads from it goes the reason to wait.
    """

    def __init__(self, nexus: BoardReader, doorbell: Path, *, output: int | None = None) -> None:
        self._store = nexus.store
        self._output = output
        self._path = doorbell.with_name(FOLLOWERS) / f"{os.getpid()}-{os.urandom(4).hex()}"
        self._bell = _hang(self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def mark(self) -> int:
        """A number for the board as it is: take it, look, and wait until it is another."""
        return self._store.change_mark()

    def wait(self, mark: int, *, until: float | None = None) -> bool:
        """Wait for a change since the mark. False when this instant of the monotonic clock comes first; None: no end.

        Raises BoardUnavailable kinds, BrokenPipeError when nobody reads the output any more.
        """
        while self._store.change_mark() == mark:
            left = NET_SECONDS if until is None else until - time.monotonic()
            if left <= 0:
                return False
            self._listen(left)
        return True

    def close(self) -> None:
        """May be called twice."""
        if self._bell is not None:
            self._bell.close()
            self._bell = None
            self._path.unlink(missing_ok=True)

    def _listen(self, seconds: float) -> None:
        """Until the bell rings, or for a while."""
        heard = select.poll()
        if self._output is not None:
            heard.register(self._output, 0)  # that its reader has gone is told unasked
        if self._bell is not None:
            heard.register(self._bell, select.POLLIN)
        most = NET_WITHOUT_BELL_SECONDS if self._bell is None else NET_SECONDS
        for descriptor, _ in heard.poll(min(seconds, most) * 1000):
            if descriptor == self._output:
                raise BrokenPipeError(errno.EPIPE, "nobody reads on")
            if self._bell is not None:
                _drain(self._bell)


def _hang(path: Path) -> socket.socket | None:
    """The bell; None where no socket can be made: a file system without them, or that is read-only."""
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return hang_doorbell(path)
    except OSError:
        return None


def _drain(bell: socket.socket) -> None:
    try:
        while bell.recv(16):
            pass
    except BlockingIOError:
        return
