"""Breach: a limit that a step's processes did not keep, and what a person is told about it."""

from __future__ import annotations

from dataclasses import dataclass

from dreamos_tasks.model.limits import Limits
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.tools.metering import Reading

_SIZES = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """`limit` is its name among the limits, `most` what it allows, `used` what was seen, which may be less than all there was.

    `spreads`: with every moment it takes more of what others need, so there is no time to ask it to end.
    """

    limit: str
    most: float
    used: float

    @property
    def spreads(self) -> bool:
        return self.limit in ("memory_bytes", "processes", "written_bytes")

    def in_words(self) -> str:
        """What happened."""
        return f"{_DEEDS[self.limit]} {_amount(self.limit, self.used)}; it may {_MAY[self.limit]} {_most(self)}"

    def result(self) -> ToolResult:
        """What the step comes to."""
        return ToolResult(
            category=ErrorCategory.RESOURCE,
            message=self.in_words(),
            cause=f"the limit {self.limit} holds for all its processes together",
            suggestions=(
                _HINTS[self.limit],
                f"raise the limit: limits.{self.limit} of the task, and in config.yaml, which no task may exceed",
            ),
        )


_DEEDS = {
    "memory_bytes": "it held",
    "cpu_seconds": "it used",
    "processes": "it grew to",
    "written_bytes": "it wrote",
}
_MAY = {
    "memory_bytes": "hold",
    "cpu_seconds": "use",
    "processes": "have",
    "written_bytes": "write",
}
_HINTS = {
    "memory_bytes": "let it need less at once: smaller batches, fewer workers",
    "cpu_seconds": "split it into steps that need less each",
    "processes": "let it start fewer at once; if it was not meant to start so many, it starts itself again and again",
    "written_bytes": "let it write less, or remove what it writes over and over",
}


def breach_of(limits: Limits, reading: Reading) -> Breach | None:
    """The first limit that is not kept, as of this reading."""
    for limit in ("processes", "memory_bytes", "cpu_seconds", "written_bytes"):
        most, used = getattr(limits, limit), getattr(reading, limit)
        if most is not None and used > most:
            return Breach(limit=limit, most=most, used=used)
    return None


def _most(breach: Breach) -> str:
    return _amount(breach.limit, breach.most)


def _amount(limit: str, number: float) -> str:
    match limit:
        case "memory_bytes":
            return f"{size_in_words(number)} of memory"
        case "written_bytes":
            return size_in_words(number)
        case "cpu_seconds":
            return f"{number:.4g} s of processor time"
        case _:
            return f"{number:.0f} processes"


def size_in_words(number: float) -> str:
    """Bytes for a person: `1.5 GiB`."""
    for unit, size in _SIZES:
        if number >= size:
            return f"{number / size:.4g} {unit}"
    return f"{number:.0f} bytes"
