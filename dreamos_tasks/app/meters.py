"""Meters: counts of what has happened on the board since the daemon started, for whoever keeps them over time."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from dreamos_tasks.model.event import STEP_END_WORDS, Event
from dreamos_tasks.model.task import FINAL

# Upper bounds in seconds: from a command that does nothing to an agent's afternoon.
BOUNDS_SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0)
UNKNOWN_TOOL = "unknown"
MOST_TOOLS = 100  # by name, from whatever a plan says: more than that is one row, `other`
OTHER_TOOL = "other"


@dataclass(slots=True)
class Histogram:
    """How many were so large at most, for each bound, and their sum."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_SECONDS) + 1))
    sum_seconds: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.sum_seconds += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Each bound as text and how many were no larger, the last one being all: as Prometheus wants them."""
        found, total = [], 0
        for bound, count in zip((*map(str, BOUNDS_SECONDS), "+Inf"), self.counts, strict=True):
            total += count
            found.append((bound, float(total)))
        return found


class Meters:
    """Give it every event of the board, in order: `happened`."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()  # by type
        self.ended: Counter[str] = Counter()  # tasks, by the state that they ended in
        self.steps: Counter[tuple[str, str]] = Counter()  # by tool and how they ended
        self.step_seconds: dict[str, Histogram] = {}
        self.waited_seconds = Histogram()  # from being pending to being claimed, of tasks whose first step has ended
        self._tools: set[str] = set()

    def happened(self, event: Event) -> None:
        """Count one event."""
        self.events[event.type.value] += 1
        status = event.changes.get("status")
        if status in FINAL:
            self.ended[str(status)] += 1
        if event.type in STEP_END_WORDS:
            self._step_ended(event)

    def _step_ended(self, event: Event) -> None:
        tool = self._row_of(str(event.detail.get("tool") or UNKNOWN_TOOL))
        self.steps[tool, STEP_END_WORDS[event.type]] += 1
        seconds, waited = event.detail.get("seconds"), event.detail.get("waited_seconds")
        if isinstance(seconds, int | float):
            self.step_seconds.setdefault(tool, Histogram()).add(seconds)
        if isinstance(waited, int | float):
            self.waited_seconds.add(waited)

    def _row_of(self, tool: str) -> str:
        if tool not in self._tools and len(self._tools) >= MOST_TOOLS:
            return OTHER_TOOL
        self._tools.add(tool)
        return tool
