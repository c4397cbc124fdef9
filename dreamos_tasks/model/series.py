"""Series: what the events of a day tell, minute by minute: how many tasks came and ended, how long steps took. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dreamos_tasks.model.event import STEP_ENDS, Event, EventType
from dreamos_tasks.model.metrics import quantile

MINUTE_SECONDS = 60
MOST_SAMPLES = 500  # durations that are kept of one minute: their quantiles hardly change with more
DAY_SECONDS = 24 * 60 * MINUTE_SECONDS


@dataclass(slots=True)
class Minute:
    """What happened in one minute. `opened` and `started` are differences: they can be below zero."""

    added: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    retried: int = 0
    opened: int = 0
    started: int = 0
    steps: int = 0
    steps_failed: int = 0
    seconds: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def add(self, other: Minute) -> None:
        """Count what happened in another one too."""
        for name in COUNTED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.seconds += other.seconds
        self.waited += other.waited


COUNTED = ("added", "completed", "failed", "cancelled", "retried", "opened", "started", "steps", "steps_failed")
TOLD = ("added", "completed", "failed", "cancelled", "retried", "steps", "steps_failed")
ENDS = {
    EventType.TASK_COMPLETED: "completed",
    EventType.TASK_FAILED: "failed",
    EventType.TASK_CANCELLED: "cancelled",
    EventType.TASK_RETRY_SCHEDULED: "retried",
}


class Series:
    """Minutes that are filled with events, oldest first, and read as columns."""

    def __init__(self) -> None:
        self._minutes: dict[int, Minute] = {}

    def add(self, event: Event) -> None:
        """Count an event."""
        minute = self._minutes.setdefault(int(event.at.timestamp()) // MINUTE_SECONDS, Minute())
        _count(minute, event)

    def forget_before(self, instant: datetime) -> None:
        """Let go of what is older."""
        first = int(instant.timestamp()) // MINUTE_SECONDS
        self._minutes = {number: minute for number, minute in self._minutes.items() if number >= first}

    def columns(
        self, *, now: datetime, window_seconds: int, bucket_seconds: int, open_now: int, running_now: int
    ) -> dict[str, Any]:
        """Equally long buckets up to `now`, oldest first: `at` is the end of each in seconds since 1970.

        `open` and `running` are how many tasks were not over, and how many were held, at the end of each: counted back from
        what is known now. Quantiles are None where no step ended.
        """
        last = int(now.timestamp()) // bucket_seconds
        buckets = {last - back: Minute() for back in range(window_seconds // bucket_seconds)}
        for number, minute in self._minutes.items():
            bucket = buckets.get(number * MINUTE_SECONDS // bucket_seconds)
            if bucket is not None:
                bucket.add(minute)
        order = sorted(buckets)
        rows = [buckets[number] for number in order]
        levels = _levels(rows, open_now=open_now, running_now=running_now)
        return {
            "bucket_seconds": bucket_seconds,
            "at": [(number + 1) * bucket_seconds for number in order],
            **{name: [getattr(row, name) for row in rows] for name in TOLD},
            "open": [level[0] for level in levels],
            "running": [level[1] for level in levels],
            "step_p50_seconds": [quantile(sorted(row.seconds), 0.5) for row in rows],
            "step_p95_seconds": [quantile(sorted(row.seconds), 0.95) for row in rows],
            "waited_p50_seconds": [quantile(sorted(row.waited), 0.5) for row in rows],
        }


def _levels(rows: Sequence[Minute], *, open_now: int, running_now: int) -> list[tuple[int, int]]:
    """How many were open and running at the end of each row."""
    levels = []
    for row in reversed(rows):
        levels.append((max(0, open_now), max(0, running_now)))
        open_now -= row.opened
        running_now -= row.started
    return levels[::-1]


def _count(minute: Minute, event: Event) -> None:
    changes = event.changes
    if event.type is EventType.TASK_ADDED:
        minute.added += 1
        minute.opened += changes.get("finished_at") is None
    elif "finished_at" in changes:
        minute.opened += 1 if changes["finished_at"] is None else -1
    if event.type is EventType.TASK_CLAIMED:
        minute.started += 1
    elif "claim" in changes and changes["claim"] is None:
        minute.started -= 1
    name = ENDS.get(event.type)
    if name is not None:
        setattr(minute, name, getattr(minute, name) + 1)
    if event.type in STEP_ENDS:
        _count_step(minute, event)


def _count_step(minute: Minute, event: Event) -> None:
    minute.steps += 1
    minute.steps_failed += event.type is EventType.STEP_FAILED
    seconds, waited = event.detail.get("seconds"), event.detail.get("waited_seconds")
    if seconds is not None and event.type is EventType.STEP_COMPLETED and len(minute.seconds) < MOST_SAMPLES:
        minute.seconds.append(float(seconds))
    if waited is not None and len(minute.waited) < MOST_SAMPLES:
        minute.waited.append(float(waited))
