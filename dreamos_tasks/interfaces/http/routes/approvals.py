"""Approvals: what people are asked, and what they say. Only an operator decides: an agent must not approve its own work."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field, JsonValue
from starlette.responses import JSONResponse

from dreamos_tasks.app.approver import require_fit
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.documents import request_document, request_meant, requests_on
from dreamos_tasks.interfaces.http.openapi import gives, problems
from dreamos_tasks.interfaces.http.routes import shared
from dreamos_tasks.interfaces.http.routes.shared import (
    DEFAULT_LISTED,
    MOST_LISTED,
    Board,
    Context,
    IfMatch,
    Operator,
    Reader,
    Reason,
    asked,
)
from dreamos_tasks.interfaces.http.routes.working import TASK, changed
from dreamos_tasks.interfaces.http.strict_route import StrictRoute
from dreamos_tasks.model.request import RequestKind

router = APIRouter(tags=["approvals"], route_class=StrictRoute)
REFUSALS = problems(404, 409, 412, 413, 415)
MOST_LOOKED_THROUGH = 5000  # tasks: the whole trail of a large board is for dt approvals --all
ASKED: dict[str, Any] = {
    "type": "object",
    "properties": {
        "request_id": {"type": "string"},
        "task_id": {"type": "string"},
        "title": {"type": "string"},
        "state": {"type": "string"},
        "kind": {"type": "string"},
        "params": {"type": ["object", "null"]},
    },
    "required": ["request_id", "task_id", "title", "state", "kind"],
}
RequestId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=200,
        description="The id of a request, or of a task that asks one thing.",
        examples=["dt-7k2m.r1"],
    ),
]


class ApprovalsQuery(shared.Parameters):
    """Which requests."""

    all: bool = Field(default=False, description="Also what has been decided, of the newest tasks.")
    limit: int = Field(default=DEFAULT_LISTED, ge=1, le=MOST_LISTED)


class Approved(shared.Body):
    """With which parameters, if others than those that were asked about."""

    reason: Reason = ""
    params: dict[str, JsonValue] | None = None


class Answered(shared.Body):
    """What is answered."""

    text: str = Field(min_length=1, max_length=10_000, pattern=shared.NOT_BLANK)


@router.get(
    "/approvals",
    operation_id="approvals",
    responses=gives({"type": "array", "items": ASKED}, "The requests.") | problems(),
)
async def approvals(
    desk: Board, context: Context, _caller: Reader, query: Annotated[ApprovalsQuery, Query()]
) -> JSONResponse:
    """What people are asked: leave for steps, and questions. Each with a preview, the risk, and until when."""

    def look(nexus: TaskNexus) -> list[dict[str, Any]]:
        found = requests_on(nexus, decided_too=query.all, newest=MOST_LOOKED_THROUGH if query.all else None)
        return [request_document(*one) for one in found[: query.limit]]

    return await asked(context.aside if query.all else desk, look)


@router.get("/approvals/{request_id}", operation_id="approval", responses=gives(ASKED, "The request.") | REFUSALS)
async def approval(request_id: RequestId, desk: Board, _caller: Reader) -> JSONResponse:
    """One request."""
    return await asked(desk, lambda nexus: request_document(*request_meant(nexus, request_id, None)))


@router.post("/approvals/{request_id}/approve", operation_id="approve", responses=TASK | REFUSALS)
async def approve(
    request_id: RequestId,
    desk: Board,
    context: Context,
    caller: Operator,
    body: Approved | None = None,
    if_match: IfMatch = None,
) -> JSONResponse:
    """Let a step run that asks first, with other parameters if they are given."""
    said = body or Approved()
    task, request = await desk.read(lambda nexus: request_meant(nexus, request_id, RequestKind.APPROVAL))
    if said.params is not None:
        await asyncio.to_thread(require_fit, context.home, task, request, said.params)
    return await changed(
        desk,
        task.task_id,
        lambda nexus, _task: nexus.approve(request.request_id, by=caller.name, reason=said.reason, params=said.params),
        if_match,
    )


@router.post("/approvals/{request_id}/reject", operation_id="reject", responses=TASK | REFUSALS)
async def reject(
    request_id: RequestId, desk: Board, caller: Operator, body: shared.Why | None = None, if_match: IfMatch = None
) -> JSONResponse:
    """Do not let a step run."""
    reason = body.reason if body is not None else ""
    task, request = await desk.read(lambda nexus: request_meant(nexus, request_id, RequestKind.APPROVAL))
    return await changed(
        desk,
        task.task_id,
        lambda nexus, _task: nexus.reject(request.request_id, by=caller.name, reason=reason),
        if_match,
    )


@router.post("/approvals/{request_id}/answer", operation_id="answer", responses=TASK | REFUSALS)
async def answer(
    request_id: RequestId, desk: Board, caller: Operator, body: Answered, if_match: IfMatch = None
) -> JSONResponse:
    """Answer what a task asks. It goes back into the queue; whoever works on it sees the answer."""
    task, request = await desk.read(lambda nexus: request_meant(nexus, request_id, RequestKind.QUESTION))
    return await changed(
        desk,
        task.task_id,
        lambda nexus, _task: nexus.answer(request.request_id, body.text, by=caller.name),
        if_match,
    )
