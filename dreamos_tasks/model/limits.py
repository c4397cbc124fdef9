"""What one attempt at a step may use of the machine, and what it did use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from dreamos_tasks.model.value import frozen_value


@frozen_value
class Limits:
    """The most that a step's whole tree of processes may use. None: any.

    `memory_bytes` is resident memory of all processes together, `cpu_seconds` the processor time of all together;
    `processes` counts those alive at once; `open_files` holds for each process; `written_bytes` is what they write to disk.
    """

    memory_bytes: int | None = None
    cpu_seconds: float | None = None
    processes: int | None = None
    open_files: int | None = None
    written_bytes: int | None = None

    @property
    def need_watching(self) -> bool:
        """Whether any of them is kept by looking at all processes together."""
        watched = (self.memory_bytes, self.cpu_seconds, self.processes, self.written_bytes)
        return any(limit is not None for limit in watched)

    def lowered(self, said: Mapping[str, Any]) -> Limits:
        """These limits where a task asks for less, by name; what it asks for beyond them is not granted."""
        from dreamos_tasks.model.task_limits import lesser  # most commands run nothing

        return Limits(**{name: lesser(name, getattr(self, name), said) for name in LIMIT_NAMES})


@frozen_value
class Usage:
    """What a step's tree of processes used: peaks of what rises and falls, sums of what only grows."""

    peak_memory_bytes: int = 0
    peak_processes: int = 0
    cpu_seconds: float = 0.0
    written_bytes: int = 0


NO_LIMITS = Limits()
LIMIT_NAMES = tuple(field.name for field in fields(Limits))
