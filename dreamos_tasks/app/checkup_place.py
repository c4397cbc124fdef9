"""Checks of a home: who may read and write it, the inbox, and what a daemon left or still holds."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from dreamos_tasks.app.checkup import Finding, Level, Place
from dreamos_tasks.app.daemon_lock import running_daemon
from dreamos_tasks.app.home_making import folders_of
from dreamos_tasks.app.status_socket import ask_status

OTHERS = 0o077
OTHERS_WRITE = 0o022
SHOWN = 5


def permissions(place: Place) -> Iterator[Finding]:
    """Whether anybody else could read or write what is here. What is not ours to change is only named."""
    home = place.home
    if not home.runtime.exists():
        return
    private = [path for path in _private_paths(place) if path.exists() and not path.is_symlink()]
    shared = [path for path in (home.path, home.config) if path.exists()]  # may be a checkout that others read
    foreign = [path for path in (*shared, *private) if path.lstat().st_uid not in (os.geteuid(), 0)]
    for path in foreign[:SHOWN]:
        detail = f"{path} belongs to user {path.lstat().st_uid}, you are {os.geteuid()}"
        yield Finding(
            check="permissions", level=Level.FAIL, detail=detail, fix=f"sudo chown -R {os.geteuid()} {home.path}"
        )
    open_ = [path for path in private if path.stat().st_mode & OTHERS]
    open_ += [path for path in shared if path.stat().st_mode & OTHERS_WRITE]
    for path in open_:
        yield _too_open(path, mask=OTHERS_WRITE if path in shared else OTHERS)
    if not foreign and not open_:
        yield Finding(check="permissions", level=Level.OK, detail="nobody else can read or write here")


def inbox(place: Place) -> Iterator[Finding]:
    """Whether dropped files can be taken by a rename, and whether some were rejected."""
    drop = place.home.inbox(place.settings.inbox)
    if not drop.exists():
        return
    if drop.stat().st_dev != place.home.runtime.stat().st_dev:
        detail = f"{drop} is on another file system than {place.home.runtime}"
        yield Finding(check="inbox", level=Level.WARN, detail=detail, fix="set inbox.path to a folder beside the board")
        return
    rejected = [path for path in (drop / "rejected").glob("*") if not path.name.endswith(".error.json")]
    if rejected:
        detail = f"{len(rejected)} rejected in {drop / 'rejected'}"
        yield Finding(check="inbox", level=Level.WARN, detail=detail, fix="dt inbox shows why; dt inbox retry NAME")
    else:
        yield Finding(check="inbox", level=Level.OK, detail=str(drop))


def write_ahead_log(place: Place) -> Iterator[Finding]:
    """Whether what was committed can be written back into the board, or somebody's old reading stands in the way."""
    from dreamos_tasks.app.log_watch import held_words
    from dreamos_tasks.stores.write_ahead_log import WriteAheadLog

    if place.settings.board.store != "sqlite" or not place.board_path.exists():
        return
    log = WriteAheadLog(place.board_path)
    size = log.size_bytes()
    if size <= place.settings.board.wal_bytes or log.empty():
        detail = f"{size // 1024} KiB wait beside the board, as it should be"
        yield Finding(check="wal", level=Level.OK, detail=detail)
        return
    readers = log.readers()
    detail = held_words(log.path, size, readers)
    fix = f"ps -o pid,etime,args -p {','.join(str(reader.pid) for reader in readers)}" if readers else "lsof, as root"
    yield Finding(check="wal", level=Level.FAIL, detail=detail, fix=fix)


def daemon(place: Place) -> Iterator[Finding]:
    """Whether a daemon runs, answers, or left something behind when it died."""
    home = place.home
    card = running_daemon(home.daemon_file)
    if card is not None and ask_status(home.status_socket) is None:
        detail = f"pid {card.process.pid} runs, but does not answer: it may be stopped, or stuck"
        fix = f"kill -CONT {card.process.pid}; or dt down, then dt up"
        yield Finding(check="daemon", level=Level.FAIL, detail=detail, fix=fix)
        return
    if card is not None:
        yield Finding(check="daemon", level=Level.OK, detail=f"runs as pid {card.process.pid}, and answers")
        return
    socket = place.settings.server.socket
    sockets = (home.status_socket, home.doorbell, *((home.below(socket),) if socket is not None else ()))
    left = [path for path in (home.daemon_file, *sockets) if os.path.lexists(path)]
    for path in left:
        yield Finding(
            check="daemon",
            level=Level.WARN,
            detail=f"{path} was left by a daemon that is gone",
            fix="dt doctor --fix, or dt up",
            repair=lambda path=path: path.unlink(missing_ok=True),  # type: ignore[misc]
        )
    if not left:
        yield Finding(check="daemon", level=Level.OK, detail="none runs; claims work all the same, dt up starts one")


def _private_paths(place: Place) -> Iterator[Path]:
    """What nobody else has any business with."""
    home, board = place.home, place.board_path
    yield from folders_of(home, place.settings.inbox)[1:]
    yield from (board.with_name(board.name + ending) for ending in ("", ".lock", "-wal", "-shm"))
    yield from (home.daemon_file, home.daemon_lock, home.status_socket, home.doorbell, home.settings_cache)
    yield from (home.operator_token, home.tokens)
    yield from home.logs.glob("*")


def _too_open(path: Path, *, mask: int) -> Finding:
    mode = stat.S_IMODE(path.stat().st_mode)
    right = mode & ~mask
    can = "written" if mode & OTHERS_WRITE else "read"
    return Finding(
        check="permissions",
        level=Level.FAIL if mode & OTHERS_WRITE else Level.WARN,
        detail=f"{path} can be {can} by others (mode {mode:04o})",
        fix=f"chmod {right:04o} {path}",
        repair=lambda: path.chmod(right),
    )
