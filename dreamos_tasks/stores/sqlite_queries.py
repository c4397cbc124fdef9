"""The SQL of questions whose form depends on what is asked: lists, counts, ready tasks by tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import FINAL, Priority, Status
from dreamos_tasks.stores.rows import COLUMNS, NEVER, to_us

# Rows of each word a list can be asked for, each by its own partial index. They may hold a row too many, never one too few.
READY_ROWS = "SELECT n FROM task WHERE queued = 1 AND unmet = 0 AND wait_until IS NULL AND concurrency_key IS NULL"
HELD_BACK_ROWS = "SELECT n FROM task WHERE queued = 1 AND (unmet > 0 OR wait_until IS NOT NULL)"
KEYED_ROWS = "SELECT n FROM task WHERE concurrency_key IS NOT NULL AND queued = 1"
EXPIRED_ROWS = "SELECT n FROM task WHERE lease_until <= :now"
LEASED_ROWS = "SELECT n FROM task WHERE lease_until IS NOT NULL"
LAPSED_ROWS = """SELECT n FROM task
WHERE status IN ('paused', 'awaiting_approval') AND json_extract(state, '$.deadline') <= :now"""
ROLLING_BACK_ROWS = """SELECT n FROM task
WHERE status NOT IN ('pending', 'in_progress', 'completed') AND status IN ('cancelled', 'failed')
  AND instr(state, '"rollback"')"""
OVERDUE_ROWS = f"""SELECT n FROM task
WHERE due < :overdue_at AND due < {NEVER} AND status NOT IN ('completed', 'failed', 'cancelled')"""
NEXT_INSTANT = """
SELECT min(at) FROM (SELECT min(lease_until) AS at FROM task WHERE lease_until > ?1
                     UNION ALL SELECT min(wait_until) FROM task WHERE wait_until > ?1
                     UNION ALL SELECT min(json_extract(state, '$.deadline')) FROM task
                               WHERE status IN ('paused', 'awaiting_approval') AND json_extract(state, '$.deadline') > ?1)"""
ROWS_BY_WORD = {
    "pending": (READY_ROWS, KEYED_ROWS, HELD_BACK_ROWS, EXPIRED_ROWS),
    "ready": (READY_ROWS, KEYED_ROWS, HELD_BACK_ROWS, EXPIRED_ROWS),
    "blocked": (HELD_BACK_ROWS, KEYED_ROWS, EXPIRED_ROWS),
    "scheduled": (HELD_BACK_ROWS, EXPIRED_ROWS),
    "expired": (EXPIRED_ROWS,),
    "lapsed": (LAPSED_ROWS,),
    "rolling_back": (ROLLING_BACK_ROWS,),
    "in_progress": (LEASED_ROWS,),
    **{
        state.value: (
            f"SELECT n FROM task WHERE status NOT IN ('pending', 'in_progress', 'completed') AND status = '{state.value}'",
        )
        for state in (
            *sorted(FINAL - {Status.COMPLETED}),
            Status.PAUSED,
            Status.AWAITING_APPROVAL,
            Status.STALLED,
        )
    },
}
ORDER_BY = {Order.AGE: "n", Order.NEWEST: "n DESC", Order.QUEUE: "priority, due, n"}
# The rows behind a place in each order.
BEHIND = {
    Order.AGE: "n > :after_n",
    Order.NEWEST: "n < :after_n",
    Order.QUEUE: "(priority, due, n) > (:after_priority, :after_due, :after_n)",
}


def _tallied(conditions: Mapping[str, str], *more: str) -> str:
    """Counts by few words. Each row is looked at once; GROUP BY would sort them, in memory that grows with the board."""
    sums = ", ".join(f"sum({condition}) AS n{number}" for number, condition in enumerate(conditions.values()))
    words = (f"SELECT '{word}', n{number} FROM tally WHERE n{number} > 0" for number, word in enumerate(conditions))
    counts = " UNION ALL ".join((*words, *more))
    return f"WITH tally AS MATERIALIZED (SELECT {sums} FROM task WHERE :now IS NOT NULL) {counts} ORDER BY 1"


COUNTS = {
    "status": _tallied(  # an expired claim counts as pending, as everywhere
        {
            "pending": "status = 'pending' OR status = 'in_progress' AND lease_until <= :now",
            "in_progress": "status = 'in_progress' AND ifnull(lease_until > :now, 1)",
            "completed": "status = 'completed'",
        },
        """SELECT status, count(*) FROM task WHERE status NOT IN ('pending', 'in_progress', 'completed') GROUP BY status""",
    ),
    "priority": _tallied({priority.value: f"priority = {priority.rank}" for priority in Priority}),
    "agent": "SELECT claimed_by, count(*) FROM task WHERE lease_until > :now GROUP BY claimed_by",
    "tag": "SELECT tag, count(*) FROM task_tag WHERE :now IS NOT NULL GROUP BY tag",
}


def counting(field: str) -> str:
    """Counts tasks by the words of a field. Takes `:now`."""
    if field not in COUNTS:
        raise ValueError(f"tasks are not counted by {field!r}")
    return COUNTS[field]


def narrowed(query: TaskQuery, *, now_us: int, after: Sequence[int] | None = None) -> tuple[str, dict[str, Any]]:
    """The rows that may fit the query, in its order; `selection.fits` still has to look at each.

    `after`: priority, due and n of the row behind which they begin.
    """
    bindings: dict[str, Any] = {"now": now_us}
    conditions = [f"n IN (SELECT n FROM task_tag WHERE tag = :tag{i})" for i in range(len(query.tags))]
    bindings.update({f"tag{i}": tag for i, tag in enumerate(query.tags)})
    if query.statuses and all(word in ROWS_BY_WORD for word in query.statuses):
        rows = dict.fromkeys(part for word in sorted(query.statuses) for part in ROWS_BY_WORD[word])
        conditions.append(f"n IN ({' UNION ALL '.join(rows)})")
    if query.priority is not None:
        conditions.append("priority = :priority")
        bindings["priority"] = query.priority.rank
    if query.agent is not None:
        conditions.append("(assigned_to = :agent OR claimed_by = :agent)")
        bindings["agent"] = query.agent
    if query.held_by is not None:
        conditions.append("lease_until IS NOT NULL AND claimed_by = :held_by")
        bindings["held_by"] = query.held_by
    if query.parent_id is not None:
        conditions.append("parent_id = :parent_id")
        bindings["parent_id"] = query.parent_id
    if query.dedupe_key is not None:
        conditions.append("dedupe_key = :dedupe_key")
        bindings["dedupe_key"] = query.dedupe_key
    if query.id_prefix is not None:
        conditions.append("task_id >= :prefix AND task_id < :prefix || char(0x10FFFF)")
        bindings["prefix"] = query.id_prefix
    if query.pending_before is not None:
        conditions.append("pending_since < :pending_before")  # a lease that ran out did so later still
        bindings["pending_before"] = to_us(query.pending_before)
    if query.overdue_at is not None:
        conditions.append(f"n IN ({OVERDUE_ROWS})")
        bindings["overdue_at"] = to_us(query.overdue_at)
    if query.stall_noted is not None:
        noted = "json_extract(state, '$.stall_noted_at') IS NOT NULL"
        conditions.append(noted if query.stall_noted else f"(lease_until <= :now OR NOT {noted})")
    if query.text is not None and query.text.isascii() and query.text.replace(" ", "").isalnum():
        conditions.append("(title LIKE :text OR spec LIKE :text)")
        bindings["text"] = f"%{query.text}%"
    if after is not None:
        conditions.append(BEHIND[query.order])
        bindings.update(zip(("after_priority", "after_due", "after_n"), after, strict=True))
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"SELECT {COLUMNS} FROM task{where} ORDER BY {ORDER_BY[query.order]}", bindings


READY = "lane = ? AND queued = 1 AND unmet = 0 AND wait_until IS NULL"
# Keys under which as many run now as may; `most_of_key` is the session's.
KEYS_IN_USE = """SELECT concurrency_key FROM task
WHERE concurrency_key IS NOT NULL AND lease_until IS NOT NULL AND lease_until > ?
GROUP BY concurrency_key HAVING count(*) >= most_of_key(concurrency_key)"""
READY_IN_LANE = f"SELECT {COLUMNS} FROM task WHERE {READY} AND concurrency_key IS NULL ORDER BY priority, due, n"
# Of those that have a key. Takes lane, now.
KEYED_IN_LANE = f"""
SELECT {COLUMNS} FROM task INDEXED BY task_ready_keyed
WHERE {READY} AND concurrency_key IS NOT NULL AND concurrency_key NOT IN ({KEYS_IN_USE}) ORDER BY priority, due, n"""
TAGGED = "EXISTS (SELECT 1 FROM task_tag WHERE tag = ? AND task_tag.n = task.n) AND "
EXPIRED = f"SELECT {COLUMNS} FROM task WHERE lease_until <= ? ORDER BY priority, due, n"

# The first of a lane whose key is free: among the first few of the queue, or else among the first ones of each key. One of the
# two is quick, be there a hundred thousand tasks of one key, or as many keys. Takes lane ?1 and now ?3.
FIRST_KEYED = f"""
SELECT {COLUMNS} FROM task WHERE n = coalesce(
  (SELECT n FROM (SELECT n, concurrency_key FROM task INDEXED BY task_ready_keyed
                  WHERE {READY} AND concurrency_key IS NOT NULL ORDER BY priority, due, n LIMIT 256)
   WHERE concurrency_key NOT IN ({KEYS_IN_USE}) LIMIT 1),
  (WITH RECURSIVE keys (k) AS (
     SELECT min(concurrency_key) FROM task INDEXED BY task_ready_keys WHERE {READY} AND concurrency_key IS NOT NULL
     UNION ALL SELECT (SELECT min(concurrency_key) FROM task INDEXED BY task_ready_keys
                       WHERE {READY} AND concurrency_key > keys.k) FROM keys WHERE k IS NOT NULL)
   SELECT first.n FROM keys JOIN task AS first ON first.n = (
     SELECT n FROM task INDEXED BY task_ready_keys WHERE {READY} AND concurrency_key = keys.k
     ORDER BY priority, due, n LIMIT 1)
   WHERE k IS NOT NULL AND k NOT IN ({KEYS_IN_USE}) ORDER BY first.priority, first.due, first.n LIMIT 1))"""


def _of_lane(sql: str, number: int) -> str:
    return sql.replace("lane = ?", f"lane = ?{number}").replace("> ?", "> ?3")


# The first ready task of each of two lanes, with a key and without, and the first whose lease has run out: one of them is the
# next. A row of NULLs says that a not_before has been reached and END_WAITING is to run first. Takes lane, lane, now.
HEADS_OF_QUEUE = f"""
SELECT * FROM ({_of_lane(READY_IN_LANE, 1)} LIMIT 1)
UNION ALL SELECT * FROM ({_of_lane(READY_IN_LANE, 2)} LIMIT 1)
UNION ALL {_of_lane(FIRST_KEYED, 1)}
UNION ALL {_of_lane(FIRST_KEYED, 2)}
UNION ALL SELECT * FROM ({EXPIRED.replace("<= ?", "<= ?3")} LIMIT 1)
UNION ALL SELECT {", ".join("NULL" for _ in COLUMNS.split(","))}
  WHERE EXISTS (SELECT 1 FROM task WHERE wait_until <= ?3)"""


def ready_in_lane(lane: str, tags: Sequence[str], *, now_us: int) -> Sequence[tuple[str, tuple[Any, ...]]]:
    """The ready rows of a lane that carry all the tags, in the order of claiming: those without a key, those with one."""
    tagged = "WHERE " + TAGGED * len(tags)
    return (
        (READY_IN_LANE.replace("WHERE ", tagged, 1), (*tags, lane)),
        (KEYED_IN_LANE.replace("WHERE ", tagged, 1), (*tags, lane, now_us)),
    )
