"""Care of a board as a file: copies, restoring one, changing its kind, and whether its events tell its tasks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from dreamos_tasks.app.boards import open_store
from dreamos_tasks.app.daemon_lock import DaemonLock
from dreamos_tasks.board.clock import read_machine
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.errors import AlreadyRunning, BoardCorrupt, BoardGone, Refused
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.protocols import TaskStore
from dreamos_tasks.stores.board_file import sync
from dreamos_tasks.stores.convert import all_events, copy_board
from dreamos_tasks.stores.file_lock import FileLock
from dreamos_tasks.stores.replay import replay_problems

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # every task is asked for, so no instant is meant
COMPANIONS = ("-wal", "-shm", "-journal")  # what SQLite keeps beside a board: they belong to it, and to no other


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFacts:
    """A board in numbers."""

    path: Path
    kind: str
    bytes: int
    tasks: int
    last_seq: int


def facts_of(store: TaskStore, path: Path) -> BoardFacts:
    """The numbers of an open board."""
    tasks = sum(store.count("status", now=EPOCH).values())
    return BoardFacts(path=path, kind=kind_of(path), bytes=path.stat().st_size, tasks=tasks, last_seq=store.last_seq())


def back_up_board(store: TaskStore, target: Path) -> BoardFacts:
    """Copy an open board to a new file; gives the numbers of the copy, which others may have outrun since."""
    store.backup(target)
    with closing(_open(target, kind=kind_of(target))) as copy:
        facts = facts_of(copy, target)
    for ending in (*COMPANIONS, ".lock"):
        target.with_name(target.name + ending).unlink(missing_ok=True)
    return facts


def kind_of(path: Path) -> str:
    """`json` or `sqlite`: a SQLite file says so itself, whatever its name."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        head = b""
    if head:
        return "sqlite" if head.startswith(b"SQLite format 3") else "json"
    return "json" if path.suffix == ".json" else "sqlite"


def replay_problems_of(store: TaskStore, path: Path) -> Sequence[str]:
    """What the board's events tell otherwise than its tasks. Looked for in a copy, so that nobody waits meanwhile."""
    copy = path.with_name(f".{path.name}.{os.getpid()}.check{path.suffix}")
    store.backup(copy)
    try:
        with closing(_open(copy, kind=kind_of(copy))) as still:
            return replay_problems(still.find(TaskQuery(), now=EPOCH), all_events(still))
    finally:
        remove_board(copy)


def soundness_problems(store: TaskStore, path: Path) -> Sequence[str]:
    """Everything that can be found wrong with a board: its file first, then its events."""
    return store.integrity_problems() or replay_problems_of(store, path)


def convert_board(home: Home, settings: Settings, *, kind: str, target: Path) -> BoardFacts:
    """Copy the home's board into a new board of another kind; the old one stays. Raises Refused, BoardUnavailable kinds."""
    source_path = home.board(settings.board)
    _refuse_existing(target)
    with _no_daemon(home), closing(open_store(source_path, kind=kind_of(source_path))) as source:
        try:
            with closing(open_store(target, kind=kind)) as made:
                copy_board(source, made, measure=read_machine())
                return facts_of(made, target)
        except BaseException:
            remove_board(target)  # half a board would be taken for a whole one
            raise


def restore_board(home: Home, settings: Settings, copy: Path) -> tuple[BoardFacts, Path | None]:
    """Put a copy in the board's place; gives what it holds, and where the old board was kept (None: there was none).

    The copy is checked first, and itself stays. Raises Refused while a daemon runs, BoardCorrupt for a copy that is not sound.
    """
    path = home.board(settings.board)
    if not copy.is_file():
        raise BoardGone(f"there is no copy at {copy}", fix="name a file that dt backup made")
    kind = settings.board.store
    with _no_daemon(home):
        checked = path.with_name(f".{path.name}.{os.getpid()}.checked{copy.suffix}")
        ready = path.with_name(f".{path.name}.{os.getpid()}.restore{path.suffix}")
        try:
            _copy_files(copy, checked)
            facts = _checked(checked, ready, named=copy, kind=kind)
            lock = FileLock(str(home.board_lock(settings.board)), timeout_seconds=settings.claims.lock_timeout_seconds)
            with closing(lock), lock:  # no verb is at work while the files change places
                aside = _set_aside(path)
                os.rename(ready, path)
                sync(path.parent)
        finally:
            remove_board(checked)
            remove_board(ready)
    return replace(facts, path=path), aside


def remove_board(path: Path) -> None:
    """Remove a board that was made in passing, and what lies beside it."""
    for name in (path.name, *(path.name + ending for ending in (*COMPANIONS, ".lock"))):
        path.with_name(name).unlink(missing_ok=True)


def _copy_files(source: Path, target: Path) -> None:
    """A private copy to look at, with what SQLite had not yet written into the file.

    Opening a board writes beside it, and the user's copy is to stay as it is.
    """
    for ending in ("", "-wal"):
        part = source.with_name(source.name + ending)
        if not part.exists():
            continue
        private = os.open(
            target.with_name(target.name + ending), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        with part.open("rb") as file, open(private, "wb") as copy:
            shutil.copyfileobj(file, copy)


def _checked(checked: Path, ready: Path, *, named: Path, kind: str) -> BoardFacts:
    """A sound board of this kind in `ready`, with all that `checked` holds. Raises BoardCorrupt."""
    with closing(_open(checked, kind=kind_of(checked))) as store:
        problems = soundness_problems(store, checked)
        if problems:
            raise BoardCorrupt(
                f"{named} is not a sound board",
                cause="; ".join(problems[:3]),
                fix="name another copy; nothing was changed",
            )
        if kind_of(checked) == kind:
            store.backup(ready)
            return facts_of(store, ready)
        with closing(open_store(ready, kind=kind)) as made:
            copy_board(store, made, measure=read_machine())
            return facts_of(made, ready)


def _set_aside(path: Path) -> Path | None:
    """Move the board out of the way, with what SQLite has not yet written into it."""
    if not path.exists():
        return None
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = path.with_name(f"{path.stem}.before-restore-{stamp}{path.suffix}")
    _refuse_existing(aside)
    for ending in ("", *COMPANIONS):
        part = path.with_name(path.name + ending)
        if part.exists():
            os.rename(part, aside.with_name(aside.name + ending))
    return aside


def _open(path: Path, *, kind: str) -> TaskStore:
    """A board that must be there already."""
    if not path.exists():
        raise BoardGone(f"there is no board at {path}")
    return open_store(path, kind=kind)


def _refuse_existing(target: Path) -> None:
    if os.path.lexists(target):
        raise Refused(f"{target} is there already", fix="name a new file, or move that one away first")


class _no_daemon:  # noqa: N801  reads as a function where it is used
    """Keeps daemons away from a home meanwhile. Raises Refused when one runs."""

    def __init__(self, home: Home) -> None:
        self._lock = DaemonLock(home.daemon_lock, home.daemon_file)

    def __enter__(self) -> None:
        try:
            self._lock.acquire()
        except AlreadyRunning as error:
            raise Refused(
                "not while a daemon serves this board",
                cause=error.message,
                fix="dt down, then the same command once more",
            ) from None

    def __exit__(self, *_: object) -> None:
        self._lock.release()
