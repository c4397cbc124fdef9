"""Opens the SQLite file of a board: safe to use, of a schema this release knows, with the settings a board needs."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

import apsw

from dreamos_tasks.errors import (
    BoardCorrupt,
    BoardGone,
    BoardTooNew,
    BoardUnavailable,
    BoardUnsafe,
    DreamosError,
    InvalidInput,
)
from dreamos_tasks.stores.board_file import (
    CREATION_TRIES,
    beside_of,
    check_file,
    refuse_network_mount,
    remove_unfinished,
    sync,
    write_failed,
)

MIGRATIONS = Path(__file__).with_name("migrations")
SCHEMA_VERSION = 4  # the number of the newest file in migrations/
APPLICATION_ID = 0x6474736B  # "dtsk": tells a board from any other SQLite file
FIRST_SAFE_SQLITE = 3_051_003  # earlier ones can lose commits when two connections checkpoint one WAL at once
BUSY_TIMEOUT_MS = 30_000  # writers take turns at the file lock; this is for readers during recovery after a crash
WAL_TRY_SECONDS = 0.005
CACHE_KIB = 2_048  # the system keeps pages too: claiming among 100,000 tasks takes as long as with eight times as much
PAGE_BYTES = (
    2048  # of a new board: each commit writes whole pages, and at 4096 it took a fifth longer (1024 gained no more)
)
JOURNAL_SIZE_LIMIT_BYTES = 64 * 1024 * 1024

torn: list[Path] = []  # in a child: the boards that were in use when it was forked; see stores.forking


def connect(path: Path, *, full_durability: bool) -> apsw.Connection:
    """A connection to an existing board of any known schema; `prepare` brings it up to date.

    Raises BoardGone, BoardCorrupt, BoardUnsafe or BoardUnavailable.
    """
    _check_library()
    if torn:
        raise BoardUnsafe(
            f"this process was forked while a transaction was under way at {torn[0]}",
            cause="what SQLite knows of its locks is the parent's; what this process wrote could be lost",
            fix="fork before the transaction or after it (together), or start processes with the method spawn",
        )
    try:
        check_file(path)
        found = path.stat()
        if found.st_nlink > 1:  # whoever made it was killed in the last step, perhaps
            remove_unfinished(path)
        if found.st_size == 0:
            raise BoardCorrupt(
                f"{path} is empty",
                cause="a board without tasks is not an empty file",
                fix=f"dt board restore FILE puts a copy made by dt backup in its place; or begin anew: rm {path} && dt init",
            )
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, statementcachesize=128)
    except FileNotFoundError as error:
        raise BoardGone(f"there is no board at {path}", fix="dt init makes one") from error
    except PermissionError as error:
        raise BoardUnavailable(f"{path} cannot be opened", cause=str(error), fix=f"ls -l {path}") from error
    except apsw.Error as error:
        raise unavailable(path, error) from error
    try:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        # Without this guarantee a statement that could use a partial index is compiled anew whenever its bindings change,
        # which made the search for the next task 20 times slower.
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        for pragma in (
            f"page_size = {PAGE_BYTES}",
            f"synchronous = {'FULL' if full_durability else 'NORMAL'}",
            f"cache_size = -{CACHE_KIB}",
            "temp_store = MEMORY",
            f"journal_size_limit = {JOURNAL_SIZE_LIMIT_BYTES}",
        ):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        _write_ahead(connection)
    except apsw.Error as error:
        connection.close()
        raise unavailable(path, error) from error
    return connection


def tear(path: Path, connection: apsw.Connection) -> None:
    """In a child: this connection is the parent's, and in use. It must not even be closed here, by whatever way."""
    import ctypes  # hardly any child needs it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    torn.append(path)


def create_file(path: Path) -> None:
    """Make a new board, complete from its first moment and readable by its owner alone. The folder must be there.

    Harmless when somebody else is faster. An empty file at the path is never taken for a board: it may have been one.
    """
    _check_library()
    refuse_network_mount(path.parent)
    remove_unfinished(path)
    try:
        for tries_left in reversed(range(CREATION_TRIES)):
            try:
                _create_once(path)
                break
            except FileNotFoundError:  # somebody in another container took us for dead
                if not tries_left:
                    raise
    except OSError as error:
        raise write_failed(path, error) from error
    except apsw.Error as error:
        raise unavailable(path, error) from error
    sync(path.parent)


