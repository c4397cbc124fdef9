"""SqliteStore: the default board, one SQLite file in WAL mode behind a fair file lock."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import RLock
from typing import Any

import apsw

from dreamos_tasks.errors import BoardGone, BoardUnavailable, DuplicateTaskId
from dreamos_tasks.model.event import Change, Event
from dreamos_tasks.model.query import ClaimRequest, TaskQuery
from dreamos_tasks.model.selection import can_be_next, fits
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.protocols import ClockReading
from dreamos_tasks.stores import sqlite_connection, sqlite_queries
from dreamos_tasks.stores.file_lock import FileLock
from dreamos_tasks.stores.rows import (
    COLUMNS,
    encode,
    event_to_row,
    from_us,
    row_to_event,
    row_to_task,
    task_to_row,
    to_us,
)

GET_TASK = f"SELECT {COLUMNS} FROM task WHERE task_id = ?"

# A new task. `wait_until` is its not_before; one that is past is cleared by the next claim.
INSERT_TASK = """
INSERT INTO task (status, priority, lane, queued, due, title, assigned_to, parent_id, dedupe_key, not_before, claimed_by,
  claimed_at, lease_until, heartbeat_at, last_token, attempt, created_at, updated_at, pending_since, started_at,
  finished_at, spec, state, task_id, wait_until, unmet)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"""

# A task as a verb has left it. `unmet` is kept by the dependencies' own statements.
UPDATE_TASK = """
UPDATE task SET status=?, priority=?, lane=?, queued=?, due=?, title=?, assigned_to=?, parent_id=?, dedupe_key=?,
  not_before=?, claimed_by=?, claimed_at=?, lease_until=?, heartbeat_at=?, last_token=?, attempt=?, created_at=?,
  updated_at=?, pending_since=?, started_at=?, finished_at=?, spec=?, state=?, wait_until=?
