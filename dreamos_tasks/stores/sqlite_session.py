"""SqliteSession: the connection of one store, its turn at the file lock, and what its errors mean."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Any
from weakref import ref

import apsw

from dreamos_tasks.errors import BoardGone
from dreamos_tasks.stores import board_file, sqlite_connection
from dreamos_tasks.stores.file_lock import FileLock

Row = tuple[Any, ...]


class SqliteSession:
    """Threads take turns at its lock, processes at the file lock; so no writer ever meets a busy database.

    As a context manager it is a transaction; inside another one, a savepoint. An SQLite error inside becomes the
    BoardUnavailable that it means, after everything was rolled back.
    """

    def __init__(self, path: Path, *, full_durability: bool, lock_timeout_seconds: float) -> None:
        self.path = path
        self.lock = RLock()
        self.key_limits: Mapping[str, int] = {}  # see TaskStore
        self._path = os.fspath(path)
        self._full_durability = full_durability
        self._lock_timeout_seconds = lock_timeout_seconds
        self._file_lock = FileLock(f"{path}.lock", timeout_seconds=lock_timeout_seconds)
        self._depth = 0
        self._is_spoiled = False
        self.turn = 0  # counts transactions: what a store knows of one it must forget in the next
        self.rollbacks = 0  # counts what was taken back, wholly or to a savepoint
        self._openings = 0  # counts connections
        self._connection: apsw.Connection | None = None
        self._file = (0, 0)
        self._size = 0
        with self.lock:
            self.open()

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open, in this thread or another."""
        return self._depth > 0

    def open(self) -> apsw.Connection:
        """The connection; after an error a new one, to the same file or not at all."""
        if self._connection is None:
            if self._file != (0, 0):
                self._check_file()
            connection = sqlite_connection.connect(self.path, full_durability=self._full_durability)
            try:
                if sqlite_connection.schema_version(connection) != sqlite_connection.SCHEMA_VERSION:
                    with FileLock(self._file_lock.path, timeout_seconds=self._lock_timeout_seconds):
                        sqlite_connection.prepare(connection, self.path)
            except apsw.Error as error:
                connection.close()
                raise sqlite_connection.unavailable(self.path, error) from error
            except BaseException:
                connection.close()
                raise
            connection.create_scalar_function("most_of_key", _most_of_key(ref(self)), 1)
            self._connection = connection
            self._openings += 1
            self._remember_file()
        return self._connection

    def __enter__(self) -> apsw.Connection:
        try:
            self.lock.acquire()
            connection = self._begin()
        except BaseException:
            with suppress(RuntimeError):  # it was broken off while it waited for the lock
                self.lock.release()
            raise
        self._depth += 1
        return connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._depth -= 1
        if error is not None:
            self.rollbacks += 1
        # A file that could only be opened for reading, or that failed once, is opened anew: it may be well again.
        self._is_spoiled = self._is_spoiled or isinstance(error, apsw.ReadOnlyError | apsw.IOError | apsw.CantOpenError)
        try:
            if self._depth:
                self._end_savepoint(error)
            elif error is None:
                self._commit()
        finally:
            try:
                if not self._depth:
                    if self._connection is not None and self._connection.in_transaction:
                        self._roll_back()  # it failed, or Ctrl-C came before the commit
                    if self._is_spoiled:
                        self._is_spoiled = False
                        self._drop()
                    self._file_lock.release()
            finally:
                self.lock.release()
        if isinstance(error, apsw.Error):
            raise sqlite_connection.unavailable(self.path, error) from error

    def row(self, sql: str, bindings: Any = None) -> Row | None:
        """The first row, None when there is none."""
        with self.lock:
            try:
                found: Row | None = self.open().execute(sql, bindings).fetchone()
            except apsw.Error as error:
                raise sqlite_connection.unavailable(self.path, error) from error
            except UnicodeError as error:
                raise sqlite_connection.not_unicode(self.path, error) from error
        return found

    def rows(self, sql: str, bindings: Any = None) -> list[Row]:
        """All rows."""
        with self.lock:
            try:
                found: list[Row] = self.open().execute(sql, bindings).fetchall()
            except apsw.Error as error:
                raise sqlite_connection.unavailable(self.path, error) from error
            except UnicodeError as error:
                raise sqlite_connection.not_unicode(self.path, error) from error
        return found

    def change_mark(self) -> int:
        """See TaskStore."""
        with self.lock:
            self._check_file()
            row = self.row("PRAGMA data_version")
            return self._openings << 32 | (int(row[0]) if row else 0)  # each connection counts anew

    def close(self) -> None:
        """May be called twice."""
        with self.lock:
            self._drop()
            self._file_lock.close()

    def survive_forks(self) -> None:
        """See TaskStore."""
        from dreamos_tasks.stores import forking  # for programs in Python: no command forks

        forking.register(self)

    def let_go(self) -> None:
        """See Forkable."""
        if not self._depth:
            self._drop()
            self._file_lock.close()

    def arrive_in_child(self, *, is_whole: bool) -> None:
        """See Forkable."""
        if not is_whole:
            self.lock, self._depth = RLock(), 0  # held by a thread that is not in this process
        if self._connection is not None:
            sqlite_connection.tear(self.path, self._connection)
            self._connection = None
        self._file_lock.close()  # which unlocks nothing: the parent has the file open too

    def _begin(self) -> apsw.Connection:
        if self._depth:
            connection = self.open()
            connection.execute(f"SAVEPOINT s{self._depth}")
            return connection
        try:
            self._take_turn()
            self._check_file()
            connection = self.open()
            connection.execute("BEGIN IMMEDIATE")
            self.turn += 1
        except BaseException as error:
            try:
                self._roll_back()  # Ctrl-C may have come when it had just begun
            finally:
                self._file_lock.release()
            if isinstance(error, apsw.Error):
                raise sqlite_connection.unavailable(self.path, error) from error
            raise
        return connection

    def _take_turn(self) -> None:
        try:
            self._file_lock.acquire()
        except OSError as error:
            raise board_file.lock_unopened(self._file_lock.path, error) from error

    def _end_savepoint(self, error: BaseException | None) -> None:
        if self._connection is None:
            return
        name = f"s{self._depth}"
        if error is not None:
            self.turn += 1
            if not self._connection.in_transaction:
                return  # SQLite has rolled everything back by itself (disk full); the outer transaction will find out
            self._connection.execute(f"ROLLBACK TO {name}")
        self._connection.execute(f"RELEASE {name}")

    def _commit(self) -> None:
        connection = self.open()
        try:
            connection.execute("COMMIT")
        except apsw.Error as error:
            self.rollbacks += 1
            # After a failed fsync nobody knows what is on the disk: this connection must not go on as if it had worked.
            self._drop()
            raise sqlite_connection.unavailable(self.path, error) from error

    def _roll_back(self) -> None:
        connection = self._connection
        if connection is not None and connection.in_transaction:
            try:
                connection.execute("ROLLBACK")
            except apsw.Error:
                self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(apsw.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            with suppress(apsw.Error):
                connection.close()

    def _check_file(self) -> None:
        try:
            found = os.stat(self._path)
        except OSError:
            found = None
        if found is None or (found.st_dev, found.st_ino) != self._file:
            raise BoardGone(
                f"the board at {self.path} was deleted or replaced while it was open",
                cause="what is there now is not the file that was opened; nothing was written to either",
                fix="put the board back (dt backup makes copies) and start again; a new board is made by dt init",
            )
        if found.st_size < self._size:  # SQLite itself never makes a board shorter: nothing here vacuums
            raise BoardGone(
                f"the board at {self.path} was truncated while it was open",
                cause=f"it had {self._size} bytes and has {found.st_size}; nothing more was written to it",
                fix="dt board restore FILE puts a copy made by dt backup in its place; stop what uses the board first",
            )
        self._size = found.st_size

    def _remember_file(self) -> None:
        found = os.stat(self._path)
        self._file, self._size = (found.st_dev, found.st_ino), found.st_size


def _most_of_key(known: ref[SqliteSession]) -> Callable[..., int]:
    """The function for SQL. The connection keeps it, so it must not keep the session, which keeps the connection."""

    def most_of_key(*key: apsw.SQLiteValue) -> int:
        session = known()
        return 1 if session is None else session.key_limits.get(str(key[0]), 1)

    return most_of_key
