"""Pressure: how short the machine is of memory, processors and disk, and how many tasks should run on it at once then.

The shares of time are the kernel's own (PSI, Documentation/accounting/psi.rst): in how much of the last 10 s somebody waited.
"""

from __future__ import annotations

import math
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

READ_AGAIN_SECONDS = 1.0  # the kernel's own averages are renewed every 2 s
MIB = 1 << 20

_AVERAGE = re.compile(r"^(?P<kind>some|full) avg10=(?P<percent>[\d.]+)", re.MULTILINE)
_FIELD = re.compile(r"^(?P<name>\w+):\s+(?P<kib>\d+) kB$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """What a machine without trouble shows. Shares are of 1; a share of time is 0 where the kernel does not tell.

    `memory_waited`: somebody waited for memory; `memory_stood_still`: nobody could go on for want of it.
    `disk_free_bytes` None: not known.
    """

    memory_available: float = 1.0
    memory_waited: float = 0.0
    memory_stood_still: float = 0.0
    cpu_waited: float | None = None
    load_per_cpu: float = 0.0
    disk_free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class _Rule:
    """From `half` on, half as many; from `one` on, a single one. `words` say what is seen."""

    words: str
    seen: float
    half: float
    one: float

    def slots(self, capacity: int) -> int:
        if self.seen >= self.one:
            return min(1, capacity)
        return math.ceil(capacity / 2) if self.seen >= self.half else capacity


def slots_under(pressure: Pressure, capacity: int, *, disk_free_bytes: int = 0) -> tuple[int, str]:
    """How many tasks may run at once instead of `capacity`, and why; "" when it is as many.

    None with less than `disk_free_bytes` of room; otherwise at least one: a machine that is always busy gets its work done too.
    """
    free = pressure.disk_free_bytes
    if free is not None and free < disk_free_bytes:
        least = f"{disk_free_bytes // MIB} MiB (limits.disk_free_bytes)"
        return 0, f"no task is started: {free // MIB} MiB are free on the disk, less than {least}"
    rule = min(_rules(pressure), key=lambda rule: rule.slots(capacity))
    slots = rule.slots(capacity)
    if slots == capacity:
        return capacity, ""
    return slots, f"{slots} instead of {capacity} tasks at once: {rule.words}"


def _rules(pressure: Pressure) -> tuple[_Rule, ...]:
    taken = 1 - pressure.memory_available
    load = pressure.load_per_cpu
    if pressure.cpu_waited is not None and pressure.cpu_waited < 0.5:
        load = 0.0  # the load average lags a minute behind, and counts who waits for a disk
    return (
        _Rule(f"{pressure.memory_available:.0%} of the memory is available", taken, 0.9, 0.97),
        _Rule(f"processes wait for memory {pressure.memory_waited:.0%} of the time", pressure.memory_waited, 0.2, 0.6),
        _Rule(
            f"everything waits for memory {pressure.memory_stood_still:.0%} of the time",
            pressure.memory_stood_still,
            0.05,
            0.2,
        ),
        _Rule(f"the load is {pressure.load_per_cpu:.1f} for each processor", load, 8.0, 32.0),
    )


def read_pressure(folder: Path, *, proc: Path = Path("/proc")) -> Pressure:
    """The pressure now; `folder` is on the disk that must have room. What cannot be read is taken to be well."""
    memory = dict(_averages(_text(proc / "pressure/memory")))
    cpu = dict(_averages(_text(proc / "pressure/cpu")))
    load = _text(proc / "loadavg").split()
    return Pressure(
        memory_available=_available(_text(proc / "meminfo")),
        memory_waited=memory.get("some", 0.0),
        memory_stood_still=memory.get("full", 0.0),
        cpu_waited=cpu.get("some"),
        load_per_cpu=float(load[0]) / len(os.sched_getaffinity(0)) if load else 0.0,
        disk_free_bytes=_free(folder),
    )


class PressureGauge:
    """Reads the pressure, at most once a second."""

    def __init__(
        self, folder: Path, *, proc: Path = Path("/proc"), monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._folder = folder
        self._proc = proc
        self._monotonic = monotonic
        self._last = Pressure()
        self._read_at = -math.inf

    def read(self) -> Pressure:
        """The pressure now, or a moment ago."""
        now = self._monotonic()
        if now - self._read_at >= READ_AGAIN_SECONDS:
            self._last = read_pressure(self._folder, proc=self._proc)
            self._read_at = now
        return self._last


def _averages(text: str) -> list[tuple[str, float]]:
    return [(found["kind"], float(found["percent"]) / 100) for found in _AVERAGE.finditer(text)]


def _available(text: str) -> float:
    sizes = {found["name"]: int(found["kib"]) for found in _FIELD.finditer(text)}
    total = sizes.get("MemTotal", 0)
    return sizes.get("MemAvailable", total) / total if total else 1.0


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def _text(file: Path) -> str:
    """Empty where the kernel does not tell, or does so only when it was started with psi=1."""
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
