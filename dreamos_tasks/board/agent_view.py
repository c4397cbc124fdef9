"""AgentView: how an agent stands now: what it holds since when, when it was last heard of, whether it may claim."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from dreamos_tasks.model.agent import SHELF, Agent, AgentPause, agent_from_form
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.model.value import frozen_value
from dreamos_tasks.protocols import TaskStore

PAGE = 1000


class AgentState(StrEnum):
    """How it stands, in one word: the first of these that holds."""

    PAUSED = "paused"
    SILENT = "silent"  # not heard of for agents.silent_after_seconds
    WORKING = "working"
    IDLE = "idle"


@frozen_value
class HeldTask:
    """A task that the agent holds."""

    task_id: str
    title: str
    token: int
    claimed_at: datetime
    heartbeat_at: datetime
    lease_until: datetime


@frozen_value
class AgentView:
    """An agent that is registered, or that holds a task without being so. `last_heard_at`: of it, or of what it holds."""

    agent_id: str
    state: AgentState
    registered: bool
    capabilities: tuple[str, ...] = ()
    max_in_progress: int | None = None
    kind: str = ""
    note: str = ""
    paused: AgentPause | None = None
    tasks: tuple[HeldTask, ...] = ()
    last_heard_at: datetime
    silent_since: datetime | None = None
    registered_at: datetime | None = None
    registered_by: str | None = None
    log: tuple[Mapping[str, Any], ...] = ()


def agent_views(store: TaskStore, *, silent_seconds: float, now: datetime) -> Sequence[AgentView]:
    """All of them, by name."""
    holders: dict[str, list[Task]] = defaultdict(list)
    for task in store.find(TaskQuery(statuses=frozenset({Status.IN_PROGRESS.value})), now=now):
        if task.claim is not None:
            holders[task.claim.agent_id].append(task)
    known = {agent.agent_id: agent for agent in registered_agents(store)}
    silent = timedelta(seconds=silent_seconds)
    return [
        _view(agent_id, known.get(agent_id), _held(holders.get(agent_id, ())), silent=silent, now=now)
        for agent_id in sorted({*known, *holders})
    ]


def registered_agents(store: TaskStore) -> Iterator[Agent]:
    """All that are registered, by name."""
    after = ""
    while page := store.all_kept(SHELF, after=after, limit=PAGE):
        yield from map(agent_from_form, page.values())
        after = list(page)[-1]


def last_heard(agent: Agent, tasks: Sequence[HeldTask]) -> datetime:
    """The last sign of life of the agent, or under one of its claims."""
    return max((agent.last_heartbeat_at, *(task.heartbeat_at for task in tasks)))


def _view(
    agent_id: str, agent: Agent | None, tasks: Sequence[HeldTask], *, silent: timedelta, now: datetime
) -> AgentView:
    if agent is None:
        heard = max(task.heartbeat_at for task in tasks)
        state = AgentState.SILENT if now - heard > silent else AgentState.WORKING
        return AgentView(agent_id=agent_id, state=state, registered=False, tasks=tuple(tasks), last_heard_at=heard)
    heard = last_heard(agent, tasks)
    if agent.pause is not None:
        state = AgentState.PAUSED
    elif now - heard > silent:
        state = AgentState.SILENT
    else:
        state = AgentState.WORKING if tasks else AgentState.IDLE
    return AgentView(
        agent_id=agent_id,
        state=state,
        registered=True,
        capabilities=agent.capabilities,
        max_in_progress=agent.max_in_progress,
        kind=agent.kind,
        note=agent.note,
        paused=agent.pause,
        tasks=tuple(tasks),
        last_heard_at=heard,
        silent_since=agent.silent_since,
        registered_at=agent.registered_at,
        registered_by=agent.registered_by,
        log=agent.log,
    )


def _held(tasks: Sequence[Task]) -> Sequence[HeldTask]:
    return [
        HeldTask(
            task_id=task.task_id,
            title=task.title,
            token=task.claim.token,
            claimed_at=task.claim.claimed_at,
            heartbeat_at=task.claim.heartbeat_at,
            lease_until=task.claim.lease_until,
        )
        for task in tasks
        if task.claim is not None
    ]
