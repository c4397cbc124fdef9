"""Bounds: the limits of one run, held by a cgroup where there is one, and otherwise by rlimits and by looking at /proc."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Protocol

from dreamos_tasks.model.limits import Limits, Usage
from dreamos_tasks.tools.breach import Breach
from dreamos_tasks.tools.cgroup import Cgroups, StepGroup
from dreamos_tasks.tools.guard import Guard
from dreamos_tasks.tools.hurry import before_all_others
from dreamos_tasks.tools.metering import Reading, TreeMeter, reading_at_end
from dreamos_tasks.tools.process import Process
from dreamos_tasks.tools.process_table import ProcessStat, send_signal, with_descendants


class Find(Protocol):
    """Gives the living processes of a run; see `with_descendants`."""

    def __call__(
        self, *, at_most: int | None = None, visit: Callable[[ProcessStat], object] = ...
    ) -> Sequence[ProcessStat]: ...


class Bounds:
    """Of one run: made as soon as its first process is there, before that has done anything, and closed after it."""

    def __init__(self, process: Process, limits: Limits, cgroups: Cgroups | None, *, find: Find) -> None:
        self.spreads = False  # so that there is no time to ask it to end
        self._hurry = ExitStack()
        self._process = process
        self._limits = limits
        self._cgroups = cgroups
        self._find = find
        self._tree = TreeMeter(self._counted, memory_bytes=limits.memory_bytes)
        self._group = self._grouped(process.pid)
        self._guard = Guard(self.read, limits, on_breach=self._end)

    def living(self) -> Sequence[ProcessStat]:
        """All processes of the run."""
        return self._all(lambda _stat: None)

    def kill(self) -> Sequence[ProcessStat]:
        """Kill them all: at one stroke what the kernel knows to be of the run, the rest one by one. Gives those it found."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)  # it is nobody else's before the process is closed
        if self._group is not None:
            self._group.kill()
        return self._all(lambda stat: send_signal(stat.identity, signal.SIGKILL))

    def read(self) -> Reading:
        """What the run uses now."""
        if self._group is None:
            return self._tree.read()
        reading = self._group.read()
        if self._limits.written_bytes is None or "io" in self._group.controllers:
            return reading
        return replace(reading, written_bytes=self._tree.read().written_bytes)

    def stop_looking(self) -> None:
        """The run is over."""
        self._guard.stop()

    def close(self, status: int | None) -> tuple[Usage, Breach | None]:
        """What the run has used in all, and the limit it broke. The process is closed, and nothing of the run is alive."""
        self._hurry.close()
        tally = self._guard.tally
        if self._process.used is not None:
            tally.add(reading_at_end(self._process.used))
        breach = self._guard.breach or self._seen_by_kernel(status)
        if self._group is not None and self._cgroups is not None:
            tally.add(self._group.read_at_end())
            self._cgroups.drop(self._group)
        return tally.usage, breach

    def _end(self, breach: Breach) -> None:
        self.spreads = breach.spreads
        if self.spreads:
            self._hurry.enter_context(before_all_others())
        self._process.give_up()

    def _all(self, visit: Callable[[ProcessStat], object]) -> Sequence[ProcessStat]:
        """Who is killed when it is found, before its children are looked for, starts no other."""
        found = list(self._find(visit=visit))
        if self._group is not None:
            known = {stat.pid for stat in found}
            found += with_descendants((pid for pid in self._group.pids() if pid not in known), visit=visit)
        return found

    def _grouped(self, pid: int) -> StepGroup | None:
        """A group with the process in it, and with what it may have started by now."""
        if self._cgroups is None or not self._limits.need_watching:
            return None
        try:
            group = self._cgroups.make(self._limits)
        except OSError:  # its limits are held without
            return None
        try:
            while outside := {stat.pid for stat in with_descendants([pid])} - set(group.pids()):
                group.add(outside)
        except OSError:  # the process is another user's
            group.remove()
            return None
        return group

    def _counted(self) -> Sequence[ProcessStat]:
        """As many as are of interest; more than may be there need not be told apart."""
        most = self._limits.processes
        return self._find(at_most=None if most is None else most + 1)

    def _seen_by_kernel(self, status: int | None) -> Breach | None:
        if status == -signal.SIGXCPU and self._limits.cpu_seconds is not None:
            return Breach(limit="cpu_seconds", most=self._limits.cpu_seconds, used=self._limits.cpu_seconds)
        return self._group.breach(self._limits) if self._group is not None and status else None
