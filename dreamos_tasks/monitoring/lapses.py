"""LapseMonitor: requests that nobody decided in time, and pauses that have lasted their time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.lifecycle import deadline_of
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.monitoring.escalation import BY
from dreamos_tasks.monitoring.report import LapsedTask, MonitorReport

LAPSED = frozenset({"lapsed"})
RESTING = frozenset({"paused", "awaiting_approval"})
LAPSES_AT_ONCE = 200  # so many share a commit: others wait for the board meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLapses:
    """What a look found."""

    checked_at: datetime
    asks_for_action: bool
    has_more: bool


@dataclass(frozen=True, slots=True)
class LapseMonitor:
    """Ends what has lasted its time, as it was meant to end. Keeps nothing itself."""

    nexus: TaskNexus

    def run_once(self, now: datetime) -> MonitorReport:
        """Look, and deal with what is found. Raises BoardUnavailable."""
        found = self.look(now)
        lapsed: tuple[LapsedTask, ...] = ()
        while found.asks_for_action:
            dealt = self.deal(found).lapsed
            lapsed += dealt
            if not found.has_more or not dealt:
                break
            found = self.look(now, again=True)
        return MonitorReport(checked_at=now, lapsed=lapsed)

    def look(self, now: datetime, *, again: bool = False) -> FoundLapses:
        """Find them, without a write."""
        found = self.nexus.store.find(TaskQuery(statuses=LAPSED, limit=LAPSES_AT_ONCE + 1), now=now)
        return FoundLapses(checked_at=now, asks_for_action=bool(found), has_more=len(found) > LAPSES_AT_ONCE)

    def deal(self, found: FoundLapses) -> MonitorReport:
        """End them."""
        changed = self.nexus.lapse_overdue(by=BY, limit=LAPSES_AT_ONCE) if found.asks_for_action else ()
        lapsed = tuple(LapsedTask(task_id=task.task_id, status=task.status) for task in changed)
        return MonitorReport(checked_at=found.checked_at, lapsed=lapsed)

    def next_at(self, now: datetime) -> datetime | None:
        """When the next of them is due."""
        resting = self.nexus.store.find(TaskQuery(statuses=RESTING), now=now)
        deadlines = (deadline_of(task) for task in resting)
        return min((deadline for deadline in deadlines if deadline is not None and deadline > now), default=None)
