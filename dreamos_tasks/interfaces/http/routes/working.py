"""Working: what an agent does: claim the next task or this one, say how far it is, finish, give back, ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import Field, JsonValue
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse

from dreamos_tasks.app.verifying import evidence_at_desk
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.idle import nothing_ready
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.http.etag import etag_of, require_match
from dreamos_tasks.interfaces.http.openapi import gives, problems
from dreamos_tasks.interfaces.http.routes import shared
from dreamos_tasks.interfaces.http.routes.shared import (
    Agent,
    AgentName,
    Board,
    Claimed,
    Context,
    IfMatch,
    Reason,
    Tags,
    TaskId,
    agent_not_named,
    agent_of,
    answered,
)
from dreamos_tasks.interfaces.http.strict_route import StrictRoute
from dreamos_tasks.interfaces.http.wake import wait_until
from dreamos_tasks.interfaces.words import Category
from dreamos_tasks.model.outcome import outcome_of_result
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.request import question
from dreamos_tasks.model.task import Progress, Task

router = APIRouter(tags=["work"], route_class=StrictRoute)
MOST_WAIT_SECONDS = 300
TASK = gives("Task", "The task as it is now.", headers={"ETag": "of the task as it is now"})
REFUSALS = problems(404, 409, 412, 413, 415)


class ClaimNext(shared.Body):
    """What to claim, and for whom."""

    agent_id: AgentName = None
    tags: Tags = Field(default_factory=list)
    capabilities: Tags = Field(default_factory=list, description="What the agent can do.")


class ClaimThis(shared.Body):
    """For whom to claim."""

    agent_id: AgentName = None


class Noted(Claimed):
    """How far the work is."""

    percent: float | None = Field(default=None, ge=0, le=100)
    note: str = Field(default="", max_length=10_000)
    step: str | None = Field(default=None, min_length=1, max_length=200)


class Completed(Claimed):
    """What came of it. `next`: and claim the next ready task, in the same commit."""

    result: JsonValue = None
    next: bool = False
    tags: Tags = Field(default_factory=list)


class FailedWith(Claimed):
    """What went wrong."""

    error: str = Field(min_length=1, max_length=10_000, pattern=shared.NOT_BLANK)
    category: Category = "logic"


class Released(Claimed):
    """Why it is given back."""

    reason: Reason = ""


class Asked(Claimed):
    """What people are asked; the task is let go until they answer."""

    question: str = Field(min_length=1, max_length=10_000, pattern=shared.NOT_BLANK)
    choices: list[Annotated[str, Field(min_length=1, max_length=1000, pattern=shared.NOT_BLANK)]] = Field(
        default_factory=list, max_length=20
    )


@router.post(
    "/claims",
    operation_id="claim_next",
    status_code=201,
    responses=gives("Task", "The claimed task.", status=201) | problems(404, 409, 413, 415),
)
async def claim_next(
    body: ClaimNext, request: HttpRequest, desk: Board, context: Context, caller: Agent
) -> JSONResponse:
    """Claim the next ready task, by priority, due instant and age. 404 `nothing_ready` when there is none for this agent.

    `Prefer: wait=30` waits so many seconds for one (300 at most).
    """
    agent_id = caller.acting_as(body.agent_id)
    if agent_id is None:
        raise agent_not_named("next")
    asked = ClaimRequest(agent_id=agent_id, tags=tuple(body.tags), capabilities=tuple(body.capabilities))

    def claim(nexus: TaskNexus) -> dict[str, Any] | None:
        task = nexus.get_next_task(agent_id, tags=asked.tags, capabilities=asked.capabilities)
        return task_document(nexus, task) if task is not None else None

    document = await wait_until(
        context,
        lambda: desk.write(claim),
        timeout_seconds=_preferred_wait(request),
        is_gone=request.is_disconnected,
    )
    if document is None:
        raise await desk.read(lambda nexus: nothing_ready(nexus, asked))
    return answered(document, status=201)


@router.post("/tasks/{task_id}/claim", operation_id="claim_task", responses=TASK | REFUSALS)
async def claim_task(
    task_id: TaskId, desk: Board, caller: Agent, body: ClaimThis | None = None, if_match: IfMatch = None
) -> JSONResponse:
    """Claim this task. Claiming what one holds is a success, with the same token. 409 `claim_held` says who holds it."""
    agent_id = caller.acting_as(body.agent_id if body is not None else None)
    if agent_id is None:
        raise agent_not_named("claim")
    return await changed(desk, task_id, lambda nexus, task: nexus.claim_task(task.task_id, agent_id), if_match)


@router.post("/tasks/{task_id}/heartbeat", operation_id="heartbeat", responses=TASK | REFUSALS)
async def heartbeat(
    task_id: TaskId, desk: Board, caller: Agent, body: Claimed | None = None, if_match: IfMatch = None
) -> JSONResponse:
    """Say that the agent is still at it: its lease begins anew."""
    body = body or Claimed()
    agent_id = agent_of(caller, body, "heartbeat")
    return await changed(
        desk, task_id, lambda nexus, task: nexus.heartbeat(task.task_id, agent_id, token=body.token), if_match
    )


@router.post("/tasks/{task_id}/progress", operation_id="report_progress", responses=TASK | REFUSALS)
async def progress(task_id: TaskId, desk: Board, caller: Agent, body: Noted, if_match: IfMatch = None) -> JSONResponse:
    """Say how far the agent is."""
    agent_id = agent_of(caller, body, "progress")
    noted = Progress(percent=body.percent, note=body.note, step=body.step)
    return await changed(
        desk,
        task_id,
        lambda nexus, task: nexus.record_progress(task.task_id, noted, agent_id=agent_id, token=body.token),
        if_match,
    )


@router.post("/tasks/{task_id}/complete", operation_id="complete_task", responses=TASK | REFUSALS)
async def complete(
    task_id: TaskId,
    desk: Board,
    context: Context,
    caller: Agent,
    body: Completed | None = None,
    if_match: IfMatch = None,
) -> JSONResponse:
    """Finish a task. What it must pass (its `verify`) is run first: 409 `verification_failed` when it does not.

    With `next` the document is the completed task, and its `next` the claimed one, or null.
    """
    body = body or Completed()
    agent_id = agent_of(caller, body, "complete")
    if body.next and agent_id is None:
        raise agent_not_named("complete")
    evidence = await evidence_at_desk(
        desk,
        task_id,
        agent_id,
        token_of=lambda _task_id: body.token,
        home=context.home,
        settings=context.settings,
    )
    outcome = outcome_of_result(body.result, evidence)

    def finish(nexus: TaskNexus) -> tuple[dict[str, Any], str]:
        task = nexus.get_task_by_id(task_id)
        require_match(task, if_match)
        if not body.next or agent_id is None:
            done = nexus.settle(task.task_id, outcome, agent_id=agent_id, token=body.token)
            return task_document(nexus, done), etag_of(done)
        done, following = nexus.complete_and_claim_next(
            task.task_id, outcome, agent_id, token=body.token, tags=tuple(body.tags)
        )
        claimed = task_document(nexus, following) if following is not None else None
        return {**task_document(nexus, done), "next": claimed}, etag_of(done)

    document, etag = await desk.write(finish)
    return answered(document, headers={"etag": etag})


@router.post("/tasks/{task_id}/fail", operation_id="fail_task", responses=TASK | REFUSALS)
async def fail(task_id: TaskId, desk: Board, caller: Agent, body: FailedWith, if_match: IfMatch = None) -> JSONResponse:
    """Say that the agent could not do it. What may pass another time is tried again, after a while."""
    agent_id = agent_of(caller, body, "fail")
    category = ErrorCategory(body.category)
    return await changed(
        desk,
        task_id,
        lambda nexus, task: nexus.mark_task_failed(
            task.task_id, agent_id, error=body.error, category=category, token=body.token
        ),
        if_match,
    )


@router.post("/tasks/{task_id}/release", operation_id="release_task", responses=TASK | REFUSALS)
async def release(
    task_id: TaskId, desk: Board, caller: Agent, body: Released | None = None, if_match: IfMatch = None
) -> JSONResponse:
    """Give a task back unfinished. It is open to others at once."""
    body = body or Released()
    agent_id = agent_of(caller, body, "release")
    return await changed(
        desk,
        task_id,
        lambda nexus, task: nexus.release_task(task.task_id, agent_id, token=body.token, reason=body.reason),
        if_match,
    )


@router.post("/tasks/{task_id}/ask", operation_id="ask", responses=TASK | REFUSALS)
async def ask(task_id: TaskId, desk: Board, caller: Agent, body: Asked, if_match: IfMatch = None) -> JSONResponse:
    """Ask people something, and let the task go until they answer. No lease is held meanwhile."""
    agent_id = agent_of(caller, body, "ask")

    def act(nexus: TaskNexus, task: Task) -> Task:
        asked = question(body.question, choices=body.choices, asked_at=nexus.clock.now())
        return nexus.ask(task.task_id, (asked,), agent_id=agent_id, token=body.token, park=True)

    return await changed(desk, task_id, act, if_match)


async def changed(
    desk: BoardDesk, task_id: str, act: Callable[[TaskNexus, Task], Task], if_match: str | None
) -> JSONResponse:
    """What the task is after the verb, if it is as the caller saw it before."""

    def write(nexus: TaskNexus) -> tuple[dict[str, Any], str]:
        task = nexus.get_task_by_id(task_id)
        require_match(task, if_match)
        after = act(nexus, task)
        return task_document(nexus, after), etag_of(after)

    document, etag = await desk.write(write)
    return answered(document, headers={"etag": etag})


def _preferred_wait(request: HttpRequest) -> float:
    """How long the caller would wait (RFC 7240). What is not understood is no preference."""
    for preference in request.headers.get("prefer", "").split(","):
        name, _, value = preference.strip().partition("=")
        if name.strip().lower() == "wait" and value.strip().isascii() and value.strip().isdigit():
            return min(float(value), MOST_WAIT_SECONDS)
    return 0.0
