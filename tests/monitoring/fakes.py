"""What the monitoring tests share: a board whose time stands still until a test moves it, and waiting for a condition."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.task import ProcessIdentity, Task, TaskDraft
from dreamos_tasks.monitoring.escalation import EscalationStrategy, is_escalation
from dreamos_tasks.monitoring.leases import LeaseMonitor
from dreamos_tasks.monitoring.pending import PendingTaskMonitor
from dreamos_tasks.protocols import TaskStore

TIMEOUT_SECONDS = 3600.0
SILENT_SECONDS = 180.0
DEADLINE_SECONDS = 120.0  # a machine may be busy; a test that waits so long has failed
NOON = time_of_day(12)
ALIVE = ProcessIdentity(pid=1, started_ticks=1, boot_id="boot", instance="alive")
DEAD = ProcessIdentity(pid=2, started_ticks=2, boot_id="boot", instance="dead")


@dataclass
class FakeClock:
    """Board time that a test moves."""

    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


@dataclass
class Board:
    """A board, its time, and what the monitors did to it."""

    store: TaskStore
    clock: FakeClock = field(default_factory=FakeClock)
    rules: BoardRules = field(default_factory=BoardRules)

    def __post_init__(self) -> None:
        self.nexus = TaskNexus(self.store, self.clock, rules=self.rules)

    def later(self, seconds: float) -> datetime:
        self.clock.at += timedelta(seconds=seconds)
        return self.clock.at

    def add(self, title: str = "Fix the parser", **fields: object) -> Task:
        return self.nexus.add_task(TaskDraft(title=title, **fields))  # type: ignore[arg-type]

    def get(self, task: Task) -> Task:
        return self.nexus.get_task_by_id(task.task_id)

    def escalations(self) -> list[Task]:
        return [task for task in self.nexus.get_all_tasks() if is_escalation(task)]

    def events(self, task: Task, *types: EventType) -> list[Event]:
        return [event for event in self.nexus.events(task_id=task.task_id) if event.type in types]

    def pending_monitor(self, strategy: str = "log_only") -> PendingTaskMonitor:
        return PendingTaskMonitor(self.nexus, timeout_seconds=TIMEOUT_SECONDS, strategy=EscalationStrategy(strategy))

    def lease_monitor(self, strategy: str = "log_only") -> LeaseMonitor:
        return LeaseMonitor(
            self.nexus,
            silent_seconds=SILENT_SECONDS,
            strategy=EscalationStrategy(strategy),
            is_alive=lambda process: process == ALIVE,
        )


async def until(condition: Callable[[], object]) -> float:
    """Wait for the condition; gives the seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < DEADLINE_SECONDS, "what was waited for did not happen"
        await asyncio.sleep(0.005)
    return time.monotonic() - began
