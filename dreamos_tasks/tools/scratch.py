"""Scratch: a private folder for one call, removed after it. What a killed process left behind is removed by a later one."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir, mkdtemp

PREFIX = "dreamos-tasks-"
LOCK_NAME = ".in-use"
LONGEST_PLACE = 32  # characters: the address of a socket has at most 107, of which a browser's own names take 45
SHORT_PLACE = Path("/tmp")  # noqa: S108  what is in it has a random name and is for its owner alone
FORGOTTEN_SECONDS = 3600.0  # younger folders are left alone: one that is just being made is not locked yet


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A new empty folder for temporary files, for us alone. Raises OSError when it cannot be made.

    Its path is short, so that sockets fit in. The kernel knows by a lock whether its user is alive.
    """
    place = _place()
    remove_forgotten(place)
    folder = Path(mkdtemp(prefix=PREFIX, dir=place))
    try:
        lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(lock)
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # what cannot be removed now is removed as forgotten


def _place() -> Path:
    found = gettempdir()
    if len(found) > LONGEST_PLACE and os.access(SHORT_PLACE, os.W_OK | os.X_OK):
        return SHORT_PLACE
    return Path(found)


def remove_forgotten(place: Path) -> None:
    """Remove the scratch folders in a place that nobody uses any more."""
    with suppress(OSError):
        for entry in list(os.scandir(place)):
            if entry.name.startswith(PREFIX) and entry.is_dir(follow_symlinks=False):
                with suppress(OSError):
                    _remove_unless_used(entry)


def _remove_unless_used(entry: os.DirEntry[str]) -> None:
    stat = entry.stat(follow_symlinks=False)
    if stat.st_uid != os.geteuid() or time.time() - stat.st_mtime < FORGOTTEN_SECONDS:
        return
    try:
        lock = os.open(f"{entry.path}/{LOCK_NAME}", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        os.rmdir(entry.path)  # made, and killed then; what has no lock and is not empty is none of ours
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError while its user lives
        shutil.rmtree(entry.path, ignore_errors=True)
    finally:
        os.close(lock)
