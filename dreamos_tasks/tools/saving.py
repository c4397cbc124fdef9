"""Saving: a file in a task's workspace that is written bit by bit and appears complete, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def inside(path: str) -> PurePosixPath:
    """A path below the workspace. Raises ValueError for one that would lead out of it."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not parts.name or "\0" in path or path.endswith("/"):
        raise ValueError("must be a file within the task's workspace, as reports/today.json")
    return parts


@contextmanager
def saved(workspace: Path, path: PurePosixPath) -> Iterator[Callable[[bytes], object]]:
    """Gives what takes the pieces of the file. It appears when the block ends without an error; one there is replaced.

    Folders on the way are made; one that is a symbolic link is not followed: OSError.
    """
    folder = _opened(workspace, path)
    part = f".{path.name[:100]}.{secrets.token_hex(6)}.part"
    try:
        file = os.open(part, _NEW_FILE, 0o666, dir_fd=folder)
        try:
            with os.fdopen(file, "wb") as stream:
                yield stream.write
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part, dir_fd=folder)
            raise
    finally:
        os.close(folder)


def _opened(workspace: Path, path: PurePosixPath) -> int:
    """The folder that holds the file, reached from the workspace step by step, so that nothing can be put in the way."""
    folder = os.open(workspace, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for name in path.parts[:-1]:
        try:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            below = os.open(name, _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder
