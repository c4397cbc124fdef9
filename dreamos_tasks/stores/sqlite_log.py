"""The log of a SQLite board, asked and shortened: the ends of steps, and the histories of tasks that are over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.stores.rows import decode, event_to_row, from_us, to_us
from dreamos_tasks.stores.sqlite_session import SqliteSession

if TYPE_CHECKING:
    from dreamos_tasks.model.pruning import HistoryPage

STEP_ENDS = """
SELECT event.seq, task.task_id, event.type, event.at, event.by, json_extract(event.data, '$.detail')
FROM event {how} JOIN task ON task.n = event.n
WHERE event.type IN ('step_completed', 'step_failed'){conditions} ORDER BY event.seq DESC LIMIT :limit"""
# The newest by tool or name, from the index alone: rows are long, and only those that are asked for are to be read.
BY_INDEX = """ AND event.seq IN (
  SELECT seq FROM event INDEXED BY event_step_end
  WHERE type IN ('step_completed', 'step_failed'){conditions} ORDER BY seq DESC LIMIT :limit)"""
BY_TOOL = " AND json_extract(data, '$.detail.tool') = :tool"  # as in the index, word for word
BY_STEP = " AND json_extract(data, '$.detail.step') = :step"
EVENT_AT = "SELECT at FROM event WHERE seq >= ? ORDER BY seq LIMIT 1"
ENDS_OF_LOG = "SELECT (SELECT min(seq) FROM event), (SELECT max(seq) FROM event)"

HISTORIES = """
SELECT task.task_id, task.status IN ('completed', 'failed', 'cancelled') AND task.finished_at < :before
  AND event.prev IS NOT NULL AND event.type <> 'history_pruned'
FROM task JOIN event ON event.seq = task.last_seq
WHERE task.n > coalesce((SELECT n FROM task WHERE task_id = :after), 0) ORDER BY task.n LIMIT :limit"""
CHAIN = """
WITH RECURSIVE chain (seq, prev) AS (
  SELECT event.seq, event.prev FROM task JOIN event ON event.seq = task.last_seq WHERE task.task_id = ?
  UNION ALL SELECT event.seq, event.prev FROM chain JOIN event ON event.seq = chain.prev)
SELECT seq FROM chain ORDER BY seq"""
REPLACE_EVENT = "UPDATE event SET prev = ?, type = ?, at = ?, by = ?, data = ? WHERE seq = ?"


def step_ends(
    session: SqliteSession, *, tool: str | None, step: str | None, since: datetime | None, limit: int
) -> Sequence[Event]:
    """See TaskStore."""
    bindings: dict[str, Any] = {"limit": limit}
    named = window = ""
    if tool is not None:
        named += BY_TOOL
        bindings["tool"] = tool
    if step is not None:
        named += BY_STEP
        bindings["step"] = step
    if since is not None:
        window = " AND seq >= :first"
        bindings["first"] = _first_since(session, to_us(since))
    sql = (
        STEP_ENDS.format(how="", conditions=BY_INDEX.format(conditions=named + window))
        if named
        else STEP_ENDS.format(how="NOT INDEXED", conditions=window)
    )
    return [_event(row) for row in session.rows(sql, bindings)]


def long_histories(session: SqliteSession, *, ended_before: datetime, after: str | None, limit: int) -> HistoryPage:
    """See TaskStore."""
    rows = session.rows(HISTORIES, {"before": to_us(ended_before), "after": after, "limit": limit})
    found = tuple(str(task_id) for task_id, is_long in rows if is_long)
    from dreamos_tasks.model.pruning import HistoryPage  # with what judges histories: no verb of an agent needs it

    return HistoryPage(task_ids=found, last=str(rows[-1][0]) if len(rows) == limit else None)


def shorten_history(session: SqliteSession, event: Event) -> int:
    """See TaskStore."""
    if not session.in_transaction:
        raise RuntimeError("shorten_history needs an open transaction")
    seqs = [int(row[0]) for row in session.rows(CHAIN, (event.task_id,))]
    assert seqs[-1:] == [event.seq], "the event stands for the task's newest"
    between = seqs[1:-1]
    connection = session.open()
    connection.executemany("DELETE FROM event WHERE seq = ?", [(seq,) for seq in between])
    connection.execute(REPLACE_EVENT, (seqs[0], *event_to_row(event), event.seq))
    return len(between)


def _first_since(session: SqliteSession, since_us: int) -> int:
    """The seq from which events happened since then: the log is in order of time."""
    low, high = session.row(ENDS_OF_LOG) or (None, None)
    if low is None or high is None:
        return 0
    high += 1
    while low < high:
        middle = (low + high) // 2
        row = session.row(EVENT_AT, (middle,))
        if row is None or row[0] >= since_us:
            high = middle
        else:
            low = middle + 1
    return int(low)


def _event(row: Sequence[Any]) -> Event:
    seq, task_id, type_, at, by, detail = row
    instant = from_us(at)
    assert instant is not None
    return Event(
        seq=seq, task_id=task_id, type=EventType(type_), at=instant, by=by, detail=decode(detail) if detail else {}
    )
