"""BoardSeries: how the board's last day went, minute by minute, read from its events once and then only what is new."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.series import DAY_SECONDS, Series
from dreamos_tasks.model.task import FINAL

CHUNK = 1000  # events of one reading: some milliseconds, so that whoever writes waits no longer
MOST_EVENTS = 200_000  # of a day's: on a busier board the series begins later, and says so


class BoardSeries:
    """For one thread. `catch_up` until it says that there is no more; then `document`."""

    def __init__(self) -> None:
        self._series = Series()
        self._seq: int | None = None
        self._begins_later = False

    def catch_up(self, nexus: TaskNexus) -> bool:
        """Read some of the events that came since; whether there are more."""
        if self._seq is None:
            self._seq = self._first_seq(nexus)
        events = nexus.events(after=self._seq, limit=CHUNK)
        for event in events:
            self._series.add(event)
        if events:
            self._seq = events[-1].seq
        return len(events) == CHUNK

    def document(self, nexus: TaskNexus, *, window_seconds: int, bucket_seconds: int) -> dict[str, Any]:
        """The columns of the last `window_seconds`, and whether the first of them are missing."""
        now = nexus.clock.now()
        self._series.forget_before(now - timedelta(seconds=DAY_SECONDS + bucket_seconds))
        stats = nexus.stats()
        columns = self._series.columns(
            now=now,
            window_seconds=window_seconds,
            bucket_seconds=bucket_seconds,
            open_now=sum(number for word, number in stats["status"].items() if word not in FINAL),
            running_now=sum(stats["agent"].values()),
        )
        return {**columns, "window_seconds": window_seconds, "is_cut": self._begins_later}

    def _first_seq(self, nexus: TaskNexus) -> int:
        """The seq behind which the last day's events are, or the latest of them."""
        since = nexus.clock.now() - timedelta(seconds=DAY_SECONDS)
        last = nexus.store.last_seq()
        first = _seq_before(nexus, since, last=last)
        self._begins_later = last - first > MOST_EVENTS
        return max(first, last - MOST_EVENTS)


def _seq_before(nexus: TaskNexus, since: datetime, *, last: int) -> int:
    """The greatest seq of which all events up to it are older; found by halving, for instants grow with the seq."""
    low, high = 0, last
    while low < high:
        middle = (low + high) // 2
        found = nexus.events(after=middle, limit=1)
        if found and found[0].at < since:
            low = found[0].seq
        else:
            high = middle
    return low
