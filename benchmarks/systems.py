"""The systems under measurement, behind one small interface: the machine's limit, peers, and ourselves."""

from __future__ import annotations

import importlib.util
import os
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

PAYLOAD = '{"n": %d, "title": "benchmark task", "body": "' + "x" * 100 + '"}'


class System:
    """One way to keep tasks in a folder. `claim` gives a handle or None."""

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def available(cls) -> bool:
        """Whether what it needs is installed."""
        return True

    def create(self) -> None: ...
    def open(self) -> None: ...
    def add(self, numbers: Iterable[int]) -> None: ...
    def add_bulk(self, numbers: Iterable[int]) -> None:
        self.add(numbers)

    def claim(self) -> Any: ...
    def complete(self, handle: Any) -> None: ...

    def complete_and_claim(self, handle: Any) -> Any:
        """Both, in one commit where the system can."""
        self.complete(handle)
        return self.claim()


class Raw(System):
    """One table in SQLite and two statements: the limit."""

    name = "raw SQLite FULL"
    synchronous = "FULL"
    SCHEMA = """
    CREATE TABLE task (id INTEGER PRIMARY KEY, state INTEGER NOT NULL DEFAULT 0, priority INTEGER NOT NULL DEFAULT 0,
      payload TEXT NOT NULL, created REAL NOT NULL, claimed_by TEXT, claimed_at REAL, lease_until REAL, done_at REAL);
    CREATE INDEX ready ON task (priority DESC, id) WHERE state = 0;"""
    CLAIM = """UPDATE task SET state = 1, claimed_by = ?1, claimed_at = ?2, lease_until = ?2 + 60
      WHERE id = (SELECT id FROM task WHERE state = 0 ORDER BY priority DESC, id LIMIT 1) RETURNING id"""

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.folder / "raw.db", isolation_level=None, timeout=30, cached_statements=64)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {self.synchronous}")
        return connection

    def create(self) -> None:
        connection = self._connect()
        connection.executescript(self.SCHEMA)
        connection.close()

    def open(self) -> None:
        self.db = self._connect()
        self.who = f"w{os.getpid()}"

    def add(self, numbers: Iterable[int]) -> None:
        for n in numbers:
            self.db.execute("INSERT INTO task (payload, created) VALUES (?, ?)", (PAYLOAD % n, time.time()))

    def add_bulk(self, numbers: Iterable[int]) -> None:
        now = time.time()
        self.db.execute("BEGIN IMMEDIATE")
        self.db.executemany("INSERT INTO task (payload, created) VALUES (?, ?)", ((PAYLOAD % n, now) for n in numbers))
        self.db.execute("COMMIT")

    def claim(self) -> Any:
        return self.db.execute(self.CLAIM, (self.who, time.time())).fetchone()

    def complete(self, handle: Any) -> None:
        self.db.execute("UPDATE task SET state = 2, done_at = ?2 WHERE id = ?1 AND state = 1", (handle[0], time.time()))


class RawNormal(Raw):
    name = "raw SQLite NORMAL"
    synchronous = "NORMAL"


class Dreamos(System):
    """Ourselves, through the Python interface."""

    name = "dreamos-tasks FULL"
    durability = "full"

    def _nexus(self) -> Any:
        from dreamos_tasks import TaskNexus

        return TaskNexus.open(self.folder / "nexus.db", durability=self.durability)

    def create(self) -> None:
        self._nexus().close()

    def open(self) -> None:
        from dreamos_tasks import TaskDraft

        self.nexus, self.draft, self.who = self._nexus(), TaskDraft, f"w{os.getpid()}"

    def add(self, numbers: Iterable[int]) -> None:
        for n in numbers:
            self.nexus.add_task(self.draft(title="benchmark task", description=PAYLOAD % n))

    def add_bulk(self, numbers: Iterable[int]) -> None:
        self.nexus.add_tasks([self.draft(title="benchmark task", description=PAYLOAD % n) for n in numbers])

    def claim(self) -> Any:
        return self.nexus.get_next_task(self.who)

    def complete(self, handle: Any) -> None:
        self.nexus.mark_task_completed(handle.task_id, token=handle.claim.token)


class DreamosNormal(Dreamos):
    name = "dreamos-tasks NORMAL"
    durability = "normal"


class DreamosFused(Dreamos):
    """Completing and claiming the next in one commit, as `dt complete --next` does."""

    name = "dreamos-tasks FULL, complete --next"

    def complete_and_claim(self, handle: Any) -> Any:
        from dreamos_tasks.model.outcome import Succeeded

        return self.nexus.complete_and_claim_next(handle.task_id, Succeeded(), self.who, token=handle.claim.token)[1]


class Huey(System):
    """huey's SQLite storage in a bare loop: it deletes a task when it is taken, and acknowledges nothing."""

    name = "huey (SQLite FULL, no ack)"

    @classmethod
    def available(cls) -> bool:
        return importlib.util.find_spec("huey") is not None

    def create(self) -> None:
        self.open()

    def open(self) -> None:
        from huey import SqliteHuey

        self.huey = SqliteHuey("bench", filename=str(self.folder / "huey.db"), results=False, timeout=30)

        @self.huey.task(name="act")
        def act(n: int, payload: str) -> None:
            return None

        self.act = act

    def add(self, numbers: Iterable[int]) -> None:
        for n in numbers:
            self.act(n, PAYLOAD)

    def claim(self) -> Any:
        return self.huey.dequeue()

    def complete(self, handle: Any) -> None:
        self.huey.execute(handle)


class LiteQueue(System):
    name = "litequeue (SQLite NORMAL)"

    @classmethod
    def available(cls) -> bool:
        return importlib.util.find_spec("litequeue") is not None

    def create(self) -> None:
        self.open()

    def open(self) -> None:
        from litequeue import LiteQueue as Queue

        self.queue = Queue(str(self.folder / "lite.db"), timeout=30)

    def add(self, numbers: Iterable[int]) -> None:
        for n in numbers:
            self.queue.put(PAYLOAD % n)

    def add_bulk(self, numbers: Iterable[int]) -> None:
        with self.queue.transaction():
            self.add(numbers)

    def claim(self) -> Any:
        return self.queue.pop()

    def complete(self, handle: Any) -> None:
        self.queue.done(handle.message_id)


ADDING = (Raw, Dreamos, Huey, RawNormal, DreamosNormal, LiteQueue)
DRAINING = (Raw, Dreamos, DreamosFused, Huey, LiteQueue)
