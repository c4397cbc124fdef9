"""Looking: what else can be asked about one task: its steps, events, output, ETA, history, and why it waits."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse, Response

from dreamos_tasks.app.step_logs import MOST_LOG_BYTES, StepLog, logs_of
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.documents import eta_document, history_document, why_document
from dreamos_tasks.interfaces.http.openapi import OBJECT, gives, list_of, problems
from dreamos_tasks.interfaces.http.routes import shared
from dreamos_tasks.interfaces.http.routes.shared import MOST_LISTED, Board, Context, Reader, TaskId, answered, asked
from dreamos_tasks.model.json_form import event_to_json

router = APIRouter(tags=["tasks"])
REFUSALS = problems(404, 409)
LOG = {
    "type": "object",
    "properties": {
        "step": {"type": "string"},
        "output": {"type": "string"},
        "offset": {"type": "integer", "description": "where this output begins in all of it, in bytes"},
        "next_offset": {"type": "integer", "description": "ask with it for what is printed after this"},
        "size": {"type": "integer", "description": "of all of it, in bytes"},
    },
    "required": ["step", "output", "offset", "next_offset", "size"],
}
LOGS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The output: a step an object, or as text (Accept: text/plain).",
        "content": {
            "application/json": {"schema": {"type": "array", "items": LOG}},
            "text/plain": {"schema": {"type": "string"}},
        },
    }
}


class EventsQuery(shared.Parameters):
    """Which events."""

    after: int = Field(default=0, ge=0, le=2**62, description="Only events with a greater id.")
    limit: int = Field(default=MOST_LISTED, ge=1, le=MOST_LISTED)


class LogsQuery(shared.Parameters):
    """Which output. `tail_bytes` and `offset` go with one step, or are meant of each."""

    step: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    offset: int | None = Field(default=None, ge=0, le=2**62, description="From this byte on.")
    tail_bytes: int | None = Field(default=None, ge=1, le=MOST_LOG_BYTES, description="The last so many bytes.")
    limit_bytes: int = Field(default=MOST_LOG_BYTES, ge=1, le=MOST_LOG_BYTES)


@router.get(
    "/tasks/{task_id}/steps",
    operation_id="steps",
    responses=gives(list_of("StepResult"), "The steps that have run or run, in the order they first ran.") | REFUSALS,
)
async def steps(task_id: TaskId, desk: Board, _caller: Reader) -> JSONResponse:
    """The latest run of each step."""
    return await asked(desk, lambda nexus: task_document(nexus, nexus.get_task_by_id(task_id))["steps"])


@router.get(
    "/tasks/{task_id}/events", operation_id="task_events", responses=gives(list_of("Event"), "The events.") | REFUSALS
)
async def events(task_id: TaskId, desk: Board, _caller: Reader, query: Annotated[EventsQuery, Query()]) -> JSONResponse:
    """What happened to the task, oldest first. The last id, given as `after`, misses nothing."""
    return await asked(
        desk,
        lambda nexus: [
            event_to_json(event)
            for event in nexus.events(
                after=query.after, task_id=nexus.get_task_by_id(task_id).task_id, limit=query.limit
            )
        ],
    )


@router.get(
    "/tasks/{task_id}/eta",
    operation_id="eta",
    responses=gives({"type": ["object", "null"]}, "How far it is and how long it will take; null: nothing can be said.")
    | REFUSALS,
)
async def eta(task_id: TaskId, desk: Board, context: Context, _caller: Reader) -> JSONResponse:
    """How far the task is, and how long it will take: a likely time, and the range that holds in 8 of 10 cases."""
    return await asked(desk, lambda nexus: eta_document(nexus, nexus.get_task_by_id(task_id), context.settings))


@router.get(
    "/tasks/{task_id}/why",
    operation_id="why",
    responses=gives(OBJECT, "What it waits for, or its place in the queue.") | REFUSALS,
)
async def why(task_id: TaskId, desk: Board, _caller: Reader) -> JSONResponse:
    """What the task waits for, or how its place in the queue comes about, line by line."""
    return await asked(desk, lambda nexus: why_document(nexus, nexus.get_task_by_id(task_id)))


@router.get(
    "/tasks/{task_id}/history", operation_id="history", responses=gives(OBJECT, "Its states and attempts.") | REFUSALS
)
async def history(task_id: TaskId, desk: Board, _caller: Reader) -> JSONResponse:
    """The states of the task, one after another, and its attempts: who, when, how it ended."""
    return await asked(desk, lambda nexus: history_document(nexus, nexus.get_task_by_id(task_id).task_id))


@router.get("/tasks/{task_id}/logs", operation_id="logs", responses=LOGS | REFUSALS)
async def logs(
    task_id: TaskId,
    request: Request,
    desk: Board,
    context: Context,
    _caller: Reader,
    query: Annotated[LogsQuery, Query()],
) -> Response:
    """What the task's steps printed in their latest run: all, a range, or the end. As text with `Accept: text/plain`."""
    task = await desk.read(lambda nexus: nexus.get_task_by_id(task_id))
    found = await asyncio.to_thread(
        logs_of,
        context.home.runs,
        task,
        step=query.step,
        offset=query.offset,
        tail_bytes=query.tail_bytes,
        limit_bytes=query.limit_bytes,
    )
    if request.headers.get("accept", "").partition(";")[0].partition(",")[0].strip() == "text/plain":
        return Response(_as_text(found), media_type="text/plain; charset=utf-8")
    return answered([log.form() for log in found])


def _as_text(logs: list[StepLog]) -> str:
    if len(logs) == 1:
        return logs[0].output
    return "".join(f"== {log.step}\n{log.output.rstrip()}\n" for log in logs)
