"""Monitor: one thing to look for on the board. Which of them a board has follows from its settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time
from functools import partial
from typing import Any, Protocol, TypeVar

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.model.task import ProcessIdentity
from dreamos_tasks.monitoring.agents import AgentMonitor
from dreamos_tasks.monitoring.escalation import strategy_from
from dreamos_tasks.monitoring.incidents import IncidentMonitor, rule_from
from dreamos_tasks.monitoring.lapses import LapseMonitor
from dreamos_tasks.monitoring.leases import LeaseMonitor
from dreamos_tasks.monitoring.pending import PendingTaskMonitor
from dreamos_tasks.monitoring.report import MonitorReport, joined


class Found(Protocol):
    """What a look found."""

    @property
    def asks_for_action(self) -> bool:
        """Whether dealing with it writes to the board."""
        ...

    @property
    def has_more(self) -> bool:
        """Whether there is more than one commit should hold: look again once this is dealt with."""
        ...


FoundT = TypeVar("FoundT", bound=Found)


class Monitor(Protocol[FoundT]):
    """Looks at the board and deals with what it finds; keeps nothing between two checks. All raise BoardUnavailable."""

    def run_once(self, now: datetime) -> MonitorReport:
        """Look, and deal with what is found."""
        ...

    def look(self, now: datetime, *, again: bool = False) -> FoundT:
        """Find, without a write. `again`: for the rest of a check, only what is to be dealt with."""
        ...

    def deal(self, found: FoundT) -> MonitorReport:
        """Deal with what was found, as far as it is still so."""
        ...

    def next_at(self, now: datetime) -> datetime | None:
        """When there may be something to find, if that can be told from the board."""
        ...


MakeMonitor = Callable[[TaskNexus], Monitor[Any]]


def monitors_of(
    settings: Settings, *, is_alive: Callable[[ProcessIdentity], bool], time_of_day: Callable[[], time]
) -> Sequence[MakeMonitor]:
    """The monitors of a board, in the order in which they look: what a lease sets free is pending after it.

    `is_alive`: whether the process that holds a claim still runs; `time_of_day`: where people are.
    Raises ConfigError for an unknown strategy.
    """
    monitoring = settings.monitoring
    strategy = strategy_from(monitoring.escalation_strategy)
    return (
        LapseMonitor,
        partial(LeaseMonitor, silent_seconds=monitoring.silent_agent_seconds, strategy=strategy, is_alive=is_alive),
        partial(AgentMonitor, silent_seconds=settings.agents.silent_after_seconds, is_alive=is_alive),
        partial(PendingTaskMonitor, timeout_seconds=monitoring.pending_timeout_seconds, strategy=strategy),
        partial(
            IncidentMonitor,
            rule=rule_from(settings.escalation),
            timeout_seconds=monitoring.pending_timeout_seconds,
            time_of_day=time_of_day,
        ),
    )


def check_board(nexus: TaskNexus, monitors: Sequence[MakeMonitor]) -> MonitorReport:
    """One check now, for those who have no loop. Raises BoardUnavailable."""
    now = nexus.clock.now()
    return joined((make(nexus).run_once(now) for make in monitors), checked_at=now)
