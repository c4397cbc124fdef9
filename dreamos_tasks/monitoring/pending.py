"""PendingTaskMonitor: tasks that are ready and that nobody claims."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import Task
from dreamos_tasks.monitoring.escalation import Dealt, EscalationStrategy, Stall, deal_with, spoken
from dreamos_tasks.monitoring.report import MonitorReport, StalledTask

READY = frozenset({"ready"})
# So many stalls share a commit: others wait for the board meanwhile, and each costs a fraction of a millisecond.
STALLS_AT_ONCE = 200
LISTED = 100  # stalls of earlier checks that a report names


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPending:
    """What a look found: stalls that are `due` to be dealt with, and some that have been (`noted`)."""

    checked_at: datetime
    pending: int | None
    due: tuple[Stall, ...]
    noted: tuple[Stall, ...]
    has_more: bool  # than are due here
    truncated: bool  # more are noted than are listed here

    @property
    def asks_for_action(self) -> bool:
        """Whether dealing with it writes to the board."""
        return bool(self.due)


@dataclass(frozen=True, slots=True)
class PendingTaskMonitor:
    """Finds stalled tasks and deals with each stall once. Keeps nothing itself: what was done is on the board.

    A task stalls when it could have been claimed for longer than the timeout. Blocked, scheduled and paused tasks wait for a
    reason, and so does one whose last dependency has only now been completed: its clock starts then.
    """

    nexus: TaskNexus
    timeout_seconds: float
    strategy: EscalationStrategy

    def run_once(self, now: datetime) -> MonitorReport:
        """Look, and deal with what is found, however much it is. Raises BoardUnavailable."""
        found = self.look(now)
        report = self.deal(found)
        while found.has_more:
            found = self.look(now, again=True)
            more = self.deal(found)
            if not more.stalled:
                break  # somebody else is at it
            report = replace(report, stalled=report.stalled + more.stalled)
        return report

    def look(self, now: datetime, *, again: bool = False) -> FoundPending:
        """Find stalls, without a write. `again`: for the rest of a check, only what is to be dealt with."""
        due = tuple(islice(self.stalls(now, noted=False), STALLS_AT_ONCE + 1))
        noted = () if again else tuple(islice(self._noted(now), LISTED + 1))
        pending = None if again else self.nexus.store.count("status", now=now).get("pending", 0)
        return FoundPending(
            checked_at=now,
            pending=pending,
            due=due[:STALLS_AT_ONCE],
            noted=noted[:LISTED],
            has_more=len(due) > STALLS_AT_ONCE,
            truncated=len(noted) > LISTED,
        )

    def deal(self, found: FoundPending) -> MonitorReport:
        """Deal with the stalls that are due. One that somebody else was quicker to move is left out of the report."""
        dealt = [(stall, deal_with(self.nexus, stall, self.strategy)) for stall in found.due]
        return MonitorReport(
            checked_at=found.checked_at,
            pending=found.pending,
            stalled=(
                *(self._line(stall, done) for stall, done in dealt if done is not None),
                *(self._line(stall, None) for stall in found.noted),
            ),
            truncated=found.truncated,
        )

    def next_at(self, now: datetime) -> datetime | None:
        """None: stalls are measured in hours, the interval is soon enough."""
        return None

    def stalls(self, now: datetime, *, noted: bool | None = None) -> Iterator[Stall]:
        """Tasks that stall now, by age. `noted`: only those that have, or have not, been dealt with."""
        before = now - timedelta(seconds=self.timeout_seconds)
        query = TaskQuery(statuses=READY, pending_before=before, stall_noted=noted, limit=STALLS_AT_ONCE)
        while tasks := self.nexus.store.find(query, now=now):
            for task in tasks:
                stall = self._stall(lifecycle.seen_at(task, now), now)
                if stall.since < before:
                    yield stall
            query = replace(query, after=tasks[-1].task_id)

    def _noted(self, now: datetime) -> Iterator[Stall]:
        query = TaskQuery(statuses=READY, stall_noted=True, limit=LISTED + 1)
        for task in self.nexus.store.find(query, now=now):
            yield self._stall(lifecycle.seen_at(task, now), now)

    def _stall(self, task: Task, now: datetime) -> Stall:
        since = self._ready_since(task)
        seconds = (now - since).total_seconds()
        waited = f"nobody has claimed it for {spoken(seconds)}"
        reason = f"{waited}, and it is assigned to {task.assigned_to}" if task.assigned_to else waited
        return Stall(task=task, since=since, seconds=seconds, reason=reason)

    def _ready_since(self, task: Task) -> datetime:
        """Since when it could have been claimed."""
        needed = [self.nexus.store.get(other) for other in task.depends_on]
        ends = [other.finished_at for other in needed if other is not None and other.finished_at is not None]
        return max(task.pending_since or task.created_at, task.not_before or task.created_at, *ends)

    def _line(self, stall: Stall, done: Dealt | None) -> StalledTask:
        return StalledTask(
            task_id=stall.task.task_id,
            title=stall.task.title,
            since=stall.since,
            waited_seconds=stall.seconds,
            strategy=self.strategy,
            action=done.action if done else None,
            escalation_id=done.escalation_id if done else None,
            noted_at=stall.task.stall_noted_at,
        )
