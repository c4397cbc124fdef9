"""Whole files: what others read is written beside, synced, renamed, and its folder synced: they see the old or the new.

`folder` is the descriptor of an open folder that names are relative to; None: the current folder.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from contextlib import suppress


def this_writer() -> str:
    """Tells this thread from all others, of any process: it stands in the names of what is written beside."""
    return f"{os.getpid()}-{threading.get_ident()}"


def write_beside(
    name: str | os.PathLike[str],
    pieces: Iterable[bytes],
    *,
    folder: int | None = None,
    mode: int = 0o600,
    exact_mode: int | None = None,
) -> os.stat_result:
    """The content in a new file, on the disk; what a killed writer left under this name is removed first.

    `mode` is subject to the umask, `exact_mode` is not. Gives the `stat` of the file. After an OSError there is no file.
    """
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(name, flags, mode, dir_fd=folder)
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(fd, rest) :]
        if exact_mode is not None:
            os.fchmod(fd, exact_mode)
        os.fsync(fd)
        return os.fstat(fd)
    except BaseException:
        with suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise
    finally:
        os.close(fd)


def replace_with(beside: str | os.PathLike[str], name: str | os.PathLike[str], *, folder: int | None = None) -> None:
    """Put the file that was written beside in the place of what is there. After an OSError neither is left half done."""
    try:
        os.rename(beside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(beside, dir_fd=folder)
        raise


def sync_folder(path: str | os.PathLike[str] = ".", *, folder: int | None = None) -> None:
    """Bring the names in a folder to the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
