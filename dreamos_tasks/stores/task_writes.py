"""How a task's row is written: an INSERT or UPDATE of the columns that differ, which leaves the other indexes alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from functools import cache
from itertools import compress
from operator import attrgetter, is_not
from typing import Any

from dreamos_tasks.model.task import PRIORITY_RANKS, QUEUED, TASK_FIELDS, Task
from dreamos_tasks.stores.rows import NEVER, SPEC_FIELDS, STATE_FIELDS, lane_of, spec_text, state_text, to_us

Value = Callable[[Task], Any]


def _instant(name: str) -> Value:
    get = attrgetter(name)

    def value(task: Task) -> int | None:
        instant = get(task)
        return None if instant is None else to_us(instant)

    return value


def _of_claim(value: Callable[[Any], Any]) -> Value:
    return lambda task: None if task.claim is None else value(task.claim)


# What each column holds of a task. `n`, `last_seq` and `unmet` are not the task's own.
VALUES: dict[str, Value] = {
    "task_id": lambda task: task.task_id,
    "status": lambda task: task.status.value,
    "queued": lambda task: 1 if task.status in QUEUED else 0,
    # The not_before of a task that a claim could otherwise take. One that is past is cleared when the next task is looked for.
    "wait_until": lambda task: None if task.not_before is None or task.status not in QUEUED else to_us(task.not_before),
    "priority": lambda task: PRIORITY_RANKS[task.priority],
    "lane": lane_of,
    "due": lambda task: NEVER if task.due_at is None else to_us(task.due_at),
    "title": lambda task: task.title,
    "assigned_to": lambda task: task.assigned_to,
    "parent_id": lambda task: task.parent_id,
    "dedupe_key": lambda task: task.dedupe_key,
    "not_before": _instant("not_before"),
    "claimed_by": _of_claim(lambda claim: claim.agent_id),
    "claimed_at": _of_claim(lambda claim: to_us(claim.claimed_at)),
    "lease_until": _of_claim(lambda claim: to_us(claim.lease_until)),
    "heartbeat_at": _of_claim(lambda claim: to_us(claim.heartbeat_at)),
    "last_token": lambda task: task.last_token,
    "attempt": lambda task: task.attempt,
    "created_at": _instant("created_at"),
    "updated_at": _instant("updated_at"),
    "pending_since": _instant("pending_since"),
    "started_at": _instant("started_at"),
    "finished_at": _instant("finished_at"),
    "concurrency_key": attrgetter("concurrency_key"),
    "line": lambda task: None if task.gate_wait is None else task.gate_wait.line,
    "spec": spec_text,
    "state": state_text,
}
# Which columns a field shows in, where that is not one column of its own name.
COLUMNS_OF: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(SPEC_FIELDS, ("spec",)),
    **dict.fromkeys(STATE_FIELDS, ("state",)),
    "status": ("status", "queued", "wait_until", "state"),  # whether there is a deadline depends on it
    "claim": ("claimed_by", "claimed_at", "lease_until", "heartbeat_at", "state"),
    "not_before": ("not_before", "wait_until"),
    "assigned_to": ("assigned_to", "lane"),
    "plan": ("spec", "lane"),
    "due_at": ("due",),
    "concurrency_key": ("spec", "concurrency_key"),
    "gate_wait": ("state", "line"),
}
# Without a default in the table: a new row names them, whatever they are.
ALWAYS = ("task_id", "status", "priority", "lane", "queued", "due", "title", "created_at", "updated_at")
_values = attrgetter(*TASK_FIELDS)
_DEFAULTS = tuple(None if f.default is MISSING else f.default for f in fields(Task))


def insert_of(task: Task, *, last_seq: int, unmet: int) -> tuple[str, list[Any]]:
    """The statement that writes a new task's row, and its bindings."""
    sql, values = _insert(tuple(compress(TASK_FIELDS, map(is_not, _values(task), _DEFAULTS))))
    row = [value(task) for value in values]
    row += (last_seq, unmet)
    return sql, row


def differing_fields(before: Task, task: Task) -> tuple[str, ...]:
    """The fields of which the two do not have the very same value."""
    return tuple(compress(TASK_FIELDS, map(is_not, _values(before), _values(task))))


def update_of(task: Task, differing: tuple[str, ...], *, last_seq: int, n: int) -> tuple[str, list[Any]]:
    """The statement that writes the differing fields into the row `n`, and its bindings. `unmet` is kept by others."""
    sql, values = _update(differing)
    row = [value(task) for value in values]
    row += (last_seq, n)
    return sql, row


@cache
def _insert(differing: tuple[str, ...]) -> tuple[str, Sequence[Value]]:
    columns = dict.fromkeys((*ALWAYS, *_columns(differing)))
    names = ", ".join((*columns, "last_seq", "unmet"))
    return f"INSERT INTO task ({names}) VALUES ({', '.join('?' * (len(columns) + 2))})", [VALUES[c] for c in columns]


@cache
def _update(differing: tuple[str, ...]) -> tuple[str, Sequence[Value]]:
    columns = _columns(differing)
    names = "".join(f"{column} = ?, " for column in columns)
    return f"UPDATE task SET {names}last_seq = ? WHERE n = ?", [VALUES[column] for column in columns]


def _columns(names: Sequence[str]) -> dict[str, None]:
    return dict.fromkeys(column for name in names for column in COLUMNS_OF.get(name, (name,)))