def prepare(connection: apsw.Connection, path: Path) -> None:
    """Bring the schema up to date, one transaction a migration, after a backup. Call it under the board's lock."""
    found = schema_version(connection)
    if found > SCHEMA_VERSION:
        raise BoardTooNew(str(path), found=found, known=SCHEMA_VERSION)
    if found == 0 and connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() != (0,):
        raise BoardCorrupt(
            f"{path} is a SQLite file, but not a board",
            cause="it has tables of something else",
            fix="name another path for the board; this file was left as it is",
        )
    if 0 < found < SCHEMA_VERSION:
        back_up_before_migration(connection, path, found)
    for version in range(found + 1, SCHEMA_VERSION + 1):
        (script,) = MIGRATIONS.glob(f"{version:04d}_*.sql")
        with connection:
            connection.execute(script.read_text(encoding="utf-8")).fetchall()
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}").fetchall()
            connection.execute(f"PRAGMA user_version = {version}").fetchall()


def schema_version(connection: apsw.Connection) -> int:
    """0 for an empty file."""
    (version,) = connection.execute("PRAGMA user_version").fetchone() or (0,)
    return int(version)


def back_up_before_migration(connection: apsw.Connection, path: Path, version: int) -> Path:
    """`nexus.db.schema-N.backup` beside the board; an older one of the same schema is replaced."""
    target = path.with_name(f"{path.name}.schema-{version}.backup")
    target.unlink(missing_ok=True)
    copy_to(connection, target)
    return target


def copy_to(connection: apsw.Connection, target: Path) -> None:
    """A complete copy at one instant, made beside `target`, synced, and renamed."""
    remove_unfinished(target)
    beside = beside_of(target, "part")
    os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        copy = apsw.Connection(str(beside))
        with copy.backup("main", connection, "main") as backup:
            backup.step()
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()  # one file, without a -wal beside it
        copy.close()
        sync(beside)
        os.rename(beside, target)
    finally:
        beside.unlink(missing_ok=True)
    sync(target.parent)


def unavailable(path: Path, error: apsw.Error) -> BoardUnavailable:
    """The board error that an SQLite error means."""
    match error:
        case apsw.FullError():
            return BoardUnavailable(
                f"the disk of {path} is full",
                cause=str(error),
                fix="free some space and try again; nothing was changed",
            )
        case apsw.NotADBError() | apsw.CorruptError():
            return BoardCorrupt(
                f"{path} is not a sound board",
                cause=str(error),
                fix=f"keep the file; restore a copy made by dt backup, or look with: dt doctor --home {path.parent.parent}",
            )
        case apsw.ReadOnlyError() | apsw.CantOpenError() | apsw.PermissionsError():
            return BoardUnavailable(
                f"{path} cannot be written",
                cause=str(error),
                fix=f"ls -ld {path.parent} {path}; df {path.parent}",
            )
        case apsw.IOError():
            return BoardUnavailable(
                f"the disk failed while the board was written: {path}",
                cause=str(error),
                fix="look at the system's log (dmesg); the write did not happen as far as anyone may rely on",
            )
        case _:
            return BoardUnavailable(
                f"{path} cannot be used just now", cause=str(error), fix="try again; dt doctor tells more"
            )


def unreadable(path: Path, error: Exception) -> BoardCorrupt:
    """The board error that a row means which no board of ours has written."""
    return BoardCorrupt(
        f"the board at {path} is damaged: a row of it cannot be read",
        cause=f"{type(error).__name__}: {error}"[:200],
        fix="dt doctor looks at all of it; dt board restore FILE puts a copy made by dt backup in its place",
    )


def not_unicode(path: Path, error: UnicodeError) -> DreamosError:
    """What it means that a text cannot be stored, or, when it is the board's, cannot be read."""
    if not isinstance(error, UnicodeEncodeError):
        return unreadable(path, error)
    return InvalidInput(
        "a text is not Unicode",
        cause=f"it holds half a character: {error.object[error.start : error.end]!a} at position {error.start}",
        fix="remove it; a byte that is not UTF-8 on the command line becomes such a half",
    )


def _create_once(path: Path) -> None:
    beside = beside_of(path, "new")
    try:
        os.close(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        connection = apsw.Connection(str(beside))
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}").fetchall()
        prepare(connection, beside)
        connection.close()
        with suppress(FileExistsError):
            os.link(beside, path)
    finally:
        with suppress(OSError):
            beside.unlink()


def _write_ahead(connection: apsw.Connection) -> None:
    """Bring a board into WAL mode. Of several who do so at once SQLite turns some away without waiting."""
    ends_at = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            return
        except apsw.BusyError:
            if time.monotonic() > ends_at:
                raise
            time.sleep(WAL_TRY_SECONDS)


def _check_library() -> None:
    if apsw.SQLITE_VERSION_NUMBER < FIRST_SAFE_SQLITE:
        raise BoardUnsafe(
            f"the SQLite library in use ({apsw.sqlite_lib_version()}) can lose commits",
            cause="versions before 3.51.3 may drop them when two connections checkpoint one WAL at once",
            fix='pip install --upgrade "apsw>=3.53.1"',
        )
