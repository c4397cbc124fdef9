"""FileLock: one holder of a path among processes, first come first served, with a limit to the wait."""

from __future__ import annotations

import fcntl
import os
import threading
from types import TracebackType

from dreamos_tasks.errors import BoardLocked

LOCK_FILE_MODE = 0o600


class FileLock:
    """An exclusive `flock`. The kernel's lock decides, not the file: a stale or deleted file locks nobody out.

    The uncontended way is one system call. Whoever must wait does so in the kernel's queue, in a thread of its own,
    because only there does waiting take turns and only from outside can it be given up. Threads of one process must not
    share a FileLock without a lock of their own.
    """

    def __init__(self, path: str, *, timeout_seconds: float) -> None:
        self.path = path
        self._timeout_seconds = timeout_seconds
        self._fd = -1
        self._file = (0, 0)

    def acquire(self) -> None:
        """Take the lock. Raises BoardLocked when it is not free in time."""
        while True:
            if self._fd < 0:
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, LOCK_FILE_MODE)
                mine = os.fstat(self._fd)
                self._file = (mine.st_dev, mine.st_ino)
            try:
                try:
                    fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._wait()
                if self._is_current():
                    return
            except BaseException:  # Ctrl-C too: whoever goes on after it must not go on holding the lock
                self._drop()
                raise
            self._drop()  # the file was deleted or replaced: others lock another one

    def release(self) -> None:
        """Give the lock back. Harmless when it is not held."""
        if self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Release and forget the file. May be called twice."""
        self._drop()

    def __del__(self) -> None:
        """A board that is forgotten takes its lock with it."""
        self.close()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _wait(self) -> None:
        fd, self._fd = self._fd, -1  # the waiter's, until its turn has come
        if not _Waiter(fd).wait(self._timeout_seconds):
            raise BoardLocked(self.path, waited_seconds=self._timeout_seconds)
        self._fd = fd

    def _is_current(self) -> bool:
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            return False
        return (there.st_dev, there.st_ino) == self._file

    def _drop(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _Waiter:
    """Waits for one `flock` in a thread."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._thread = threading.Thread(target=self._lock, name="board-lock", daemon=True)
        self._settled = threading.Lock()
        self._done = threading.Event()
        self._given_up = False

    def wait(self, timeout_seconds: float) -> bool:
        """Whether the lock was had in time. If not, and when it is broken off, the file is closed as soon as its turn comes."""
        in_time = False
        try:
            self._thread.start()
            in_time = self._done.wait(timeout_seconds)
        finally:
            if not in_time:
                self._give_up()
        return in_time

    def _give_up(self) -> None:
        with self._settled:
            self._given_up = True
            if self._done.is_set() or not self._thread.is_alive():
                os.close(self._fd)

    def _lock(self) -> None:
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        with self._settled:
            if self._given_up:
                os.close(self._fd)
            else:
                self._done.set()
