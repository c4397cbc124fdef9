"""Saving: a file in a task's workspace that is written bit by bit and appears complete, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from dreamos_tasks.tools.workspace.folder import Workspace, sync_names
from dreamos_tasks.whole_file import replace_with

_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def relative_file(path: str) -> str:
    """A path that can be one of a file below the workspace, as far as its words tell. Raises ValueError."""
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or not parts.name or "\0" in path or path.endswith("/"):
        raise ValueError("must be a file within the task's workspace, as reports/today.json")
    return str(parts)


@contextmanager
def saved(root: Path, path: str, *, closed: Iterable[Path] = ()) -> Iterator[Callable[[bytes], object]]:
    """Gives what takes the pieces of the file. It appears when the block ends without an error; one there is replaced.

    Folders on the way are made, links on it followed as `Workspace` does; one in the file's place is replaced.
    Raises OSError, and Declined for a path that leads out of the workspace or to what is `closed` in it.
    """
    with Workspace(root, closed=closed) as workspace:
        place = workspace.make_folders(workspace.place(path, follow=False, may_be_missing=True))
        part = f".{place.name[:100]}.{secrets.token_hex(6)}.part"
        try:
            with os.fdopen(os.open(part, _NEW_FILE, 0o666, dir_fd=place.folder), "wb") as stream:
                yield stream.write
                stream.flush()
                os.fsync(stream.fileno())
            replace_with(part, place.name, folder=place.folder)
            sync_names(place.folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(part, dir_fd=place.folder)
            raise
