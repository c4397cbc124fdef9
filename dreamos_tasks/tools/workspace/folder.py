"""Workspace: a folder held open, in which every path is followed component by component, so that none leads out of it.

No path is given to the kernel whole: each component is opened below the one before, and never through a symbolic link. A
link is read and its target followed in the same way, so that links within the workspace work, and nothing that another
process puts in the way meanwhile leads elsewhere. What `openat2` does with RESOLVE_BENEATH; but absolute links into the
workspace work, too.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import TracebackType

from dreamos_tasks.tools.workspace.declined import Declined, wrong
from dreamos_tasks.whole_file import sync_folder

MOST_LINKS = 40  # followed on the way of one path, as in the kernel
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

Identity = tuple[int, int]  # device and inode


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a path ends: a name in an open folder. `path` is how it is called, seen from the workspace.

    `missing` are folders on the way that are not there yet; `folder` is then the last one that is.
    """

    folder: int
    name: str
    path: str
    missing: tuple[str, ...] = ()


class Workspace:
    """A workspace, open while it is entered. `closed` are folders and files that nobody may touch: the board's own."""

    def __init__(self, root: Path, *, closed: Iterable[Path] = ()) -> None:
        self.root = root
        self._bases = {PurePosixPath(os.path.abspath(root)), PurePosixPath(os.path.realpath(root))}
        closed = tuple(closed)
        self._closed = {identity for path in closed if (identity := _identity_of(path)) is not None}
        self._closed_names = {
            (_identity_of(path.parent), path.name) for path in closed
        }  # a file may be missing, or replaced
        self._above_closed = {
            identity
            for path in closed
            for folder in Path(os.path.realpath(path)).parents
            if (identity := _identity_of(folder)) is not None
        }
        self._open = ExitStack()
        self._fd = -1

    def __enter__(self) -> Workspace:
        try:
            self._fd = os.open(self.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise type(error)(
                error.errno, f"the workspace cannot be entered: {error.strerror}", str(self.root)
            ) from None
        self._open.callback(os.close, self._fd)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def place(self, path: str, *, follow: bool = True, may_be_missing: bool = False) -> Place:
        """Where a path ends. A link at its end is followed if `follow`. Raises Declined when it leads out, and OSError.

        `may_be_missing`: folders on the way need not be there. The last component never needs to be.
        """
        waiting = self._components(path)
        way: list[tuple[int, str]] = [(self._fd, "")]
        links = 0
        while waiting:
            name = waiting.pop(0)
            if name == "..":
                if len(way) == 1:
                    raise self._leads_out(path)
                way.pop()
                continue
            folder = way[-1][0]
            status = status_at(folder, name)
            if status is not None and stat.S_ISLNK(status.st_mode) and (waiting or follow):
                links += 1
                if links > MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                target = os.readlink(name, dir_fd=folder)
                waiting[:0] = self._components(target, of=path)
                if target.startswith("/"):
                    del way[1:]
                continue
            self._check_is_open(folder, name, status, path)
            if not waiting:
                return Place(folder=folder, name=name, path=_joined(way, name))
            if status is None:
                return self._missing(way, [name, *waiting], path, may_be_missing=may_be_missing)
            way.append((self._entered(folder, name), name))
        return self._end_of(way)

    def status(self, place: Place) -> os.stat_result | None:
        """What is there, a link itself; None when nothing is."""
        return None if place.missing else status_at(place.folder, place.name)

    def open_file(self, place: Place) -> int:
        """A plain file, to be read; the caller closes it. Raises OSError, Declined for anything else."""
        check_kind(self.status(place), place)
        fd = os.open(place.name, _FILE, dir_fd=place.folder)
        try:
            check_kind(os.fstat(fd), place)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def open_folder(self, place: Place) -> int:
        """A folder, to be listed; the caller closes it."""
        return open_folder_at(place.folder, place.name)

    def make_folders(self, place: Place) -> Place:
        """The place with the folders on its way made."""
        folder = place.folder
        for name in place.missing:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
                sync_names(folder)
            folder = self._entered(folder, name)
        return replace(place, folder=folder, missing=())

    def may_touch(self, status: os.stat_result) -> bool:
        """Whether a folder or file is none of those that are closed."""
        return _identity(status) not in self._closed

    def check_may_go(self, status: os.stat_result, place: Place) -> None:
        """Raises Declined when a folder must stay where it is: the workspace itself, and what holds a closed one."""
        if place.path == ".":
            raise wrong("the workspace itself can neither be deleted nor moved")
        if stat.S_ISDIR(status.st_mode) and _identity(status) in self._above_closed:
            raise wrong(f"{place.path} holds the board's own files, and has to stay")

    def _components(self, path: str, *, of: str | None = None) -> list[str]:
        if path.startswith("/"):
            parts = PurePosixPath(path).parts
            for base in self._bases:
                if parts[: len(base.parts)] == base.parts:
                    return [part for part in parts[len(base.parts) :] if part != "."]
            raise self._leads_out(of or path)
        return [part for part in path.split("/") if part not in ("", ".")]

    def _entered(self, folder: int, name: str) -> int:
        fd = os.open(name, _FOLDER, dir_fd=folder)
        self._open.callback(os.close, fd)
        return fd

    def _end_of(self, way: list[tuple[int, str]]) -> Place:
        if len(way) == 1:
            return Place(folder=self._fd, name=".", path=".")
        return Place(folder=way[-2][0], name=way[-1][1], path=_joined(way[:-1], way[-1][1]))

    def _missing(self, way: list[tuple[int, str]], names: list[str], path: str, *, may_be_missing: bool) -> Place:
        if not may_be_missing or ".." in names:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        whole = "/".join([_joined(way, names[0]), *names[1:]])
        return Place(folder=way[-1][0], name=names[-1], path=whole, missing=tuple(names[:-1]))

    def _check_is_open(self, folder: int, name: str, status: os.stat_result | None, path: str) -> None:
        is_open = status is None or self.may_touch(status)
        if not is_open or (_identity(os.fstat(folder)), name) in self._closed_names:
            raise wrong(f"{path} is the board's own", fix="its files are changed by dt alone")

    def _leads_out(self, path: str) -> Declined:
        fix = "name a path within it; a step of the tool shell may go anywhere"
        return wrong(f"{path} leads out of the workspace", cause=f"the workspace is {self.root}", fix=fix)


def status_at(folder: int, name: str) -> os.stat_result | None:
    """What has this name in an open folder, a link itself; None when nothing has."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def open_folder_at(folder: int, name: str) -> int:
    """A folder in an open one, to be listed; never through a link."""
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def sync_names(folder: int) -> None:
    """Bring the names in an open folder to the disk, if it may be listed at all."""
    with suppress(PermissionError):
        sync_folder(folder=folder)


def check_kind(status: os.stat_result | None, place: Place) -> None:
    """Raises when there is no plain file."""
    if status is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), place.path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), place.path)
    if not stat.S_ISREG(status.st_mode):
        raise wrong(f"{place.path} is {kind_of(status)}", fix="only files, folders and links can be worked with")


def kind_of(status: os.stat_result) -> str:
    """What it is, in words."""
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(status.st_mode), "a device")


def _joined(way: list[tuple[int, str]], name: str) -> str:
    return "/".join([*(passed for _, passed in way[1:]), name])


def _identity_of(path: Path) -> Identity | None:
    try:
        return _identity(os.stat(path))
    except OSError:
        return None


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
