"""MonitorReport: what a check of the board found, and what was done about it. `json_form.to_json` prints it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from dreamos_tasks.model.incident import IncidentKind
from dreamos_tasks.model.task import Priority, Status
from dreamos_tasks.monitoring.escalation import Action, EscalationStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class StalledTask:
    """A task that is ready and that nobody has claimed for too long.

    `action` is what this check did; None: the stall was dealt with at `noted_at`, by an earlier check.
    """

    task_id: str
    title: str
    since: datetime
    waited_seconds: float
    strategy: EscalationStrategy
    action: Action | None
    escalation_id: str | None = None
    noted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpiredClaim:
    """A claim whose lease had run out and that this check has ended. `status`: what the task is since then."""

    task_id: str
    agent_id: str | None
    token: int
    status: Status
    lost_leases: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentClaim:
    """A claim of a silent agent. `action` None: this silence was dealt with at `noted_at`, by an earlier check."""

    task_id: str
    token: int
    lease_until: datetime
    action: Action | None
    escalation_id: str | None = None
    noted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentAgent:
    """An agent that holds claims under live leases and has given no sign of life for too long.

    `strategy` None: it is registered, and what it held was released whatever the strategy is.
    """

    agent_id: str
    last_heard_at: datetime
    silent_seconds: float
    strategy: EscalationStrategy | None
    claims: tuple[SilentClaim, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LapsedTask:
    """A task whose pause, or whose request to people, had lasted its time. `status`: what the task is since then."""

    task_id: str
    status: Status


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentLine:
    """An incident that this check has opened, found to have risen, or found to be over (`change`)."""

    incident_id: str
    change: str
    kind: IncidentKind
    severity: Priority
    text: str
    task_id: str | None = None
    agent_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorReport:
    """One check, or one monitor's part of it. `pending` None: this monitor does not count.

    `stalled` holds every stall that was dealt with, and of those that earlier checks dealt with the oldest;
    `truncated` says that there are more of these.
    """

    checked_at: datetime
    pending: int | None = None
    stalled: tuple[StalledTask, ...] = ()
    expired: tuple[ExpiredClaim, ...] = ()
    silent_agents: tuple[SilentAgent, ...] = ()
    truncated: bool = False
    lapsed: tuple[LapsedTask, ...] = ()
    incidents: tuple[IncidentLine, ...] = ()


def joined(reports: Iterable[MonitorReport], *, checked_at: datetime) -> MonitorReport:
    """The reports of one check as one."""
    parts = tuple(reports)
    return MonitorReport(
        checked_at=checked_at,
        pending=next((part.pending for part in parts if part.pending is not None), None),
        stalled=tuple(task for part in parts for task in part.stalled),
        expired=tuple(claim for part in parts for claim in part.expired),
        silent_agents=tuple(agent for part in parts for agent in part.silent_agents),
        truncated=any(part.truncated for part in parts),
        lapsed=tuple(task for part in parts for task in part.lapsed),
        incidents=tuple(line for part in parts for line in part.incidents),
    )
