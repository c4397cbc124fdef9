"""Copies a whole board into a store of another kind, without loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from dreamos_tasks.model.event import Event
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.protocols import ClockReading, TaskStore

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # every task is asked for, so no instant is meant by `now`


def copy_board(source: TaskStore, target: TaskStore, *, measure: ClockReading) -> int:
    """Fill the empty `target` with all that `source` holds; gives the number of tasks.

    Tasks keep their order of age, their claims and tokens, events their seq, and time goes on: leases run out when they
    would have. Nobody writes to either board meanwhile. Raises Refused when the target is not empty, BoardUnavailable.
    """
    with source.transaction(), target.transaction():
        tasks = source.find(TaskQuery(order=Order.AGE), now=EPOCH)
        offsets = {measure.boot_id: source.clock_offset(measure)}
        target.load(tasks, all_events(source), offsets=offsets, kept=_all_kept(source))
    return len(tasks)


def _all_kept(store: TaskStore) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    for shelf in store.shelves():
        after = ""
        while batch := store.all_kept(shelf, after=after):
            for key, form in batch.items():
                yield shelf, key, form
            after = key


def all_events(store: TaskStore) -> Iterator[Event]:
    """Every event of a board, oldest first."""
    after = 0
    while batch := store.events_after(after):
        yield from batch
        after = batch[-1].seq
