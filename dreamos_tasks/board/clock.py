"""BoardClock: the board's time, which goes on evenly whatever is done to the wall clock.

Leases, retries and schedules compare instants written by different processes. If those came from the wall clock, setting it
forward a year would expire every lease at once. So an instant is the time since boot (which no one can set, and which all
processes share) plus an offset that the board keeps for this boot.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dreamos_tasks.protocols import ClockReading, TaskStore

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BOOT_CLOCK = getattr(
    time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC
)  # counts suspended time too, where there is such a clock
# Below this the board's time and the wall clock are the same for people; NTP keeps clocks within milliseconds.
NOTABLE_DRIFT_SECONDS = 2.0
# The offset changes only while nobody holds a lease, so a reading this old does no harm, and most verbs save a query.
OFFSET_KEPT_US = 1_000_000


class MachineReading(NamedTuple):
    """One reading of this machine's clocks, in microseconds."""

    boot_id: str
    since_boot_us: int
    wall_us: int


def read_machine() -> MachineReading:
    """Read the clocks now."""
    return MachineReading(
        this_boot(),
        time.clock_gettime_ns(BOOT_CLOCK) // 1000,
        time.clock_gettime_ns(time.CLOCK_REALTIME) // 1000,
    )


@cache
def this_boot() -> str:
    """The kernel's random id of this boot; "unknown" where there is none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return "unknown"


class BoardClock:
    """The time of one board."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._offset_us = 0
        self._offset_read_us: int | None = None

    def now(self) -> datetime:
        """See Clock."""
        reading = read_machine()
        since_boot_us = reading.since_boot_us
        if self._offset_read_us is None or since_boot_us - self._offset_read_us > OFFSET_KEPT_US:
            self._offset_us = self._store.clock_offset(reading)
            # One that fits this very reading to the microsecond was only measured, because the board keeps none yet: asked
            # again inside a transaction it will be kept, which a claim relies on.
            is_kept = self._offset_us != reading.wall_us - since_boot_us
            self._offset_read_us = since_boot_us if is_kept else None
        return EPOCH + timedelta(microseconds=since_boot_us + self._offset_us)

    def drift_seconds(self) -> float:
        """How far the wall clock is ahead of the board's time."""
        reading = read_machine()
        return drift_us(self._store, reading) / 1e6

    def follow_wall_clock(self) -> bool:
        """Set the board's time by the wall clock, if they differ notably and nobody holds a lease. Says whether it did."""
        reading = read_machine()
        if abs(drift_us(self._store, reading)) < NOTABLE_DRIFT_SECONDS * 1e6:
            return False
        with self._store.transaction():
            if self._store.count("agent", now=self.now()):
                return False
            self._store.set_clock_offset(reading.boot_id, reading.wall_us - reading.since_boot_us)
            self._offset_read_us = None
        return True


class SteadyClock:
    """The wall clock as it was when this was made, going on evenly: for stamps that need no board."""

    def __init__(self) -> None:
        reading = read_machine()
        self._offset_us = reading.wall_us - reading.since_boot_us

    def now(self) -> datetime:
        """See Clock."""
        return EPOCH + timedelta(microseconds=read_machine().since_boot_us + self._offset_us)


def drift_us(store: TaskStore, reading: ClockReading) -> int:
    """Microseconds by which the wall clock is ahead of the board's time."""
    return reading.wall_us - reading.since_boot_us - store.clock_offset(reading)
