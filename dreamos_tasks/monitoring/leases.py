"""LeaseMonitor: claims whose lease has run out, and agents that hold claims and give no sign of life."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.agent import SHELF
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import Claim, ProcessIdentity, Task
from dreamos_tasks.monitoring.escalation import BY, EscalationStrategy, Stall, deal_with, spoken
from dreamos_tasks.monitoring.report import ExpiredClaim, MonitorReport, SilentAgent, SilentClaim

EXPIRED = frozenset({"expired"})
IN_PROGRESS = frozenset({"in_progress"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """An agent that was last heard of too long ago, the claims it holds, and those among them whose stall is due."""

    agent_id: str
    last_heard_at: datetime
    seconds: float
    claims: tuple[tuple[Claim, Stall], ...]
    due: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundClaims:
    """What a look found."""

    checked_at: datetime
    has_expired: bool
    silences: tuple[Silence, ...]
    has_more: bool = False  # claims are as few as agents: one look finds them all

    @property
    def asks_for_action(self) -> bool:
        """Whether dealing with it writes to the board."""
        return self.has_expired or any(silence.due for silence in self.silences)


@dataclass(frozen=True, slots=True)
class LeaseMonitor:
    """Ends claims whose lease has run out, and deals with each silence of an agent once. Keeps nothing itself.

    An agent is silent when none of its claims has seen a claim, heartbeat or progress for `silent_seconds`; what a process
    holds that is alive (a daemon's claims) never is, and of registered agents the AgentMonitor takes care. What the strategies
    do about a silent agent's task, which is in progress:
    `log_only` and `mark_stalled` note it (a live lease keeps its state), `reassign` takes it back and opens it to others before
    its lease runs out, `escalate` adds one escalation task for each claim, however often its holder falls silent.
    """

    nexus: TaskNexus
    silent_seconds: float
    strategy: EscalationStrategy
    is_alive: Callable[[ProcessIdentity], bool]

    def run_once(self, now: datetime) -> MonitorReport:
        """Look, and deal with what is found. Raises BoardUnavailable."""
        return self.deal(self.look(now))

    def look(self, now: datetime, *, again: bool = False) -> FoundClaims:
        """Find expired claims and silent agents, without a write."""
        expired = self.nexus.store.find(TaskQuery(statuses=EXPIRED, limit=1), now=now)
        silences = (self._silence(agent_id, tasks, now) for agent_id, tasks in self._unproven(now))
        return FoundClaims(
            checked_at=now,
            has_expired=bool(expired),
            silences=tuple(silence for silence in silences if silence is not None),
        )

    def deal(self, found: FoundClaims) -> MonitorReport:
        """End what has expired, and deal with the silences that are due."""
        expired = self.nexus.expire_leases(by=BY) if found.has_expired else ()
        silent = (self._dealt(silence) for silence in found.silences)
        return MonitorReport(
            checked_at=found.checked_at,
            expired=tuple(self._ended(task) for task in expired),
            silent_agents=tuple(agent for agent in silent if agent.claims),
        )

    def next_at(self, now: datetime) -> datetime | None:
        """When the next lease runs out or the next agent would be silent; None when nobody holds a claim."""
        leases = [claim.lease_until for _, claim in _claims(self._held(now))]
        silent = timedelta(seconds=self.silent_seconds)
        silences = [_last_heard(tasks) + silent for _, tasks in self._unproven(now)]
        return min((instant for instant in (*leases, *silences) if instant > now), default=None)

    def _held(self, now: datetime) -> Sequence[Task]:
        return self.nexus.store.find(TaskQuery(statuses=IN_PROGRESS), now=now)

    def _unproven(self, now: datetime) -> Iterator[tuple[str, list[Task]]]:
        """The tasks of each holder of whom only its claims can tell whether it lives."""
        holders: dict[tuple[str, ProcessIdentity | None], list[Task]] = defaultdict(list)
        for task, claim in _claims(self._held(now)):
            holders[claim.agent_id, claim.process].append(task)
        for (agent_id, process), tasks in holders.items():
            if self.nexus.store.kept(SHELF, agent_id) is not None:
                continue
            if process is None or not self.is_alive(process):
                yield agent_id, tasks

    def _silence(self, agent_id: str, tasks: Sequence[Task], now: datetime) -> Silence | None:
        last_heard_at = _last_heard(tasks)
        seconds = (now - last_heard_at).total_seconds()
        if seconds <= self.silent_seconds:
            return None
        reason = f"{agent_id} holds it and has given no sign of life for {spoken(seconds)}"
        claims = tuple(
            (
                claim,
                Stall(
                    task=task,
                    since=last_heard_at,
                    seconds=seconds,
                    reason=reason,
                    escalation_key=f"silence:{task.task_id}:{claim.token}",
                ),
            )
            for task, claim in _claims(tasks)
        )
        # A note from before it was last heard of belongs to an earlier silence. (A heartbeat leaves no event, so it cannot
        # take the note back.)
        due = (task for task in tasks if task.stall_noted_at is None or task.stall_noted_at <= last_heard_at)
        return Silence(
            agent_id=agent_id,
            last_heard_at=last_heard_at,
            seconds=seconds,
            claims=claims,
            due=frozenset(task.task_id for task in due),
        )

    def _dealt(self, silence: Silence) -> SilentAgent:
        lines = (self._line(claim, stall, due=stall.task.task_id in silence.due) for claim, stall in silence.claims)
        return SilentAgent(
            agent_id=silence.agent_id,
            last_heard_at=silence.last_heard_at,
            silent_seconds=silence.seconds,
            strategy=self.strategy,
            claims=tuple(line for line in lines if line is not None),
        )

    def _line(self, claim: Claim, stall: Stall, *, due: bool) -> SilentClaim | None:
        """None: the agent was heard of meanwhile, or somebody else was quicker."""
        done = deal_with(self.nexus, stall, self.strategy) if due else None
        if due and done is None:
            return None
        return SilentClaim(
            task_id=stall.task.task_id,
            token=claim.token,
            lease_until=claim.lease_until,
            action=done.action if done else None,
            escalation_id=done.escalation_id if done else None,
            noted_at=None if done else stall.task.stall_noted_at,
        )

    def _ended(self, task: Task) -> ExpiredClaim:
        attempts = self.nexus.attempts(task.task_id)
        return ExpiredClaim(
            task_id=task.task_id,
            agent_id=attempts[-1].agent_id if attempts else None,
            token=task.last_token,
            status=task.status,
            lost_leases=task.lost_leases,
        )


def _claims(tasks: Iterable[Task]) -> Iterator[tuple[Task, Claim]]:
    return ((task, task.claim) for task in tasks if task.claim is not None)


def _last_heard(tasks: Iterable[Task]) -> datetime:
    return max(claim.heartbeat_at for _, claim in _claims(tasks))
