"""The file that a board is kept in: safe to use, written whole or not at all."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

from dreamos_tasks.config.mounts import NETWORK_FILE_SYSTEMS, mount_kind
from dreamos_tasks.errors import BoardUnavailable, BoardUnsafe
from dreamos_tasks.whole_file import replace_with, this_writer, write_beside

FILE_MODE = 0o600
CREATION_TRIES = 3
UNFINISHED = ("part", "new", "new-journal")  # how the names end of what a writer makes beside the file


def check_file(path: Path) -> None:
    """Refuse a board that is no plain file, another user's, or writable by others. FileNotFoundError when missing."""
    check_found(path, os.stat(path))


def check_found(path: Path, found: os.stat_result) -> None:
    """The same for a file whose `stat` is known already."""
    if not stat.S_ISREG(found.st_mode):
        raise BoardUnsafe(f"{path} is not a regular file", fix="name a file as the board")
    if found.st_uid != os.geteuid():
        raise BoardUnsafe(
            f"{path} belongs to user {found.st_uid}, you are {os.geteuid()}",
            cause="a board is one user's: whoever can write it can run commands as the daemon",
            fix="run as its owner, or make your own board with dt init",
        )
    if found.st_mode & 0o022:
        raise BoardUnsafe(
            f"{path} can be written by others (mode {stat.S_IMODE(found.st_mode):04o})",
            cause="whoever can write it can run commands as the daemon",
            fix=f"chmod 600 {path}",
        )


def refuse_network_mount(folder: Path) -> None:
    """File locks cannot be trusted on network mounts."""
    kind = mount_kind(folder)
    if kind in NETWORK_FILE_SYSTEMS:
        raise BoardUnsafe(
            f"{folder} lies on a network mount ({kind})",
            cause="file locks and shared memory do not work reliably there; two machines would corrupt the board",
            fix="keep the board on a local disk: --home DIR or DREAMOS_TASKS_HOME",
        )


def replace_file(path: Path, content: bytes) -> os.stat_result:
    """Put `content` in the place of what is there, so that every reader sees the old or the new, also after a crash.

    Gives the `stat` of the new file. Raises OSError; then the old content is still there, or, if only syncing the folder
    failed, the new may not last.
    """
    beside, written = _write_beside(path, content)
    replace_with(beside, path)
    sync(path.parent)
    return written


def read_file(path: Path) -> tuple[bytes, os.stat_result]:
    """A board's content at one instant, and the `stat` of just that file. Raises OSError, BoardUnsafe."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO must not keep us waiting
    try:
        found = os.fstat(fd)
        check_found(path, found)
        with open(fd, "rb", closefd=False) as file:
            return file.read(), found
    finally:
        os.close(fd)


def create_file_with(path: Path, content: bytes) -> None:
    """Make a file that is complete from its first moment. Raises OSError, FileExistsError when something is there."""
    remove_unfinished(path)
    for tries_left in reversed(range(CREATION_TRIES)):
        beside, _ = _write_beside(path, content)
        try:
            os.link(beside, path)
            break
        except FileNotFoundError:  # somebody in another container took us for dead
            if not tries_left:
                raise
        finally:
            beside.unlink(missing_ok=True)
    sync(path.parent)


def beside_of(path: Path, kind: str) -> Path:
    """What this thread names what it makes beside a file: `.nexus.db.4711-140230.part`. `kind` is one of UNFINISHED."""
    return path.with_name(f".{path.name}.{this_writer()}.{kind}")


def remove_unfinished(path: Path) -> None:
    """Remove what writers of this file left beside it when they were killed.

    Only those of processes that are no more. One in another container cannot be seen: whoever holds the board's lock knows
    that it does not write, and whoever makes a file makes it again.
    """
    prefix = f".{path.name}."
    with suppress(OSError):  # a folder that cannot be cleaned can still be read
        for name in os.listdir(path.parent):
            writer, _, kind = name[len(prefix) :].partition(".")
            pid = writer.partition("-")[0]
            if name.startswith(prefix) and kind in UNFINISHED and pid.isdecimal() and not _is_alive(int(pid)):
                path.with_name(name).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """fsync a file or folder."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def lock_unopened(lock: str | Path, error: OSError) -> BoardUnavailable:
    """The board error that it means when the file cannot be opened that a board is locked by."""
    fix = f"ls -ld {Path(lock).parent}"
    return BoardUnavailable(f"the board's lock cannot be opened: {lock}", cause=str(error), fix=fix)


def write_failed(path: Path, error: OSError) -> BoardUnavailable:
    """The board error that a failed system call means."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return BoardUnavailable(
                f"the disk of {path} is full",
                cause=str(error),
                fix="free some space and try again; nothing was changed",
            )
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return BoardUnavailable(
                f"{path} cannot be written",
                cause=str(error),
                fix=f"ls -ld {path.parent} {path}; df {path.parent}",
            )
        case _:
            return BoardUnavailable(
                f"the disk failed while the board was written: {path}",
                cause=str(error),
                fix="look at the system's log (dmesg); the write did not happen as far as anyone may rely on",
            )


def _write_beside(path: Path, content: bytes) -> tuple[Path, os.stat_result]:
    """The content in a synced file of this thread beside `path`."""
    beside = beside_of(path, "part")
    return beside, write_beside(beside, (content,), mode=FILE_MODE)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass  # another user's
    return True
