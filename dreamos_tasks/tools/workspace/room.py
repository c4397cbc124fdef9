"""Room: whether a disk can take what is to be written, and still has some left."""

from __future__ import annotations

import errno
import os


def check_room(folder: int, needed: int, *, min_free_bytes: int, where: str) -> None:
    """Raises OSError (ENOSPC) when less than `min_free_bytes` would be left on the disk of an open folder."""
    disk = os.fstatvfs(folder)
    free = disk.f_bavail * disk.f_frsize
    if free - needed < min_free_bytes:
        words = f"{needed} bytes are to be written, {free} are free, and {min_free_bytes} have to stay free"
        raise OSError(errno.ENOSPC, words, where)
