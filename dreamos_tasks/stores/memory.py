"""MemoryStore: the board in dicts, for tests and dry runs; JsonStore writes the same dicts to a file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from threading import RLock

from dreamos_tasks.errors import BoardUnavailable, DuplicateTaskId, Refused
from dreamos_tasks.model.event import STEP_ENDS, Change, Event
from dreamos_tasks.model.hold import KeyUse
from dreamos_tasks.model.lifecycle import deadline_of, seen_at
from dreamos_tasks.model.pruning import KEPT_EVENTS, HistoryPage
from dreamos_tasks.model.query import ClaimRequest, Order, TaskQuery
from dreamos_tasks.model.selection import can_be_next, fits, queue_key
from dreamos_tasks.model.task import QUEUED, Status, Task
from dreamos_tasks.protocols import ClockReading
from dreamos_tasks.stores.replay import replay_problems
from dreamos_tasks.stores.shelves import NOTHING_KEPT, Form

COUNTED_FIELDS = ("status", "priority", "agent", "tag")


class MemoryStore:
    """A board that lasts as long as its process."""

    def __init__(self) -> None:
        self.key_limits: Mapping[str, int] = {}
        self._lock = RLock()
        self._in_transaction = False
        self._tasks: dict[str, Task] = {}  # in order of age
        self._events: list[Event] = []
        self._offsets: dict[str, int] = {}
        self._shelves = NOTHING_KEPT
        self._mark = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One thread at a time; an error inside takes everything back."""
        with self._lock:
            outermost = not self._in_transaction
            tasks, events, offsets = dict(self._tasks), self._events, dict(self._offsets)
            event_count = len(events)
            shelves = self._shelves
            self._in_transaction = True
            try:
                yield
            except BaseException:
                self._tasks, self._offsets, self._shelves = tasks, offsets, shelves
                del events[event_count:]
                self._events = events
                raise
            finally:
                self._in_transaction = not outermost
            self._mark += outermost

    def clock_offset(self, measure: ClockReading) -> int:
        """See TaskStore."""
        with self._reading():
            if measure.boot_id not in self._offsets:
                self._offsets = {measure.boot_id: measure.wall_us - measure.since_boot_us}
            return self._offsets[measure.boot_id]

    def set_clock_offset(self, boot_id: str, offset_us: int) -> None:
        """See TaskStore."""
        self._offsets = {boot_id: offset_us}

    def get(self, task_id: str) -> Task | None:
        """See TaskStore."""
        with self._reading():
            return self._tasks.get(task_id)

    def find(self, query: TaskQuery, *, now: datetime) -> Sequence[Task]:
        """See TaskStore."""
        with self._reading():
            ordered = list(self._tasks.values())
            if query.order is Order.NEWEST:
                ordered.reverse()
            elif query.order is Order.QUEUE:
                ordered.sort(key=queue_key)
            if query.after is not None:
                ids = [task.task_id for task in ordered]
                ordered = ordered[ids.index(query.after) + 1 :] if query.after in self._tasks else []
            holders = self._key_holders(now)
            found = [
                task
                for task in ordered
                if fits(
                    task,
                    query,
                    unfinished=self._unfinished(task),
                    now=now,
                    key_use=self._key_use(task, holders, now=now),
                )
            ]
        return found[: query.limit]

    def count(self, field: str, *, now: datetime) -> Mapping[str, int]:
        """See TaskStore."""
        if field not in COUNTED_FIELDS:
            raise ValueError(f"tasks are not counted by {field!r}")
        tally: Counter[str] = Counter()
        with self._reading():
            for task in self._tasks.values():
                tally.update(_counted_words(seen_at(task, now), field))
        return tally

    def next_claimable(self, request: ClaimRequest, *, now: datetime) -> Task | None:
        """See TaskStore."""
        with self._reading():
            holders = self._key_holders(now)
            candidates = (
                task
                for task in self._tasks.values()
                if can_be_next(task, request, unfinished=self._unfinished(task), now=now)
                and self._key_use(task, holders, now=now) is None
            )
            return min(candidates, key=queue_key, default=None)  # the first of equals is the oldest

    def unfinished_dependencies(self, task: Task) -> Sequence[str]:
        """See TaskStore."""
        with self._reading():
            return self._unfinished(task)

    def key_use(self, task: Task, *, now: datetime) -> KeyUse | None:
        """See TaskStore."""
        with self._reading():
            return self._key_use(task, self._key_holders(now), now=now)

    def kept(self, shelf: str, key: str) -> Mapping[str, object] | None:
        """See TaskStore."""
        with self._reading():
            return self._shelves.get(shelf, key)

    def keep(self, shelf: str, key: str, form: Mapping[str, object] | None) -> None:
        """See TaskStore."""
        if not self._in_transaction:
            raise RuntimeError("keep needs an open transaction")
        self._shelves = self._shelves.put(shelf, key, form)

    def all_kept(
        self, shelf: str, *, prefix: str = "", after: str = "", limit: int = 1000
    ) -> Mapping[str, Mapping[str, object]]:
        """See TaskStore."""
        with self._reading():
            return self._shelves.scan(shelf, prefix=prefix, after=after, limit=limit)

    def shelves(self) -> Sequence[str]:
        """See TaskStore."""
        with self._reading():
            return self._shelves.names()

    def waiting_in(self, line: str, *, limit: int) -> Sequence[str]:
        """See TaskStore."""
        with self._reading():
            waiting = [
                task
                for task in self._tasks.values()
                if task.gate_wait is not None and task.gate_wait.line == line and task.status in QUEUED
            ]
        return [task.task_id for task in sorted(waiting, key=queue_key)][:limit]

    def save(self, change: Change) -> None:
        """See TaskStore."""
        if not self._in_transaction:
            raise RuntimeError("save needs an open transaction")
        task = change.task
        if change.before is None and task.task_id in self._tasks:
            raise DuplicateTaskId(task.task_id)
        self._tasks[task.task_id] = task
        first = self.last_seq() + 1
        self._events.extend(replace(event, seq=first + index) for index, event in enumerate(change.events))

    def load(
        self,
        tasks: Iterable[Task],
        events: Iterable[Event],
        *,
        offsets: Mapping[str, int],
        kept: Iterable[tuple[str, str, Form]] = (),
    ) -> None:
        """See TaskStore."""
        if not self._in_transaction:
            raise RuntimeError("load needs an open transaction")
        if self._tasks or self._events:
            raise Refused("the board to fill is not empty", fix="name a new file for it")
        self._tasks = {task.task_id: task for task in tasks}
        self._events.extend(events)
        self._offsets = dict(offsets)
        self._shelves = self._shelves.filled(kept)

    def events_after(self, seq: int, *, task_id: str | None = None, limit: int = 1000) -> Sequence[Event]:
        """See TaskStore."""
        with self._reading():
            wanted = [
                event for event in self._events if event.seq > seq and (task_id is None or event.task_id == task_id)
            ]
        return wanted[:limit]

    def step_ends(
        self, *, tool: str | None = None, step: str | None = None, since: datetime | None = None, limit: int = 1000
    ) -> Sequence[Event]:
        """See TaskStore."""
        with self._reading():
            found = (
                replace(event, changes={})
                for event in reversed(self._events)
                if event.type in STEP_ENDS
                and tool in (None, event.detail.get("tool"))
                and step in (None, event.detail.get("step"))
                and (since is None or event.at >= since)
            )
            return list(islice(found, limit))

    def long_histories(self, *, ended_before: datetime, after: str | None = None, limit: int = 1000) -> HistoryPage:
        """See TaskStore."""
        with self._reading():
            ids = list(self._tasks)
            looked_at = ids[ids.index(after) + 1 if after is not None else 0 :][:limit]
            counts = Counter(event.task_id for event in self._events)
            found = [
                task_id
                for task_id in looked_at
                if (ended := self._tasks[task_id].finished_at) is not None
                and self._tasks[task_id].is_final
                and ended < ended_before
                and counts[task_id] > KEPT_EVENTS
            ]
        return HistoryPage(task_ids=tuple(found), last=looked_at[-1] if len(looked_at) == limit else None)

    def shorten_history(self, event: Event) -> int:
        """See TaskStore."""
        if not self._in_transaction:
            raise RuntimeError("shorten_history needs an open transaction")
        seqs = [other.seq for other in self._events if other.task_id == event.task_id]
        assert seqs[-1:] == [event.seq], "the event stands for the task's newest"
        gone = frozenset(seqs[1:-1])
        self._events = [event if each.seq == event.seq else each for each in self._events if each.seq not in gone]
        return len(gone)

    def last_seq(self) -> int:
        """See TaskStore."""
        with self._reading():
            return self._events[-1].seq if self._events else 0

    def task_count(self) -> int:
        """See TaskStore."""
        with self._reading():
            return len(self._tasks)

    def next_instant(self, *, now: datetime) -> datetime | None:
        """See TaskStore."""
        with self._reading():
            tasks = self._tasks.values()
            instants = [task.claim.lease_until for task in tasks if task.claim is not None]
            instants += [task.not_before for task in tasks if task.not_before is not None and task.status in QUEUED]
            instants += [deadline for deadline in map(deadline_of, tasks) if deadline is not None]
        return min((instant for instant in instants if instant > now), default=None)

    def change_mark(self) -> int:
        """See TaskStore."""
        return self._mark

    def backup(self, target: Path) -> None:
        """A board in memory has nowhere to be copied to."""
        raise BoardUnavailable(f"a board in memory cannot be backed up to {target}", fix="use a SQLite or JSON board")

    def integrity_problems(self) -> Sequence[str]:
        """See TaskStore. Whatever the events do not tell."""
        with self._reading():
            return replay_problems(self._tasks.values(), self._events)

    def survive_forks(self) -> None:
        """See TaskStore. A child has a board of its own."""

    def close(self) -> None:
        """See TaskStore."""

    def _reading(self) -> AbstractContextManager[object]:
        """Held while something is read that must not change meanwhile."""
        return self._lock

    def _key_holders(self, now: datetime) -> Mapping[str, Sequence[str]]:
        """Who runs now under each concurrency_key."""
        holders: dict[str, list[str]] = {}
        for task in self._tasks.values():
            if task.concurrency_key is not None and task.claim is not None and task.claim.lease_until > now:
                holders.setdefault(task.concurrency_key, []).append(task.task_id)
        return holders

    def _key_use(self, task: Task, holders: Mapping[str, Sequence[str]], *, now: datetime) -> KeyUse | None:
        if task.concurrency_key is None:
            return None
        others = tuple(other for other in holders.get(task.concurrency_key, ()) if other != task.task_id)
        if len(others) < self.key_limits.get(task.concurrency_key, 1):
            return None
        rivals = [
            other
            for other in self._tasks.values()
            if other.concurrency_key == task.concurrency_key and other.status in QUEUED
        ]
        ids = [other.task_id for other in sorted(rivals, key=queue_key)]
        place = ids.index(task.task_id) + 1 if task.task_id in ids else len(ids) + 1
        return KeyUse(key=task.concurrency_key, holders=others, place=place)

    def _unfinished(self, task: Task) -> list[str]:
        return [other for other in task.depends_on if not self._is_completed(other)]

    def _is_completed(self, task_id: str) -> bool:
        task = self._tasks.get(task_id)
        return task is not None and task.status is Status.COMPLETED


def _counted_words(task: Task, field: str) -> tuple[str, ...]:
    """Under which words of `field` a task is counted."""
    match field:
        case "status":
            return (task.status.value,)
        case "priority":
            return (task.priority.value,)
        case "agent":
            return (task.claim.agent_id,) if task.claim else ()
        case _:
            return task.tags
