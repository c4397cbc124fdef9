"""Episodes: work for several agents, written in advance."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import JSONResponse

from dreamos_tasks.app.episodes import write_log
from dreamos_tasks.board.episodes import Episodes
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.intake.episode_file import episode_plan
from dreamos_tasks.intake.json_text import read_json
from dreamos_tasks.interfaces.documents import episode_document
from dreamos_tasks.interfaces.http.openapi import OBJECT, OBJECTS, gives, json_body, problems
from dreamos_tasks.interfaces.http.routes import shared
from dreamos_tasks.interfaces.http.routes.shared import Board, Context, Operator, Reader, answered, asked
from dreamos_tasks.interfaces.http.strict_route import StrictRoute
from dreamos_tasks.model.episode import Episode

router = APIRouter(tags=["board"], route_class=StrictRoute)
REFUSALS = problems(404, 409, 413, 415)
EpisodeId = Annotated[str, Path(min_length=1, max_length=200, description="The id of an episode, or its beginning.")]
PLAN = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "agent_assignments": {"type": "object", "minProperties": 1},
    },
    "required": ["title", "agent_assignments"],
}


@router.get(
    "/episodes",
    operation_id="episodes",
    responses=gives(OBJECTS, "Newest first.") | problems(),
)
async def episodes(desk: Board, context: Context, _caller: Reader) -> JSONResponse:
    """Every episode of this board."""

    def look(nexus: TaskNexus) -> list[dict[str, Any]]:
        return [episode_document(nexus, each, context.home) for each in Episodes(nexus).all()]

    return await asked(desk, look)


@router.get("/episodes/{episode_id}", operation_id="episode", responses=gives(OBJECT, "With its tasks.") | REFUSALS)
async def episode(episode_id: EpisodeId, desk: Board, context: Context, _caller: Reader) -> JSONResponse:
    """How an episode goes."""
    return await asked(desk, lambda nexus: episode_document(nexus, Episodes(nexus).get(episode_id), context.home))


@router.post(
    "/episodes",
    operation_id="start_episode",
    status_code=201,
    openapi_extra=json_body(PLAN, "What the YAML file of `dt episode start` says, as JSON."),
    responses=gives(OBJECT, "The episode, with its tasks.", status=201) | REFUSALS,
)
async def start_episode(request: Request, desk: Board, context: Context, caller: Operator) -> JSONResponse:
    """Put the tasks of an episode on the board, all or none."""
    content = await request.body()
    plan = await asyncio.to_thread(lambda: episode_plan(read_json(content)))

    def start(nexus: TaskNexus) -> dict[str, Any]:
        return episode_document(nexus, Episodes(nexus).start(plan, by=caller.name), context.home)

    return answered(await desk.write(start), status=201)


@router.post(
    "/episodes/{episode_id}/stop", operation_id="stop_episode", responses=gives(OBJECT, "The episode.") | REFUSALS
)
async def stop_episode(
    episode_id: EpisodeId, desk: Board, context: Context, caller: Operator, body: shared.Why | None = None
) -> JSONResponse:
    """Cancel what is not over yet, and end it."""
    reason = body.reason if body is not None else ""

    def stop(nexus: TaskNexus) -> tuple[Episode, Any]:
        found = Episodes(nexus)
        stopped = found.stop(found.get(episode_id).episode_id, by=caller.name, reason=reason)
        return stopped, found.tasks_of(stopped)

    stopped, tasks = await desk.write(stop)
    await asyncio.to_thread(write_log, stopped, tasks, context.home)
    return await asked(desk, lambda nexus: episode_document(nexus, stopped, context.home))
