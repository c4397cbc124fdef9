"""Fills an empty SQLite board with what another board held."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import apsw

from dreamos_tasks.model.event import Event
from dreamos_tasks.model.task import Task
from dreamos_tasks.stores.rows import INSERT_EVENT, event_to_row
from dreamos_tasks.stores.task_writes import insert_of


def fill(
    connection: apsw.Connection,
    tasks: Iterable[Task],
    events: Iterable[Event],
    *,
    link: Callable[[apsw.Connection, Task, int], None],
) -> None:
    """Write tasks and events as they are. `link` writes down what a task (with its number) is linked to."""
    numbers: dict[str, int] = {}
    linked = []
    for task in tasks:
        connection.execute(*insert_of(task, last_seq=0, unmet=0))
        numbers[task.task_id] = connection.last_insert_rowid()
        if task.tags or task.depends_on:
            linked.append(task)
    for task in linked:
        link(connection, task, numbers[task.task_id])
    newest: dict[int, int] = {}
    for event in events:
        n = numbers[event.task_id]
        connection.execute(INSERT_EVENT, (event.seq, n, newest.get(n), *event_to_row(event)))
        newest[n] = event.seq
    connection.executemany("UPDATE task SET last_seq = ? WHERE n = ?", [(seq, n) for n, seq in newest.items()])
