"""The doorbell: whoever commits rings it, so that the daemon wakes at once. Nobody need hear it, and it says nothing.

A unix datagram arrives in a quarter of a millisecond. Watching the database's -wal file instead loses wake-ups: it fires
before the commit can be read.

Whoever follows the board without a daemon hangs a bell of its own in the folder `bells` beside it: see `board.watch`.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import _socket
    import socket

NOBODY_HOME_SECONDS = (
    0.25  # without a daemon, ringing costs as much as a tenth of a commit; one that starts looks itself
)
FOLLOWERS = "bells"  # the folder of the bells of those who follow
MAX_SOCKET_PATH = 100  # the kernel's limit is 108 bytes; longer paths are reached through /proc/self/fd


class Doorbell:
    """Rings for the daemon of one board, if there is one, and for all who follow the board."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._followers = os.path.join(os.path.dirname(self._path), FOLLOWERS)
        self._socket: _socket.socket | None = None
        self._silent_until = 0.0

    def ring(self) -> None:
        """Wake the daemon, and who follows. Never waits and never fails: without a daemon nobody misses anything."""
        self.ring_followers()
        if self._silent_until > time.monotonic():
            return
        try:
            os.stat(self._path)  # without a daemon there is no bell, and no need to import what rings it
            self._send(self._path)
        except BlockingIOError:
            return  # its bell has rung often enough already
        except OSError:
            self._silent_until = time.monotonic() + NOBODY_HOME_SECONDS

    def ring_followers(self) -> None:
        """Wake all who follow the board; for the daemon, which need not wake itself. Never waits and never fails."""
        try:
            names = os.listdir(self._followers)
        except OSError:
            return  # nobody has ever followed this board
        for name in names:
            bell = os.path.join(self._followers, name)
            try:
                self._send(bell)
            except BlockingIOError:
                continue
            except ConnectionRefusedError:
                _take_down(bell)  # it was killed
            except OSError:
                continue  # it has just gone

    def _send(self, path: str) -> None:
        if self._socket is None:
            self._socket = _open_bare_socket()
        with short_path(path) as reachable:
            self._socket.sendto(b"!", reachable)

    def close(self) -> None:
        """May be called twice."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __del__(self) -> None:
        """A board that is forgotten takes its doorbell with it."""
        self.close()


class short_path:  # noqa: N801  reads as a function where it is used
    """A path of at most 107 bytes for a socket, whatever its real length: through an open folder if need be."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def __enter__(self) -> str:
        if len(os.fsencode(self._path)) <= MAX_SOCKET_PATH:
            return self._path
        folder, name = os.path.split(self._path)
        self._fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._fd}/{name}"

    def __exit__(self, *_: object) -> None:
        if self._fd >= 0:
            os.close(self._fd)


def hang_doorbell(path: Path) -> socket.socket:
    """The daemon's side: a non-blocking datagram socket bound at `path`, in place of any left by an earlier daemon."""
    import socket

    bell = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        path.unlink(missing_ok=True)
        with short_path(str(path)) as reachable:
            bell.bind(reachable)
        path.chmod(0o600)
    except OSError:
        bell.close()
        raise
    return bell


def _take_down(bell: str) -> None:
    with suppress(OSError):
        os.unlink(bell)


def _open_bare_socket() -> _socket.socket:
    """Without what `socket` puts around it: enumerations of all constants, which take longer to make than a task to add."""
    import _socket

    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_NONBLOCK)
