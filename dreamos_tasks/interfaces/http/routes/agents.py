"""Agents and incidents: who works from the board, and what somebody should look into."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.responses import JSONResponse

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.http.openapi import OBJECT, OBJECTS, gives, problems
from dreamos_tasks.interfaces.http.routes import shared
from dreamos_tasks.interfaces.http.routes.shared import Agent, Board, Operator, Reader, Reason, answered, asked
from dreamos_tasks.interfaces.http.strict_route import StrictRoute
from dreamos_tasks.model.agent import AgentProfile
from dreamos_tasks.model.constraints import YEAR_SECONDS
from dreamos_tasks.model.json_form import to_json

router = APIRouter(tags=["board"], route_class=StrictRoute)
REFUSALS = problems(404, 409, 413, 415)
Name = Annotated[str, Path(pattern=shared.NAME, description="An agent.")]
Word = Annotated[str, Path(min_length=1, max_length=200, description="The id of an incident, or its beginning.")]


class Profile(shared.Body):
    """What is said of an agent."""

    capabilities: list[shared.Word] = Field(default_factory=list, max_length=100)
    max_in_progress: shared.WholeNumber | None = Field(
        default=None, description="How many tasks it may hold; null: any."
    )
    kind: str = Field(default="", max_length=500, description="Which program it is, such as claude-code.")
    note: str = Field(default="", max_length=500)


class Quiet(shared.Body):
    """For how long, and why."""

    for_seconds: float = Field(gt=0, le=YEAR_SECONDS)
    reason: Reason = ""


@router.get("/agents", operation_id="agents", responses=gives(OBJECTS, "The agents.") | problems())
async def agents(desk: Board, _caller: Reader) -> JSONResponse:
    """Who works from this board: what each holds since when, when it was last heard of, whether it may claim."""
    return await asked(desk, lambda nexus: [to_json(view) for view in nexus.agents()])


@router.get("/agents/{name}", operation_id="agent", responses=gives(OBJECT, "The agent.") | REFUSALS)
async def agent(name: Name, desk: Board, _caller: Reader) -> JSONResponse:
    """All that is known of an agent, and what was done to it."""
    return await asked(desk, lambda nexus: to_json(nexus.agent(name)))


@router.put("/agents/{name}", operation_id="register_agent", responses=gives(OBJECT, "The agent.") | REFUSALS)
async def register_agent(name: Name, desk: Board, caller: Agent, body: Profile) -> JSONResponse:
    """Say who an agent is; said again it replaces what was said. With an agent's token: oneself."""
    profile = AgentProfile(
        agent_id=caller.acting_as(name) or name,
        capabilities=tuple(dict.fromkeys(body.capabilities)),
        max_in_progress=body.max_in_progress,
        kind=body.kind,
        note=body.note,
    )

    def act(nexus: TaskNexus) -> Any:
        nexus.register_agent(profile, by=caller.name)
        return to_json(nexus.agent(name))

    return answered(await desk.write(act))


@router.post(
    "/agents/{name}/heartbeat", operation_id="agent_heartbeat", responses=gives(OBJECT, "The agent.") | REFUSALS
)
async def agent_heartbeat(name: Name, desk: Board, caller: Agent) -> JSONResponse:
    """A sign of life of a registered agent, whether it holds a task or not. Prolongs no lease."""
    caller.acting_as(name)

    def act(nexus: TaskNexus) -> Any:
        nexus.agent_heartbeat(name)
        return to_json(nexus.agent(name))

    return answered(await desk.write(act))


@router.post("/agents/{name}/pause", operation_id="pause_agent", responses=gives(OBJECT, "The agent.") | REFUSALS)
async def pause_agent(name: Name, desk: Board, caller: Operator, body: shared.Why | None = None) -> JSONResponse:
    """Let a registered agent claim nothing more, until it is resumed. What it holds it keeps."""
    reason = body.reason if body is not None else ""

    def act(nexus: TaskNexus) -> Any:
        nexus.pause_agent(name, by=caller.name, reason=reason)
        return to_json(nexus.agent(name))

    return answered(await desk.write(act))


@router.post("/agents/{name}/resume", operation_id="resume_agent", responses=gives(OBJECT, "The agent.") | REFUSALS)
async def resume_agent(name: Name, desk: Board, caller: Operator) -> JSONResponse:
    """Let it claim again."""

    def act(nexus: TaskNexus) -> Any:
        nexus.resume_agent(name, by=caller.name)
        return to_json(nexus.agent(name))

    return answered(await desk.write(act))


@router.get("/incidents", operation_id="incidents", responses=gives(OBJECTS, "The incidents.") | problems())
async def incidents(desk: Board, _caller: Reader) -> JSONResponse:
    """What somebody should look into: one incident a cause, until it is over."""
    return await asked(desk, lambda nexus: [to_json(incident) for incident in nexus.incidents.all()])


@router.get("/incidents/{word}", operation_id="incident", responses=gives(OBJECT, "The incident.") | REFUSALS)
async def incident(word: Word, desk: Board, _caller: Reader) -> JSONResponse:
    """One of them."""
    return await asked(desk, lambda nexus: to_json(nexus.incidents.get(word)))


@router.post(
    "/incidents/{word}/acknowledge", operation_id="acknowledge", responses=gives(OBJECT, "The incident.") | REFUSALS
)
async def acknowledge(word: Word, desk: Board, caller: Operator, body: shared.Why | None = None) -> JSONResponse:
    """Say that somebody looks into it."""
    why = body.reason if body is not None else ""
    return await _said(desk, lambda nexus: nexus.incidents.acknowledge(word, by=caller.name, why=why))


@router.post("/incidents/{word}/snooze", operation_id="snooze", responses=gives(OBJECT, "The incident.") | REFUSALS)
async def snooze(word: Word, desk: Board, caller: Operator, body: Quiet) -> JSONResponse:
    """Say nothing of it for a while."""

    def act(nexus: TaskNexus) -> Any:
        until = nexus.clock.now() + timedelta(seconds=body.for_seconds)
        return nexus.incidents.snooze(word, until=until, by=caller.name, why=body.reason)

    return await _said(desk, act)


@router.post("/incidents/{word}/close", operation_id="close", responses=gives(OBJECT, "The incident.") | REFUSALS)
async def close(word: Word, desk: Board, caller: Operator, body: shared.Why | None = None) -> JSONResponse:
    """Say that it is over."""
    why = body.reason if body is not None else ""
    return await _said(desk, lambda nexus: nexus.incidents.close(word, by=caller.name, why=why))


async def _said(desk: Board, say: Callable[[TaskNexus], Any]) -> JSONResponse:
    return answered(await desk.write(lambda nexus: to_json(say(nexus))))
