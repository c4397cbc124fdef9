"""What tests fake: time, and the reading of the machine's clocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class FakeClock:
    """A Clock that stands still until it is told otherwise."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start

    def now(self) -> datetime:
        """See Clock."""
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Let time pass; gives the new instant."""
        self._now += timedelta(seconds=seconds)
        return self._now


@dataclass
class FakeMachine:
    """A machine whose wall clock can be set, and which can be booted again. `read` stands in for `read_machine`."""

    boot_id: str = "boot-1"
    since_boot_us: int = 1_000_000_000
    wall_us: int = int(START.timestamp()) * 1_000_000

    def read(self) -> FakeReading:
        """The clocks now."""
        return FakeReading(self.boot_id, self.since_boot_us, self.wall_us)

    def advance(self, seconds: float) -> None:
        """Let time pass on all clocks."""
        self.since_boot_us += round(seconds * 1_000_000)
        self.wall_us += round(seconds * 1_000_000)

    def set_wall_clock(self, seconds: float) -> None:
        """Move only the wall clock, as a person, NTP or a dead battery does."""
        self.wall_us += round(seconds * 1_000_000)

    def boot(self, boot_id: str) -> None:
        """Start again: the clock since boot begins at nothing."""
        self.boot_id = boot_id
        self.since_boot_us = 5_000_000


@dataclass(frozen=True)
class FakeReading:
    """One reading of a FakeMachine."""

    boot_id: str
    since_boot_us: int
    wall_us: int


def at(seconds: float) -> datetime:
    """The instant so long after START."""
    return START + timedelta(seconds=seconds)


def without(mapping: Mapping[str, object], *keys: str) -> dict[str, object]:
    """The mapping, some keys aside."""
    return {key: value for key, value in mapping.items() if key not in keys}
