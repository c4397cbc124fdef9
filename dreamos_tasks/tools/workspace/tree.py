"""Trees: a folder with all that is in it counted, packed into a tar, unpacked and removed, never through a link."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from dreamos_tasks.tools.workspace.declined import at_odds, wrong
from dreamos_tasks.tools.workspace.folder import kind_of, open_folder_at
from dreamos_tasks.tools.workspace.pace import Pace

DEEPEST = 200  # folders within folders: each is one open file while it is walked
_READ_BYTES = 1_048_576

Contents = Callable[[int], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing in a tree. `folder` is open as long as the walk stands at it."""

    folder: int
    name: str
    path: str  # from the top of the tree
    status: os.stat_result


@dataclass(slots=True)
class Survey:
    """What is in a tree."""

    entries: int = 0
    size_bytes: int = 0
    specials: tuple[str, ...] = ()


def walk(
    top: int,
    *,
    may_enter: Callable[[Entry], bool] = lambda _: True,
    is_lenient: bool = False,
    path: str = "",
    depth: int = 0,
) -> Iterator[Entry]:
    """All that is below an open folder, in order of names, a folder before what is in it. Links are not followed.

    If `is_lenient`, folders that may not be listed are passed over, and those that lie too deep.
    """
    if depth > DEEPEST:
        if is_lenient:
            return
        raise wrong(f"{path} lies more than {DEEPEST} folders deep")
    for name in sorted(os.listdir(top)):
        try:
            status = os.stat(name, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:  # somebody has removed it meanwhile
            continue
        entry = Entry(folder=top, name=name, path=f"{path}/{name}" if path else name, status=status)
        yield entry
        if stat.S_ISDIR(status.st_mode) and may_enter(entry):
            try:
                below = open_folder_at(top, name)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except PermissionError:
                if is_lenient:
                    continue
                raise
            try:
                yield from walk(below, may_enter=may_enter, is_lenient=is_lenient, path=entry.path, depth=depth + 1)
            finally:
                os.close(below)


def survey(folder: int, name: str, *, pace: Pace) -> Survey:
    """What is in the folder of this name."""
    found = Survey()
    top = open_folder_at(folder, name)
    try:
        for entry in walk(top):
            pace.check()
            mode = entry.status.st_mode
            found.entries += 1
            if stat.S_ISREG(mode):
                found.size_bytes += entry.status.st_size
            elif not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode):
                found.specials += (f"{kind_of(entry.status)} ({entry.path})",)
    finally:
        os.close(top)
    return found


def pack(top: int, *, check_name: Callable[[str], object], contents: Contents) -> Iterator[bytes]:
    """A tar of all that is below an open folder, piece by piece; `contents` reads an open file."""
    for entry in walk(top):
        check_name(entry.name)
        header = _header(entry)
        if not stat.S_ISREG(entry.status.st_mode):
            yield header.tobuf(tarfile.PAX_FORMAT)
            continue
        yield header.tobuf(tarfile.PAX_FORMAT)
        yield from _content(entry, contents)
    yield bytes(2 * tarfile.BLOCKSIZE)


def unpack(tar: BinaryIO, top: int) -> None:
    """Fill an open, empty folder with what `pack` has packed. Raises Declined when it is not such a tar."""
    way: list[tuple[str, int, tarfile.TarInfo | None]] = [("", top, None)]
    try:
        with tarfile.open(fileobj=tar, mode="r:") as packed:
            for member in packed:
                above, _, name = member.name.rpartition("/")
                while way[-1][0] != above and len(way) > 1:
                    _leave(way.pop())
                if way[-1][0] != above or name in ("", ".", ".."):
                    raise at_odds(f"the kept content is damaged: {member.name!r} is out of place")
                _put(packed, member, name, folder=way[-1][1])
                if member.isdir():
                    way.append((member.name, open_folder_at(way[-1][1], name), member))
    except tarfile.TarError as error:
        raise at_odds("the kept content is damaged", cause=str(error)) from None
    finally:
        while len(way) > 1:
            _leave(way.pop())


def remove_tree(folder: int, name: str) -> None:
    """Remove the folder of this name with all that is in it; nothing of that name is right, too."""
    try:
        fd = open_folder_at(folder, name)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        return
    try:
        if os.fstat(fd).st_mode & 0o300 != 0o300:
            os.fchmod(fd, 0o700)
        for inner in os.listdir(fd):
            if stat.S_ISDIR(os.stat(inner, dir_fd=fd, follow_symlinks=False).st_mode):
                remove_tree(fd, inner)
            else:
                os.unlink(inner, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=folder)


def _header(entry: Entry) -> tarfile.TarInfo:
    header = tarfile.TarInfo(entry.path)
    header.mode = stat.S_IMODE(entry.status.st_mode)
    header.mtime = entry.status.st_mtime_ns / 1e9
    if stat.S_ISDIR(entry.status.st_mode):
        header.type = tarfile.DIRTYPE
    elif stat.S_ISLNK(entry.status.st_mode):
        header.type = tarfile.SYMTYPE
        header.linkname = os.readlink(entry.name, dir_fd=entry.folder)
    else:
        header.size = entry.status.st_size
    return header


def _content(entry: Entry, contents: Contents) -> Iterator[bytes]:
    """A file's bytes, filled up to whole blocks. Raises Declined when it is not as long as it was."""
    fd = os.open(entry.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=entry.folder)
    size = 0
    try:
        for piece in contents(fd):
            size += len(piece)
            if size > entry.status.st_size:
                break
            yield piece
    finally:
        os.close(fd)
    if size != entry.status.st_size:
        raise at_odds(f"{entry.path} is being written at this moment")
    yield bytes(-size % tarfile.BLOCKSIZE)


def _put(packed: tarfile.TarFile, member: tarfile.TarInfo, name: str, *, folder: int) -> None:
    if member.isdir():
        os.mkdir(name, 0o700, dir_fd=folder)
    elif member.issym():
        os.symlink(member.linkname, name, dir_fd=folder)
    else:
        source = packed.extractfile(member) or io.BytesIO()
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            while piece := source.read(_READ_BYTES):
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(fd, rest) :]
            _dress(fd, member)
            os.fsync(fd)
        finally:
            os.close(fd)


def _leave(folder: tuple[str, int, tarfile.TarInfo | None]) -> None:
    _, fd, member = folder
    if member is not None:
        try:
            os.fsync(fd)
            _dress(fd, member)
        finally:
            os.close(fd)


def _dress(fd: int, member: tarfile.TarInfo) -> None:
    os.fchmod(fd, member.mode)
    os.utime(fd, (member.mtime, member.mtime))
