"""AgentMonitor: registered agents that hold tasks and have fallen silent: what they hold goes back into the queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dreamos_tasks.board.agent_view import registered_agents
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.agent import Agent
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import Claim, ProcessIdentity, Task
from dreamos_tasks.monitoring.escalation import BY, Action, spoken
from dreamos_tasks.monitoring.report import MonitorReport, SilentAgent, SilentClaim

IN_PROGRESS = frozenset({"in_progress"})
PROCESS_LOOK_SECONDS = 10.0  # while agents with a known process hold tasks: that one has ended, nobody tells


@dataclass(frozen=True, slots=True, kw_only=True)
class GoneAgent:
    """An agent that is not there any more, as far as anybody can tell, and the claims it holds."""

    agent_id: str
    last_heard_at: datetime
    reason: str
    claims: tuple[tuple[str, Claim], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundAgents:
    """What a look found."""

    checked_at: datetime
    gone: tuple[GoneAgent, ...]
    has_more: bool = False  # agents are few: one look finds them all

    @property
    def asks_for_action(self) -> bool:
        """Whether dealing with it writes to the board."""
        return bool(self.gone)


@dataclass(frozen=True, slots=True)
class AgentMonitor:
    """Releases what silent agents hold, before their leases run out. Keeps nothing itself.

    A registered agent is silent when neither it nor any of its claims gave a sign of life for `silent_seconds`, or at once
    when the process it is registered with is gone. One whose process lives, or whose claim's process does, never is.
    Agents that are not registered are left to the LeaseMonitor and its strategy.
    """

    nexus: TaskNexus
    silent_seconds: float
    is_alive: Callable[[ProcessIdentity], bool]

    def run_once(self, now: datetime) -> MonitorReport:
        """Look, and deal with what is found. Raises BoardUnavailable."""
        return self.deal(self.look(now))

    def look(self, now: datetime, *, again: bool = False) -> FoundAgents:
        """Find silent agents, without a write."""
        gone = (self._gone(agent, tasks, now) for agent, tasks in self._unproven(now))
        return FoundAgents(checked_at=now, gone=tuple(each for each in gone if each is not None))

    def deal(self, found: FoundAgents) -> MonitorReport:
        """Release what they hold, as far as they were not heard of meanwhile."""
        silent = (self._released(agent, found.checked_at) for agent in found.gone)
        return MonitorReport(
            checked_at=found.checked_at, silent_agents=tuple(agent for agent in silent if agent.claims)
        )

    def next_at(self, now: datetime) -> datetime | None:
        """When the next agent would be silent, or soon when processes are to be looked at; None when nobody holds a task."""
        silent, soon = timedelta(seconds=self.silent_seconds), timedelta(seconds=PROCESS_LOOK_SECONDS)
        instants = [
            now + soon if agent.process is not None else _last_heard(agent, tasks) + silent
            for agent, tasks in self._holders(now)
        ]
        return min((instant for instant in instants if instant > now), default=None)

    def _unproven(self, now: datetime) -> Iterator[tuple[Agent, list[tuple[Task, Claim]]]]:
        """Each registered agent that holds tasks, if nothing proves that it lives."""
        for agent, tasks in self._holders(now):
            processes = {agent.process, *(claim.process for _, claim in tasks)}
            if not any(process is not None and self.is_alive(process) for process in processes):
                yield agent, tasks

    def _holders(self, now: datetime) -> Iterator[tuple[Agent, list[tuple[Task, Claim]]]]:
        """Each registered agent that holds tasks."""
        agents = {agent.agent_id: agent for agent in registered_agents(self.nexus.store)}
        if not agents:
            return
        holders: dict[str, list[tuple[Task, Claim]]] = defaultdict(list)
        for task in self.nexus.store.find(TaskQuery(statuses=IN_PROGRESS), now=now):
            if task.claim is not None and task.claim.agent_id in agents:
                holders[task.claim.agent_id].append((task, task.claim))
        for agent_id, tasks in holders.items():
            yield agents[agent_id], tasks

    def _gone(self, agent: Agent, tasks: Sequence[tuple[Task, Claim]], now: datetime) -> GoneAgent | None:
        heard_at = _last_heard(agent, tasks)
        seconds = (now - heard_at).total_seconds()
        if agent.process is not None:
            reason = f"{agent.agent_id} held it, and its process {agent.process.pid} is gone"
        elif seconds > self.silent_seconds:
            reason = f"{agent.agent_id} held it and has given no sign of life for {spoken(seconds)}"
        else:
            return None
        claims = tuple((task.task_id, claim) for task, claim in tasks)
        return GoneAgent(agent_id=agent.agent_id, last_heard_at=heard_at, reason=reason, claims=claims)

    def _released(self, agent: GoneAgent, checked_at: datetime) -> SilentAgent:
        tokens = {task_id: claim.token for task_id, claim in agent.claims}
        released = self.nexus.release_silent_agent(
            agent.agent_id, tokens=tokens, heard_at=agent.last_heard_at, by=BY, reason=agent.reason
        )
        ids = {task.task_id for task in released}
        return SilentAgent(
            agent_id=agent.agent_id,
            last_heard_at=agent.last_heard_at,
            silent_seconds=(checked_at - agent.last_heard_at).total_seconds(),
            strategy=None,
            claims=tuple(
                SilentClaim(task_id=task_id, token=claim.token, lease_until=claim.lease_until, action=Action.RELEASED)
                for task_id, claim in agent.claims
                if task_id in ids
            ),
        )


def _last_heard(agent: Agent, tasks: Sequence[tuple[Task, Claim]]) -> datetime:
    return max((agent.last_heartbeat_at, *(claim.heartbeat_at for _, claim in tasks)))
