"""SqliteStore: the default board, one SQLite file in WAL mode behind a fair file lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import apsw

from dreamos_tasks.errors import BoardUnavailable, DuplicateTaskId, Refused
from dreamos_tasks.model.event import Change, Event
from dreamos_tasks.model.query import ClaimRequest, TaskQuery
from dreamos_tasks.model.selection import can_be_next, fits
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.stores import sqlite_connection, sqlite_queries
from dreamos_tasks.stores.held_tasks import HeldTasks
from dreamos_tasks.stores.rows import (
    COLUMNS,
    INSERT_EVENT,
    encode,
    event_to_row,
    from_us,
    row_to_event,
    row_to_task,
    to_us,
)
from dreamos_tasks.stores.sqlite_session import Row, SqliteSession
from dreamos_tasks.stores.sqlite_sharing import SqliteSharing
from dreamos_tasks.stores.sqlite_shelves import UNREADABLE, SqliteShelves
from dreamos_tasks.stores.task_writes import differing_fields, insert_of, update_of

if TYPE_CHECKING:
    from dreamos_tasks.model.pruning import HistoryPage
    from dreamos_tasks.protocols import ClockReading

GET_TASK = f"SELECT {COLUMNS} FROM task WHERE task_id = ?"
# What the order of a list goes by.
PLACE_OF_TASK = "SELECT priority, due, n FROM task WHERE task_id = ?"

# Of a row as it is: its number, its newest event, which the next one follows, and when it was changed.
VERSION_OF_TASK = "SELECT n, last_seq, updated_at FROM task WHERE task_id = ?"

# A dependency that is not (or not yet) on the board counts as unmet.
INSERT_DEPENDENCY = "INSERT OR IGNORE INTO dependency (needs, task) SELECT n, ? FROM task WHERE task_id = ?"
COUNT_MET = """
SELECT count(*) FROM json_each(?) AS wanted JOIN task ON task.task_id = wanted.value WHERE task.status = 'completed'"""
# Whoever waited for this task waits for one less.
MEET_DEPENDANTS = "UPDATE task SET unmet = unmet - 1 WHERE n IN (SELECT task FROM dependency WHERE needs = ?)"

# Tasks whose not_before has been reached are as ready as any other from here on.
END_WAITING = "UPDATE task SET wait_until = NULL WHERE wait_until <= ?"

NEWEST_SEQ = "SELECT max(seq) FROM event"
EVENTS_AFTER = """
SELECT event.seq, task.task_id, event.type, event.at, event.by, event.data FROM event JOIN task ON task.n = event.n
WHERE event.seq > ? ORDER BY event.seq LIMIT ?"""
# A task's events, walked back from its newest.
EVENTS_OF_TASK = """
WITH RECURSIVE chain (seq) AS (
  SELECT last_seq FROM task WHERE task_id = ?1 AND last_seq > ?2
  UNION ALL SELECT event.prev FROM chain JOIN event ON event.seq = chain.seq WHERE event.prev > ?2)
