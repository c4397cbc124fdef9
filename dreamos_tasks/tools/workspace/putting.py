"""Putting: a file comes to its place whole, or not at all, whoever kills us meanwhile; and what is in a place, as a digest."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from dreamos_tasks.model.tool import ToolContext
from dreamos_tasks.tools.workspace.declined import at_odds
from dreamos_tasks.tools.workspace.folder import Place, Workspace, status_at, sync_names
from dreamos_tasks.tools.workspace.pace import Pace
from dreamos_tasks.tools.workspace.renaming import rename_to_free_name
from dreamos_tasks.tools.workspace.tree import remove_tree
from dreamos_tasks.whole_file import replace_with, write_beside

READ_BYTES = 1_048_576
PERMISSIONS = 0o777  # of a file's mode: what is written anew is never setuid
NEW_MODE = 0o666  # of a file that was not there before, less the umask
PART = re.compile(r"\.dt-[^/]+\.part")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Who writes: its files beside others bear its name, so that the next attempt finds and removes what a killed one left."""

    task_id: str
    token: int
    step: str

    @classmethod
    def of(cls, context: ToolContext) -> Writer:
        """The writer that a call is."""
        return cls(task_id=context.task_id, token=context.token, step=context.step)

    def beside(self, place: Place, *, token: int | None = None) -> str:
        """The name beside a place. That of an attempt under another token differs: the two never write one file."""
        digest = hashlib.sha256(f"{self.step}\0{place.name}".encode("utf-8", "surrogatepass")).hexdigest()[:12]
        return f".dt-{self.task_id}-{self.token if token is None else token}-{digest}.part"


def put(
    place: Place,
    pieces: Iterable[bytes],
    *,
    writer: Writer,
    like: os.stat_result | None = None,
    mode: int | None = None,
    mtime_ns: int | None = None,
    replace: bool = True,
) -> os.stat_result:
    """Write a file to its place. It is given the mode and group of `like`, the file it replaces, or `mode`.

    Raises OSError; FileExistsError unless `replace`, when something is there.
    """
    beside = writer.beside(place)
    exact = like.st_mode & PERMISSIONS if like is not None else mode
    written = write_beside(
        beside, pieces, folder=place.folder, mode=0o600 if exact is not None else NEW_MODE, exact_mode=exact
    )
    if like is not None and like.st_gid != written.st_gid:
        with suppress(PermissionError):
            os.chown(beside, -1, like.st_gid, dir_fd=place.folder, follow_symlinks=False)
    if mtime_ns is not None:
        os.utime(beside, ns=(mtime_ns, mtime_ns), dir_fd=place.folder, follow_symlinks=False)
    if replace:
        replace_with(beside, place.name, folder=place.folder)
    else:
        try:
            rename_to_free_name(beside, place.name, old_folder=place.folder, new_folder=place.folder)
        except OSError:
            os.unlink(beside, dir_fd=place.folder)
            raise
    sync_names(place.folder)
    return written


def clear(place: Place, writer: Writer, *, tokens: Iterable[int]) -> None:
    """Remove what earlier attempts, killed midway, left beside a place."""
    for token in tokens:
        beside = writer.beside(place, token=token)
        if status_at(place.folder, beside) is not None:
            remove_tree(place.folder, beside)


def digest_of(workspace: Workspace, place: Place, *, pace: Pace) -> str | None:
    """SHA-256 of the file at a place; None when nothing is there. Raises OSError, Declined when it is no file."""
    if workspace.status(place) is None:
        return None
    digest = hashlib.sha256()
    fd = workspace.open_file(place)
    try:
        while piece := os.read(fd, READ_BYTES):
            pace.check()
            digest.update(piece)
    finally:
        os.close(fd)
    return digest.hexdigest()


def content_of(workspace: Workspace, place: Place, *, most_bytes: int) -> bytes:
    """The file at a place. Raises OSError, Declined when it is larger than that."""
    fd = workspace.open_file(place)
    try:
        with open(fd, "rb", closefd=False) as file:
            content = file.read(most_bytes + 1)
    finally:
        os.close(fd)
    if len(content) > most_bytes:
        raise at_odds(f"{place.path} has more than {most_bytes} bytes", fix="change it with a program of your own")
    return content


def is_same(status: os.stat_result | None, other: os.stat_result | None) -> bool:
    """Whether two looks at a place saw the same, unchanged."""
    return _seen(status) == _seen(other)


def _seen(status: os.stat_result | None) -> tuple[int, ...] | None:
    if status is None:
        return None
    if stat.S_ISDIR(status.st_mode):
        return (status.st_dev, status.st_ino)
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