WHERE task_id=?"""

INSERT_EVENT = "INSERT INTO event (n, type, at, by, data) VALUES ((SELECT n FROM task WHERE task_id = ?), ?, ?, ?, ?)"
INSERT_FIRST_EVENT = "INSERT INTO event (n, type, at, by, data) VALUES (?, ?, ?, ?, ?)"

# A dependency that is not (or not yet) on the board counts as unmet.
INSERT_DEPENDENCY = "INSERT OR IGNORE INTO dependency (needs, task) SELECT n, ? FROM task WHERE task_id = ?"
COUNT_MET = """
SELECT count(*) FROM json_each(?) AS wanted JOIN task ON task.task_id = wanted.value WHERE task.status = 'completed'"""
UNFINISHED = """
SELECT wanted.value FROM json_each(?) AS wanted LEFT JOIN task ON task.task_id = wanted.value
WHERE task.status IS NOT 'completed' ORDER BY wanted.key"""
# Whoever waited for this task waits for one less.
MEET_DEPENDANTS = """
UPDATE task SET unmet = unmet - 1
WHERE n IN (SELECT task FROM dependency WHERE needs = (SELECT n FROM task WHERE task_id = ?))"""

# Tasks whose not_before has been reached are as ready as any other from here on.
END_WAITING = "UPDATE task SET wait_until = NULL WHERE wait_until <= ?"
EXPIRED = f"SELECT {COLUMNS} FROM task WHERE lease_until <= ? ORDER BY lease_until"

EVENTS_AFTER = """
SELECT event.seq, task.task_id, event.type, event.at, event.by, event.data FROM event JOIN task ON task.n = event.n
WHERE event.seq > ? ORDER BY event.seq LIMIT ?"""
EVENTS_OF_TASK = """
SELECT event.seq, task.task_id, event.type, event.at, event.by, event.data FROM task JOIN event ON event.n = task.n
WHERE task.task_id = ? AND event.seq > ? ORDER BY event.seq LIMIT ?"""

NEXT_INSTANT = """
SELECT min(at) FROM (SELECT min(lease_until) AS at FROM task WHERE lease_until IS NOT NULL
                     UNION ALL SELECT min(wait_until) FROM task WHERE wait_until IS NOT NULL)"""


class SqliteStore:
    """One board in one SQLite file. Threads may share it; processes each open their own."""

    def __init__(self, path: Path, *, durability: str = "full", lock_timeout_seconds: float = 30.0) -> None:
        """Open the board at `path`, bringing its schema up to date. Raises BoardUnavailable kinds; never makes a file."""
        self.path = path
        self._full_durability = durability == "full"
        self._lock = RLock()
        self._file_lock = FileLock(f"{path}.lock", timeout_seconds=lock_timeout_seconds)
        self._in_transaction = False
        self._connection: apsw.Connection | None = None
        self._inode = (0, 0)
        self._connected()

    @classmethod
    def create(cls, path: Path, *, durability: str = "full", lock_timeout_seconds: float = 30.0) -> SqliteStore:
        """Open the board at `path`, making an empty one when there is none. The folder must be there."""
        if not path.exists():
            sqlite_connection.create_file(path)
        return cls(path, durability=durability, lock_timeout_seconds=lock_timeout_seconds)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See TaskStore. Writers take turns at the file lock, so none of them meets a busy database."""
        with self._lock:
            if self._in_transaction:
                with self._savepoint():
                    yield
                return
            self._take_file_lock()
            try:
                connection = self._connected()
                self._execute(connection, "BEGIN IMMEDIATE")
                self._in_transaction = True
                try:
                    yield
                except BaseException:
                    self._roll_back(connection)
                    raise
                else:
                    self._commit(connection)
                finally:
                    self._in_transaction = False
            finally:
                self._file_lock.release()

    def clock_offset(self, measure: ClockReading) -> int:
        """See TaskStore. Outside a transaction a missing offset is measured but not kept."""
        row = self._row("SELECT offset_us FROM clock WHERE boot_id = ?", (measure.boot_id,))
        if row is not None:
            return int(row[0])
        offset = measure.wall_us - measure.since_boot_us
        if self._in_transaction:
            self.set_clock_offset(measure.boot_id, offset)
        return offset

    def set_clock_offset(self, boot_id: str, offset_us: int) -> None:
        """See TaskStore."""
        self._run("DELETE FROM clock")
        self._run("INSERT INTO clock (boot_id, offset_us) VALUES (?, ?)", (boot_id, offset_us))

    def get(self, task_id: str) -> Task | None:
        """See TaskStore."""
        row = self._row(GET_TASK, (task_id,))
        return row_to_task(row) if row is not None else None

    def find(self, query: TaskQuery, *, now: datetime) -> Sequence[Task]:
        """See TaskStore. SQL narrows by index; `selection.fits` decides."""
        sql, bindings = sqlite_queries.narrowed(query, now_us=_us(now))
        found: list[Task] = []
        skipping = query.after is not None
        with self._lock:
            for row in self._rows(sql, bindings):
                if skipping:
                    skipping = row[0] != query.after
                    continue
                task = row_to_task(row)
                if fits(task, query, unfinished=self.unfinished_dependencies(task), now=now):
                    found.append(task)
                    if query.limit is not None and len(found) >= query.limit:
                        break
        return found

    def count(self, field: str, *, now: datetime) -> Mapping[str, int]:
        """See TaskStore."""
        sql = sqlite_queries.counting(field)
        return {str(word): int(number) for word, number in self._all(sql, {"now": to_us(now)})}

    def next_claimable(self, request: ClaimRequest, *, now: datetime) -> Task | None:
        """See TaskStore. Walks the ready index of each lane, so it costs the same on a board of any size."""
        now_us = to_us(now)
        self._run(END_WAITING, (now_us,))
        lanes = ("agent:" + request.agent_id, "plan" if request.runs_plans else "open")
        found = [
            row
            for row in (
                *(self._first_in_lane(lane, request, now=now) for lane in lanes),
                self._first_expired(request, now=now, now_us=now_us),
            )
            if row is not None
        ]
        first = min(found, key=lambda row: (row[2], row[3], row[22]), default=None)  # priority, due, n
        return row_to_task(first) if first is not None else None

    def unfinished_dependencies(self, task: Task) -> Sequence[str]:
        """See TaskStore."""
        if not task.depends_on:
            return ()
        return [str(row[0]) for row in self._all(UNFINISHED, (_json_list(task.depends_on),))]

    def save(self, change: Change) -> Sequence[Event]:
        """See TaskStore."""
        if not self._in_transaction:
            raise RuntimeError("save needs an open transaction")
        if change.before is None:
            return self._insert(change)
        self._update(change.before, change.task)
        return self._append(INSERT_EVENT, change.task.task_id, change.events)

    def events_after(self, seq: int, *, task_id: str | None = None, limit: int = 1000) -> Sequence[Event]:
        """See TaskStore."""
        rows = (
            self._all(EVENTS_AFTER, (seq, limit))
            if task_id is None
            else self._all(EVENTS_OF_TASK, (task_id, seq, limit))
        )
        return [row_to_event(row) for row in rows]

    def last_seq(self) -> int:
        """See TaskStore."""
        row = self._row("SELECT max(seq) FROM event")
        return int(row[0] or 0) if row else 0

    def task_count(self) -> int:
        """See TaskStore. The greatest age, which is the count while nothing has been pruned."""
        row = self._row("SELECT max(n) FROM task")
        return int(row[0] or 0) if row else 0

    def next_instant(self, *, now: datetime) -> datetime | None:
        """See TaskStore."""
        row = self._row(NEXT_INSTANT)
        return from_us(row[0]) if row else None

    def change_mark(self) -> int:
        """See TaskStore. SQLite's data_version: a read of shared memory."""
        row = self._row("PRAGMA data_version")
        return int(row[0]) if row else 0

    def backup(self, target: Path) -> None:
        """See TaskStore."""
        if target.exists():
            raise BoardUnavailable(f"{target} is there already", fix="name a new file, or remove that one first")
        with self._lock:
            try:
                sqlite_connection.copy_to(self._connected(), target)
            except apsw.Error as error:
                raise sqlite_connection.unavailable(self.path, error) from error
            except OSError as error:
                raise BoardUnavailable(
                    f"the copy to {target} failed", cause=str(error), fix=f"df {target.parent}"
                ) from error

    def integrity_problems(self) -> Sequence[str]:
        """See TaskStore."""
        return [str(row[0]) for row in self._all("PRAGMA integrity_check") if row[0] != "ok"]

    def close(self) -> None:
        """See TaskStore."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._file_lock.close()

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        self._run("SAVEPOINT inner")
        try:
            yield
        except BaseException:
            self._run("ROLLBACK TO inner")
            raise
        finally:
            self._run("RELEASE inner")

    def _insert(self, change: Change) -> Sequence[Event]:
        task = change.task
        unmet = len(task.depends_on) - self._met(task.depends_on) if task.depends_on else 0
        connection = self._connected()
        row = (*task_to_row(task), task.task_id, to_us(task.not_before), unmet)
        try:
            connection.execute(INSERT_TASK, row)
        except apsw.ConstraintError as error:
            raise DuplicateTaskId(task.task_id) from error
        except apsw.Error as error:
            raise sqlite_connection.unavailable(self.path, error) from error
        n = connection.last_insert_rowid()
        for tag in task.tags:
            self._run("INSERT INTO task_tag (tag, n) VALUES (?, ?)", (tag, n))
        for needed in task.depends_on:
            self._run(INSERT_DEPENDENCY, (n, needed))
        return self._append(INSERT_FIRST_EVENT, n, change.events)

    def _update(self, before: Task, task: Task) -> None:
        waits = to_us(task.not_before) if task.not_before is not None and task.status is Status.PENDING else None
        self._run(UPDATE_TASK, (*task_to_row(task), waits, task.task_id))
        if task.status is Status.COMPLETED and before.status is not Status.COMPLETED:
            self._run(MEET_DEPENDANTS, (task.task_id,))
        if task.tags != before.tags or task.depends_on != before.depends_on:
            self._relink(task)

    def _relink(self, task: Task) -> None:
        row = self._row("SELECT n FROM task WHERE task_id = ?", (task.task_id,))
        n = row[0] if row else None
        self._run("DELETE FROM task_tag WHERE n = ?", (n,))
        self._run("DELETE FROM dependency WHERE task = ?", (n,))
        for tag in task.tags:
            self._run("INSERT INTO task_tag (tag, n) VALUES (?, ?)", (tag, n))
        for needed in task.depends_on:
            self._run(INSERT_DEPENDENCY, (n, needed))
        unmet = len(task.depends_on) - self._met(task.depends_on)
        self._run("UPDATE task SET unmet = ? WHERE n = ?", (unmet, n))

    def _append(self, sql: str, key: object, events: Sequence[Event]) -> Sequence[Event]:
        connection = self._connected()
        saved = []
        for event in events:
            self._run(sql, (key, *event_to_row(event)))
            saved.append(replace(event, seq=connection.last_insert_rowid()))
        return saved

    def _met(self, task_ids: Sequence[str]) -> int:
        row = self._row(COUNT_MET, (_json_list(task_ids),))
        return int(row[0]) if row else 0

    def _first_in_lane(self, lane: str, request: ClaimRequest, *, now: datetime) -> tuple[Any, ...] | None:
        sql, bindings = sqlite_queries.ready_in_lane(lane, request.tags)
        for row in self._rows(sql, bindings):
            if can_be_next(row_to_task(row), request, unfinished=(), now=now):
                return row
        return None

    def _first_expired(self, request: ClaimRequest, *, now: datetime, now_us: int | None) -> tuple[Any, ...] | None:
        rows = self._all(EXPIRED, (now_us,))
        for row in sorted(rows, key=lambda row: (row[2], row[3], row[22])):
            task = row_to_task(row)
            if can_be_next(task, request, unfinished=self.unfinished_dependencies(task), now=now):
                return row
        return None

    # -- the connection

    def _connected(self) -> apsw.Connection:
        """The connection, made anew after an error, as long as the file is the one that was opened."""
        if self._connection is None:
            connection = sqlite_connection.connect(self.path, full_durability=self._full_durability)
            try:
                if sqlite_connection.schema_version(connection) != sqlite_connection.SCHEMA_VERSION:
                    self._prepare(connection)
            except apsw.Error as error:
                connection.close()
                raise sqlite_connection.unavailable(self.path, error) from error
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._inode = _inode(self.path)
        return self._connection

    def _prepare(self, connection: apsw.Connection) -> None:
        lock = FileLock(f"{self.path}.lock", timeout_seconds=30)
        with lock:
            sqlite_connection.prepare(connection, self.path)
        lock.close()

    def _take_file_lock(self) -> None:
        try:
            self._file_lock.acquire()
        except OSError as error:
            raise BoardUnavailable(
                f"the board's lock cannot be opened: {self._file_lock.path}",
                cause=str(error),
                fix=f"ls -ld {self.path.parent}",
            ) from error
        try:
            same = self._connection is None or _inode(self.path) == self._inode
        except FileNotFoundError:
            same = False
        if not same:
            self._file_lock.release()
            raise BoardGone(
                f"the board at {self.path} was deleted or replaced while it was open",
                cause="what is there now is not the file that was opened; nothing was written to either",
                fix="put the board back (dt backup makes copies) and start again; a new board is made by dt init",
            )

    def _commit(self, connection: apsw.Connection) -> None:
        try:
            connection.execute("COMMIT")
        except apsw.Error as error:
            # After a failed fsync nobody knows what is on the disk: this connection must not try again as if it had worked.
            with suppress(apsw.Error):
                connection.execute("ROLLBACK")
            self._connection = None
            with suppress(apsw.Error):
                connection.close()
            raise sqlite_connection.unavailable(self.path, error) from error

    def _roll_back(self, connection: apsw.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except apsw.Error:
            self._connection = None
            with suppress(apsw.Error):
                connection.close()

    def _execute(self, connection: apsw.Connection, sql: str, bindings: Any = None) -> apsw.Cursor:
        try:
            return connection.execute(sql, bindings)
        except apsw.Error as error:
            raise sqlite_connection.unavailable(self.path, error) from error

    def _run(self, sql: str, bindings: Any = None) -> None:
        self._execute(self._connected(), sql, bindings)

    def _rows(self, sql: str, bindings: Any = None) -> Iterator[tuple[Any, ...]]:
        cursor = self._execute(self._connected(), sql, bindings)
        try:
            yield from cursor
        except apsw.Error as error:
            raise sqlite_connection.unavailable(self.path, error) from error
        finally:
            cursor.close()

    def _row(self, sql: str, bindings: Any = None) -> tuple[Any, ...] | None:
        with self._lock:
            cursor = self._execute(self._connected(), sql, bindings)
            try:
                row = cursor.fetchone()
            except apsw.Error as error:
                raise sqlite_connection.unavailable(self.path, error) from error
            finally:
                cursor.close()
        return row

    def _all(self, sql: str, bindings: Any = None) -> list[tuple[Any, ...]]:
        with self._lock:
            return list(self._rows(sql, bindings))


def _inode(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _json_list(words: Sequence[str]) -> str:
    return encode(list(words))


def _us(now: datetime) -> int:
    return to_us(now) or 0