SELECT event.seq, ?1, event.type, event.at, event.by, event.data FROM chain JOIN event ON event.seq = chain.seq
ORDER BY event.seq LIMIT ?3"""


class SqliteStore(SqliteSharing, SqliteShelves):
    """One board in one SQLite file. Threads may share it; processes each open their own."""

    def __init__(self, path: Path, *, durability: str = "full", lock_timeout_seconds: float = 30.0) -> None:
        """Open the board at `path`, bringing its schema up to date. Raises BoardUnavailable kinds; never makes a file."""
        self.path = path
        self._session = SqliteSession(
            path, full_durability=durability == "full", lock_timeout_seconds=lock_timeout_seconds
        )
        self._newest_n = 0
        self._seq = self._seq_turn = 0
        self._seen = (0, "", 0, 0)  # the row that was read last: in which turn, whose, its number and its newest event
        self._held = HeldTasks()
        self._rollbacks = 0

    @classmethod
    def create(cls, path: Path, *, durability: str = "full", lock_timeout_seconds: float = 30.0) -> SqliteStore:
        """Open the board at `path`, making an empty one when there is none. The folder must be there."""
        if not path.exists():
            sqlite_connection.create_file(path)
        return cls(path, durability=durability, lock_timeout_seconds=lock_timeout_seconds)

    def transaction(self) -> AbstractContextManager[Any]:
        """See TaskStore."""
        return self._session

    def clock_offset(self, measure: ClockReading) -> int:
        """See TaskStore. Outside a transaction a missing offset is measured but not kept: reading waits for nobody."""
        row = self._session.row("SELECT offset_us FROM clock WHERE boot_id = ?", (measure.boot_id,))
        if row is not None:
            return int(row[0])
        offset = measure.wall_us - measure.since_boot_us
        if self._session.in_transaction:
            self.set_clock_offset(measure.boot_id, offset)
        return offset

    def set_clock_offset(self, boot_id: str, offset_us: int) -> None:
        """See TaskStore."""
        self._session.rows("DELETE FROM clock")
        self._session.rows("INSERT INTO clock (boot_id, offset_us) VALUES (?, ?)", (boot_id, offset_us))

    def get(self, task_id: str) -> Task | None:
        """See TaskStore."""
        turn = self._session.turn
        if self._known_held().knows(task_id):
            version = self._session.row(VERSION_OF_TASK, (task_id,))
            held = self._held.get(task_id, version) if version is not None else None
            if held is not None and version is not None:
                self._seen = (turn, task_id, version[0], version[1])
                return held
        row = self._session.row(GET_TASK, (task_id,))
        if row is None:
            return None
        self._seen = (turn, task_id, *row[-2:])
        return self._task(row)

    def find(self, query: TaskQuery, *, now: datetime) -> Sequence[Task]:
        """See TaskStore. SQL narrows by index; `selection.fits` decides."""
        place = None if query.after is None else self._session.row(PLACE_OF_TASK, (query.after,))
        if query.limit == 0 or (query.after is not None and place is None):
            return []
        sql, bindings = sqlite_queries.narrowed(query, now_us=to_us(now), after=place)
        found: list[Task] = []
        with self._session.lock:
            try:
                for row in self._session.open().execute(sql, bindings):
                    task = self._task(row)
                    unfinished, key_use = self.unfinished_dependencies(task), self.key_use(task, now=now)
                    if fits(task, query, unfinished=unfinished, now=now, key_use=key_use):
                        found.append(task)
                        if query.limit is not None and len(found) >= query.limit:
                            break
            except apsw.Error as error:
                raise sqlite_connection.unavailable(self.path, error) from error
            except UnicodeError as error:
                raise sqlite_connection.not_unicode(self.path, error) from error
        return found

    def count(self, field: str, *, now: datetime) -> Mapping[str, int]:
        """See TaskStore."""
        rows = self._session.rows(sqlite_queries.counting(field), {"now": to_us(now)})
        return {str(word): int(number) for word, number in rows}

    def next_claimable(self, request: ClaimRequest, *, now: datetime) -> Task | None:
        """See TaskStore. Looks at the head of each lane's ready index: the same cost on a board of any size."""
        now_us = to_us(now)
        lanes = ("agent:" + request.agent_id, "plan" if request.runs_plans else "open")
        heads = self._session.rows(sqlite_queries.HEADS_OF_QUEUE, (*lanes, now_us))
        if any(row[0] is None for row in heads):  # the mark that somebody has waited long enough
            self._session.rows(END_WAITING, (now_us,))
            heads = self._session.rows(sqlite_queries.HEADS_OF_QUEUE, (*lanes, now_us))
        if not heads:
            return None
        head = min(heads, key=_place_in_queue)
        first = self._task(head)
        self._seen = (self._session.turn, first.task_id, *head[-2:])
        if self._can_be_next(first, request, now=now):
            return first
        return self._search(lanes, request, now=now)

    def save(self, change: Change) -> None:
        """See TaskStore."""
        if not self._session.in_transaction:
            raise RuntimeError("save needs an open transaction")
        connection = self._session.open()
        try:
            if change.before is None:
                self._insert(connection, change)
            else:
                self._update(connection, change)
        except UnicodeError as error:
            raise sqlite_connection.not_unicode(self.path, error) from error

    def load(
        self,
        tasks: Iterable[Task],
        events: Iterable[Event],
        *,
        offsets: Mapping[str, int],
        kept: Iterable[tuple[str, str, Mapping[str, object]]] = (),
    ) -> None:
        """See TaskStore."""
        if not self._session.in_transaction:
            raise RuntimeError("load needs an open transaction")
        connection = self._session.open()
        if self.last_seq() or connection.execute("SELECT n FROM task LIMIT 1").fetchone():
            raise Refused("the board to fill is not empty", fix="name a new file for it")
        try:
            from dreamos_tasks.stores.sqlite_filling import fill

            fill(connection, tasks, events, link=self._link_anew)
        except UnicodeError as error:
            raise sqlite_connection.not_unicode(self.path, error) from error
        for boot_id, offset_us in offsets.items():
            self.set_clock_offset(boot_id, offset_us)
        for shelf, key, form in kept:
            self.keep(shelf, key, form)

    def events_after(self, seq: int, *, task_id: str | None = None, limit: int = 1000) -> Sequence[Event]:
        """See TaskStore."""
        if task_id is None:
            rows = self._session.rows(EVENTS_AFTER, (seq, limit))
        else:
            rows = self._session.rows(EVENTS_OF_TASK, (task_id, seq, limit))
        try:
            return [row_to_event(row) for row in rows]
        except UNREADABLE as error:
            raise sqlite_connection.unreadable(self.path, error) from error

    def step_ends(
        self, *, tool: str | None = None, step: str | None = None, since: datetime | None = None, limit: int = 1000
    ) -> Sequence[Event]:
        """See TaskStore."""
        from dreamos_tasks.stores import sqlite_log  # as below: most verbs have no use for it

        return sqlite_log.step_ends(self._session, tool=tool, step=step, since=since, limit=limit)

    def long_histories(self, *, ended_before: datetime, after: str | None = None, limit: int = 1000) -> HistoryPage:
        """See TaskStore."""
        from dreamos_tasks.stores import sqlite_log

        return sqlite_log.long_histories(self._session, ended_before=ended_before, after=after, limit=limit)

    def shorten_history(self, event: Event) -> int:
        """See TaskStore."""
        from dreamos_tasks.stores import sqlite_log

        return sqlite_log.shorten_history(self._session, event)

    def last_seq(self) -> int:
        """See TaskStore."""
        row = self._session.row(NEWEST_SEQ)
        return int(row[0] or 0) if row else 0

    def task_count(self) -> int:
        """See TaskStore. The greatest age seen, which is the count while nothing has been pruned."""
        if not self._newest_n:
            row = self._session.row("SELECT max(n) FROM task")
            self._newest_n = int(row[0] or 0) if row else 0
        return self._newest_n

    def next_instant(self, *, now: datetime) -> datetime | None:
        """See TaskStore."""
        row = self._session.row(sqlite_queries.NEXT_INSTANT, (to_us(now),))
        return from_us(row[0]) if row else None

    def change_mark(self) -> int:
        """See TaskStore. SQLite's data_version: a read of shared memory. Raises BoardGone when the file is another."""
        return self._session.change_mark()

    def backup(self, target: Path) -> None:
        """See TaskStore."""
        if target.exists():
            raise BoardUnavailable(f"{target} is there already", fix="name a new file, or remove that one first")
        with self._session.lock:
            try:
                sqlite_connection.copy_to(self._session.open(), target)
            except apsw.Error as error:
                raise sqlite_connection.unavailable(self.path, error) from error
            except OSError as error:
                raise BoardUnavailable(
                    f"the copy to {target} failed", cause=str(error), fix=f"df {target.parent}"
                ) from error

    def integrity_problems(self) -> Sequence[str]:
        """See TaskStore."""
        return [str(row[0]) for row in self._session.rows("PRAGMA integrity_check") if row[0] != "ok"]

    def survive_forks(self) -> None:
        """See TaskStore."""
        self._session.survive_forks()

    def close(self) -> None:
        """See TaskStore."""
        self._session.close()

    def _insert(self, connection: apsw.Connection, change: Change) -> None:
        task = change.task
        seq = self._newest_seq(connection)
        unmet = len(task.depends_on) - self._met(task.depends_on) if task.depends_on else 0
        try:
            connection.execute(*insert_of(task, last_seq=seq + len(change.events), unmet=unmet))
        except apsw.ConstraintError as error:
            if getattr(error, "extendedresult", 0) == apsw.SQLITE_CONSTRAINT_UNIQUE:
                raise DuplicateTaskId(task.task_id) from error
            raise
        n = self._newest_n = connection.last_insert_rowid()
        self._append(connection, change.events, n=n, seq=seq, prev=None)
        if task.tags or task.depends_on:
            self._link(connection, task, n)

    def _update(self, connection: apsw.Connection, change: Change) -> None:
        task, before = change.task, change.before
        assert before is not None
        n, prev = self._place_of(connection, task.task_id)
        seq = last = prev
        if change.events:
            seq = self._newest_seq(connection)
            last = seq + len(change.events)
        self._append(connection, change.events, n=n, seq=seq, prev=prev)
        differing = differing_fields(before, task)
        connection.execute(*update_of(task, differing, last_seq=last, n=n))
        self._seen = (self._session.turn, task.task_id, n, last)
        self._known_held().put(task, (n, last, to_us(task.updated_at)), changed=differing)
        if task.status is Status.COMPLETED and before.status is not Status.COMPLETED:
            connection.execute(MEET_DEPENDANTS, (n,))
        if task.tags != before.tags or task.depends_on != before.depends_on:
            connection.execute("DELETE FROM task_tag WHERE n = ?", (n,))
            connection.execute("DELETE FROM dependency WHERE task = ?", (n,))
            self._link_anew(connection, task, n)

    def _place_of(self, connection: apsw.Connection, task_id: str) -> tuple[int, int]:
        """A row's number and its newest event: as the verb that saves has just read them, as a rule."""
        turn, seen_id, n, last_seq = self._seen
        if seen_id == task_id and turn == self._session.turn:
            return n, last_seq
        version = connection.execute(VERSION_OF_TASK, (task_id,)).fetchone()
        assert version is not None, "only a task that was fetched is changed"
        return version[0], version[1]

    def _known_held(self) -> HeldTasks:
        """What is remembered of held tasks: nothing after a rollback, which may have taken back what was written last."""
        if self._rollbacks != self._session.rollbacks:
            self._rollbacks = self._session.rollbacks
            self._held.clear()
        return self._held

    def _newest_seq(self, connection: apsw.Connection) -> int:
        """The seq after which the next event comes. It is asked for once a transaction."""
        if self._seq_turn != self._session.turn:
            (newest,) = connection.execute(NEWEST_SEQ).fetchone() or (None,)
            self._seq_turn, self._seq = self._session.turn, newest or 0
        return self._seq

    def _link(self, connection: apsw.Connection, task: Task, n: int) -> None:
        connection.executemany("INSERT INTO task_tag (tag, n) VALUES (?, ?)", [(tag, n) for tag in task.tags])
        connection.executemany(INSERT_DEPENDENCY, [(n, needed) for needed in task.depends_on])

    def _link_anew(self, connection: apsw.Connection, task: Task, n: int) -> None:
        self._link(connection, task, n)
        connection.execute(
            "UPDATE task SET unmet = ? - ? WHERE n = ?", (len(task.depends_on), self._met(task.depends_on), n)
        )

    def _append(
        self, connection: apsw.Connection, events: Sequence[Event], *, n: int, seq: int, prev: int | None
    ) -> None:
        for event in events:
            seq += 1
            connection.execute(INSERT_EVENT, (seq, n, prev, *event_to_row(event)))
            prev = self._seq = seq

    def _met(self, task_ids: Sequence[str]) -> int:
        row = self._session.row(COUNT_MET, (encode(list(task_ids)),))
        return int(row[0]) if row else 0

    def _task(self, row: Row) -> Task:
        try:
            return row_to_task(row)
        except UNREADABLE as error:
            raise sqlite_connection.unreadable(self.path, error) from error

    def _search(self, lanes: Sequence[str], request: ClaimRequest, *, now: datetime) -> Task | None:
        """The first task that fits when the heads of the queue do not: each lane in order, and the expired claims."""
        found = [
            self._first_that_fits(sql, bindings, request, now)
            for lane in lanes
            for sql, bindings in sqlite_queries.ready_in_lane(lane, request.tags, now_us=to_us(now))
        ]
        found.append(self._first_that_fits(sqlite_queries.EXPIRED, (to_us(now),), request, now))
        first = min((row for row in found if row is not None), key=_place_in_queue, default=None)
        return self._task(first) if first is not None else None

    def _first_that_fits(self, sql: str, bindings: tuple[Any, ...], request: ClaimRequest, now: datetime) -> Row | None:
        for row in self._session.open().execute(sql, bindings):
            task = self._task(row)
            if self._can_be_next(task, request, now=now):
                found: Row = row
                return found
        return None

    def _can_be_next(self, task: Task, request: ClaimRequest, *, now: datetime) -> bool:
        unfinished, key_use = self.unfinished_dependencies(task), self.key_use(task, now=now)
        return can_be_next(task, request, unfinished=unfinished, now=now, key_use=key_use)


def _place_in_queue(row: Sequence[Any]) -> tuple[int, int, int]:
    """priority, due, n of a row of COLUMNS."""
    return row[2], row[3], row[22]
