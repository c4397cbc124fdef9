"""UndoLock: who takes back the changes of a task does so alone, and not before its run has ended what it started."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

LOCK_NAME = "undo.lock"
LOCK_POLL_SECONDS = 0.1


@asynccontextmanager
async def undo_lock(folder: Path) -> AsyncIterator[None]:
    """Hold the lock of a task, in the folder of its runs; wait for whoever holds it. The kernel gives it back at any death."""
    handle = open_lock(folder)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(handle)


def open_lock(folder: Path) -> int:
    """The file that is locked, for us alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
