"""Metering: what a tree of processes uses, by looking at it from time to time, and by what the kernel adds up at its end."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dreamos_tasks.model.limits import Usage
from dreamos_tasks.tools.process_table import (
    Identity,
    ProcessStat,
    proportional_bytes,
    resident_bytes,
    written_bytes,
)

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_BLOCK_BYTES = 512  # what the kernel counts written blocks of a process in (getrusage(2), ru_oublock)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One look: what is held now, and what has been used up so far."""

    memory_bytes: int = 0
    processes: int = 0
    cpu_seconds: float = 0.0
    written_bytes: int = 0


class TreeMeter:
    """Reads /proc. `find` gives the processes of the tree that are alive.

    What is used up between the last look and a process's end is known only where its parent waited for it.
    """

    def __init__(self, find: Callable[[], Sequence[ProcessStat]], *, memory_bytes: int | None = None) -> None:
        self._find = find
        self._memory_limit = memory_bytes
        self._adopted: dict[Identity, Reading] = {}  # orphans: when they end, nobody adds up what they used
        self._lost = Reading()
        self._used = Reading()

    def read(self) -> Reading:
        """Look at each process."""
        stats = self._find()
        readings = {stat.identity: _reading_of(stat) for stat in stats}
        self._bury(readings)
        us = os.getpid()
        self._adopted = {stat.identity: readings[stat.identity] for stat in stats if stat.parent == us}
        self._used = Reading(
            memory_bytes=self._memory(stats, sum(reading.memory_bytes for reading in readings.values())),
            processes=len(stats),
            cpu_seconds=max(self._used.cpu_seconds, _sum("cpu_seconds", readings, self._lost)),
            written_bytes=max(self._used.written_bytes, int(_sum("written_bytes", readings, self._lost))),
        )
        return self._used

    def _bury(self, living: dict[Identity, Reading]) -> None:
        gone = {identity: reading for identity, reading in self._adopted.items() if identity not in living}
        self._lost = Reading(
            cpu_seconds=_sum("cpu_seconds", gone, self._lost),
            written_bytes=int(_sum("written_bytes", gone, self._lost)),
        )

    def _memory(self, stats: Sequence[ProcessStat], resident: int) -> int:
        """What they hold together. Only when that looks like too much, it is worth the time to count shared memory once."""
        if self._memory_limit is None or resident <= self._memory_limit:
            return resident
        parts = [(proportional_bytes(stat.pid), stat.pid) for stat in stats]
        return sum(resident_bytes(pid) if part is None else part for part, pid in parts)


class Tally:
    """Makes a Usage out of readings: the peaks of what rises and falls, the last of what only grows."""

    def __init__(self) -> None:
        self.usage = Usage()

    def add(self, reading: Reading) -> None:
        """Take a reading in."""
        self.usage = Usage(
            peak_memory_bytes=max(self.usage.peak_memory_bytes, reading.memory_bytes),
            peak_processes=max(self.usage.peak_processes, reading.processes),
            cpu_seconds=max(self.usage.cpu_seconds, reading.cpu_seconds),
            written_bytes=max(self.usage.written_bytes, reading.written_bytes),
        )


class _OwnPeak:
    """The most memory that this process has ever had (KiB): it takes long to ask, and never becomes less."""

    at_least = 0

    def read(self) -> int:
        self.at_least = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return self.at_least


_own_peak = _OwnPeak()


def reading_at_end(used: resource.struct_rusage) -> Reading:
    """What the kernel added up for a process that has ended, and for those it has waited for.

    The peak counts from before it became another program: one that is no higher than our own is ours.
    """
    peak = used.ru_maxrss if used.ru_maxrss > _own_peak.at_least and used.ru_maxrss > _own_peak.read() else 0
    return Reading(
        memory_bytes=peak * 1024,
        processes=1,
        cpu_seconds=used.ru_utime + used.ru_stime,
        written_bytes=used.ru_oublock * _BLOCK_BYTES,
    )


def _reading_of(stat: ProcessStat) -> Reading:
    return Reading(
        memory_bytes=resident_bytes(stat.pid),
        cpu_seconds=stat.cpu_ticks / _TICKS_A_SECOND,
        written_bytes=written_bytes(stat.pid),
    )


def _sum(field: str, readings: dict[Identity, Reading], more: Reading) -> float:
    return sum((getattr(reading, field) for reading in readings.values()), start=float(getattr(more, field)))
