"""SqliteSharing: what a SQLite board knows of who must wait for whom: dependencies, keys in use, lines at gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from dreamos_tasks.model.hold import KeyUse
from dreamos_tasks.model.task import Task
from dreamos_tasks.stores.rows import encode, to_us
from dreamos_tasks.stores.sqlite_session import SqliteSession

UNFINISHED = """
SELECT wanted.value FROM json_each(?) AS wanted LEFT JOIN task ON task.task_id = wanted.value
WHERE task.status IS NOT 'completed' ORDER BY wanted.key"""
# Who runs under a key now, one task aside; and how many wait for it before that task.
KEY_HOLDERS = """
SELECT task_id FROM task WHERE concurrency_key = ? AND lease_until IS NOT NULL AND lease_until > ? AND task_id <> ?
ORDER BY n"""
PLACE_IN_KEY = """
SELECT count(*) FROM task AS mine JOIN task AS other ON other.concurrency_key = ?1 AND other.queued = 1
  AND (other.priority, other.due, other.n) < (mine.priority, mine.due, mine.n)
WHERE mine.task_id = ?2"""
WAITING_IN_LINE = "SELECT task_id FROM task WHERE line = ? AND queued = 1 ORDER BY priority, due, n LIMIT ?"


class SqliteSharing:
    """See TaskStore for each of its verbs."""

    path: Path
    _session: SqliteSession

    @property
    def key_limits(self) -> Mapping[str, int]:
        """See TaskStore."""
        return self._session.key_limits

    @key_limits.setter
    def key_limits(self, limits: Mapping[str, int]) -> None:
        self._session.key_limits = limits

    def unfinished_dependencies(self, task: Task) -> Sequence[str]:
        """See TaskStore."""
        if not task.depends_on:
            return ()
        return [str(row[0]) for row in self._session.rows(UNFINISHED, (encode(list(task.depends_on)),))]

    def key_use(self, task: Task, *, now: datetime) -> KeyUse | None:
        """See TaskStore."""
        key = task.concurrency_key
        if key is None:
            return None
        holders = self._session.rows(KEY_HOLDERS, (key, to_us(now), task.task_id))
        if len(holders) < self.key_limits.get(key, 1):
            return None
        row = self._session.row(PLACE_IN_KEY, (key, task.task_id))
        place = int(row[0]) + 1 if row else 1
        return KeyUse(key=key, holders=tuple(holder for (holder,) in holders), place=place)

    def waiting_in(self, line: str, *, limit: int) -> Sequence[str]:
        """See TaskStore."""
        return [task_id for (task_id,) in self._session.rows(WAITING_IN_LINE, (line, limit))]
