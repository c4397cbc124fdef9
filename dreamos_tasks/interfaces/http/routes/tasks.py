"""Tasks: list, add, read, change."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import JSONResponse, Response

from dreamos_tasks.app.reading import read_work
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.documents import page_document
from dreamos_tasks.interfaces.http.etag import etag_of, is_current, require_match
from dreamos_tasks.interfaces.http.openapi import Responses, gives, json_body, list_of, problems, ref
from dreamos_tasks.interfaces.http.routes.editing import fields_from
from dreamos_tasks.interfaces.http.routes.listing import ListQuery, page_of
from dreamos_tasks.interfaces.http.routes.shared import (
    Agent,
    Board,
    Context,
    IfMatch,
    IfNoneMatch,
    Operator,
    Reader,
    TaskId,
    answered,
)
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import Task

router = APIRouter(tags=["tasks"])
TASK = gives("Task", "The task.", headers={"ETag": "of the task as it is now"})
ADDED = gives(
    {"anyOf": [ref("Task"), list_of("Task")]}, "What was added: a task, or an array as it was sent.", status=201
)
KNOWN = gives({"anyOf": [ref("Task"), list_of("Task")]}, "It was there already: the task with this dedupe_key.")
LISTED = gives(
    list_of("Task"),
    "The tasks.",
    headers={"Link": "the next page, where there is one", "X-Total-Count": "how many fit, when asked by state alone"},
)
SAME: Responses = {304: {"description": "It is still the same."}}


@router.get("/tasks", operation_id="list_tasks", responses=LISTED | problems(404, 409))
async def list_tasks(
    request: Request, desk: Board, _caller: Reader, query: Annotated[ListQuery, Query()]
) -> JSONResponse:
    """List tasks, newest first. `Link: <...>; rel="next"` leads to the next page, where there is one."""
    found = await desk.read(lambda nexus: page_of(nexus, query))
    headers = {}
    if found.next_after is not None:
        following = request.url.include_query_params(after=found.next_after)
        headers["link"] = f'<{following.path}?{following.query}>; rel="next"'
    if found.total is not None:
        headers["x-total-count"] = str(found.total)
    return answered(found.documents, headers=headers)


@router.post(
    "/tasks",
    operation_id="add_task",
    status_code=201,
    openapi_extra=json_body("Drafts", 'A task, an array of tasks, or {"tasks": [...]}.'),
    responses=ADDED | KNOWN | problems(409, 413, 415),
)
async def add_task(
    request: Request,
    desk: Board,
    context: Context,
    caller: Agent,
    idempotency_key: Annotated[
        str | None, Header(pattern=r"^[!-~]{1,200}$", description="As `dedupe_key`, for one task that has none.")
    ] = None,
) -> JSONResponse:
    """Add a task, or an array of tasks (all or none). 200 with the task that is there when its `dedupe_key` is known."""
    content = await request.body()
    reading = await asyncio.to_thread(
        read_work, content, home=context.home, limits=context.settings.inbox, created_by=caller.name
    )
    drafts = list(reading.drafts)
    if caller.agent_id is not None:  # an agent adds under its own name, whatever it says
        drafts = [replace(draft, created_by=caller.agent_id) for draft in drafts]
    if idempotency_key is not None:
        if reading.is_array:
            raise InvalidInput("Idempotency-Key goes with one task", fix="give each task of the array a dedupe_key")
        if drafts[0].dedupe_key is None:
            drafts[0] = replace(drafts[0], dedupe_key=idempotency_key)

    def add(nexus: TaskNexus) -> tuple[list[dict[str, Any]], str, bool]:
        keys = [draft.dedupe_key for draft in drafts if draft.dedupe_key is not None]
        known = sum(bool(nexus.find_tasks(TaskQuery(dedupe_key=key, limit=1))) for key in keys)
        added = nexus.add_tasks(drafts)
        return [task_document(nexus, task) for task in added], etag_of(added[0]), known == len(drafts)

    documents, etag, were_there = await desk.write(add)
    status = 200 if were_there else 201
    if reading.is_array:
        return answered(documents, status=status)
    place = f"{request.scope.get('root_path', '')}/tasks/{documents[0]['task_id']}"
    return answered(documents[0], status=status, headers={"location": place, "etag": etag})


@router.get("/tasks/{task_id}", operation_id="get_task", responses=TASK | SAME | problems(404, 409))
async def get_task(
    task_id: TaskId, desk: Board, context: Context, _caller: Reader, if_none_match: IfNoneMatch = None
) -> Response:
    """Everything about a task, with its ETA and the commands that can be said next."""

    def look(nexus: TaskNexus) -> tuple[Task, dict[str, Any] | None]:
        task = nexus.get_task_by_id(task_id)
        return task, None if is_current(task, if_none_match) else page_document(nexus, task, context.settings)

    task, document = await desk.read(look)
    headers = {"etag": etag_of(task), "cache-control": "private, no-cache"}
    return Response(status_code=304, headers=headers) if document is None else answered(document, headers=headers)


@router.patch(
    "/tasks/{task_id}",
    operation_id="edit_task",
    openapi_extra=json_body("TaskEdit", "The fields to change."),
    responses=TASK | problems(404, 409, 412, 413, 415),
)
async def edit_task(
    task_id: TaskId, request: Request, desk: Board, context: Context, caller: Operator, if_match: IfMatch = None
) -> Response:
    """Change what a task asks for: the fields that are named, written as when a task is added. null empties a field."""
    content = await request.body()
    fields = await asyncio.to_thread(fields_from, content, context)

    def edit(nexus: TaskNexus) -> tuple[dict[str, Any], str]:
        task = nexus.get_task_by_id(task_id)
        require_match(task, if_match)
        changed = nexus.edit_task(task.task_id, fields, by=caller.name)
        return task_document(nexus, changed), etag_of(changed)

    document, etag = await desk.write(edit)
    return answered(document, headers={"etag": etag})
