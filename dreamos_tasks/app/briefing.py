"""Briefing: what an agent has to know before it begins: what it holds, what is ready for it, what it was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.lifecycle import offered_in_turn, refusals
from dreamos_tasks.model.mail import Message
from dreamos_tasks.model.query import ClaimRequest, Order, TaskQuery
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.model.value import frozen_value

COUNTED = 200  # ready tasks: whether there are more changes nothing for an agent
ANYBODY = "anybody"  # asks for the board while no agent is named


@frozen_value
class Hindrance:
    """Why the agent gets nothing now, whatever is ready."""

    code: str
    message: str
    fix: str


@frozen_value
class Briefing:
    """How the board stands for one agent. `agent_id` None: nobody is named, so it is told of the board alone.

    `ready`: the first tasks that the agent could claim, in the order of claiming, `ready_count` of them, COUNTED
    standing for that or more. `unread`: its mail, oldest first.
    """

    agent_id: str | None
    now: datetime
    counts: Mapping[str, int]
    holding: tuple[Task, ...] = ()
    ready: tuple[Task, ...] = ()
    ready_count: int = 0
    unread: tuple[Message, ...] = ()
    hindrance: Hindrance | None = None


def brief(nexus: TaskNexus, agent_id: str | None) -> Briefing:
    """Look at the board for the agent. Changes nothing."""
    now = nexus.clock.now()
    ready = _ready_for(nexus, agent_id, now)
    found = Briefing(
        agent_id=agent_id, now=now, counts=nexus.stats()["status"], ready=tuple(ready), ready_count=len(ready)
    )
    if agent_id is None:
        return found
    held = nexus.find_tasks(TaskQuery(statuses=frozenset({Status.IN_PROGRESS.value}), held_by=agent_id))
    return Briefing(
        agent_id=agent_id,
        now=now,
        counts=found.counts,
        holding=tuple(held),
        ready=found.ready,
        ready_count=found.ready_count,
        unread=tuple(nexus.mail_of(agent_id, unread_only=True)),
        hindrance=_hindrance(nexus, agent_id),
    )


def _ready_for(nexus: TaskNexus, agent_id: str | None, now: datetime) -> Sequence[Task]:
    request = nexus.completed(ClaimRequest(agent_id=agent_id or ANYBODY))
    query = TaskQuery(statuses=frozenset({"ready"}), order=Order.QUEUE, limit=COUNTED)
    found: list[Task] = []
    while len(found) < COUNTED and (page := nexus.find_tasks(query)):  # those of others may stand before it
        found += (
            task
            for task in page
            if offered_in_turn(task, request) and not refusals(task, request, unfinished=(), now=now)
        )
        query = replace(query, after=page[-1].task_id)
    return found[:COUNTED]


def _hindrance(nexus: TaskNexus, agent_id: str) -> Hindrance | None:
    error = nexus.hindrance_of(agent_id)
    if error is None:
        return None
    why = f"{error.message} ({error.cause})" if error.cause else error.message
    return Hindrance(code=error.code, message=why, fix=error.fix)
