"""Steering: what people do with tasks: pause, resume, cancel, retry, and take back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import JSONResponse

from dreamos_tasks.app.undoing import UndoingAtDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import Refused
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.documents import taken_back_document
from dreamos_tasks.interfaces.http.etag import etag_of, require_match
from dreamos_tasks.interfaces.http.openapi import gives, problems
from dreamos_tasks.interfaces.http.routes import shared
from dreamos_tasks.interfaces.http.routes.shared import Board, Context, IfMatch, Operator, Reason, TaskId, answered
from dreamos_tasks.interfaces.http.routes.working import TASK, changed
from dreamos_tasks.interfaces.http.strict_route import StrictRoute
from dreamos_tasks.model.constraints import YEAR_SECONDS
from dreamos_tasks.model.request import PauseEnd
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.undoing import require_undoable

router = APIRouter(tags=["steering"], route_class=StrictRoute)
REFUSALS = problems(404, 409, 412, 413, 415)
TAKEN_BACK = gives({"type": "object"}, "The changes, and the tasks and episodes as they are since.")
StepName = Annotated[str, Field(min_length=1, max_length=200)]


class Paused(shared.Body):
    """How. `now`: cut off the step that runs; resumed, it begins anew."""

    reason: Reason = ""
    now: bool = False
    for_seconds: float | None = Field(default=None, gt=0, le=YEAR_SECONDS, description="So long at most.")
    then: Literal["resume", "cancel"] = Field(default="resume", description="What ends it after `for_seconds`.")


class StepsToUndo(shared.Body):
    """Which steps; none named: all. `may_destroy`: also where an undo call of the plan can destroy something."""

    steps: list[StepName] = Field(default_factory=list, max_length=1000)
    may_destroy: bool = False
    dry_run: bool = Field(default=False, description="Only say what would be taken back.")


class TakenBack(shared.Body):
    """Whether to only say what would be taken back."""

    dry_run: bool = False


@router.post("/tasks/{task_id}/pause", operation_id="pause", responses=TASK | REFUSALS)
async def pause(
    task_id: TaskId, desk: Board, caller: Operator, body: Paused | None = None, if_match: IfMatch = None
) -> JSONResponse:
    """Set a task aside until it is resumed. What the daemon runs pauses when the step that runs has ended."""
    asked = body or Paused()

    def act(nexus: TaskNexus, task: Task) -> Task:
        return nexus.pause_task(
            task.task_id,
            by=caller.name,
            reason=asked.reason,
            at_boundary=not asked.now and task.plan is not None,
            for_seconds=asked.for_seconds,
            then=PauseEnd(asked.then),
        )

    return await changed(desk, task_id, act, if_match)


@router.post("/tasks/{task_id}/resume", operation_id="resume", responses=TASK | REFUSALS)
async def resume(task_id: TaskId, desk: Board, caller: Operator, if_match: IfMatch = None) -> JSONResponse:
    """Put a paused task back in the queue, at the step where it stood."""
    return await changed(desk, task_id, lambda nexus, task: nexus.resume_task(task.task_id, by=caller.name), if_match)


@router.post("/tasks/{task_id}/cancel", operation_id="cancel", responses=TASK | REFUSALS)
async def cancel(
    task_id: TaskId, desk: Board, caller: Operator, body: shared.Why | None = None, if_match: IfMatch = None
) -> JSONResponse:
    """End a task for good, whoever holds it. (retry brings it back.)"""
    reason = body.reason if body is not None else ""
    return await changed(
        desk, task_id, lambda nexus, task: nexus.cancel_task(task.task_id, by=caller.name, reason=reason), if_match
    )


@router.post("/tasks/{task_id}/retry", operation_id="retry", responses=TASK | REFUSALS)
async def retry(task_id: TaskId, desk: Board, caller: Operator, if_match: IfMatch = None) -> JSONResponse:
    """Give a failed or cancelled task a fresh start, with all its attempts. Finished steps stay finished."""
    return await changed(desk, task_id, lambda nexus, task: nexus.retry_task(task.task_id, by=caller.name), if_match)


@router.post(
    "/tasks/{task_id}/undo",
    operation_id="undo_steps",
    responses=gives({"type": "object"}, "The task as it is now; with `dry_run` the steps that would be undone.")
    | REFUSALS,
)
async def undo_steps(
    task_id: TaskId,
    desk: Board,
    context: Context,
    caller: Operator,
    body: StepsToUndo | None = None,
    if_match: IfMatch = None,
) -> JSONResponse:
    """Take back what steps of a task have changed, newest first, as far as their tools or their plan can."""
    asked = body or StepsToUndo()
    window = context.settings.undo.window_seconds

    def look(nexus: TaskNexus) -> tuple[Task, tuple[str, ...]]:
        task = nexus.get_task_by_id(task_id)
        require_match(task, if_match)
        meant = require_undoable(task, tuple(asked.steps), window_seconds=window, now=nexus.clock.now())
        return task, tuple(meant)

    task, meant = await desk.read(look)
    undoing = UndoingAtDesk(desk, context.home, context.settings)
    dangers = await asyncio.to_thread(undoing.dangers, task, meant)
    if asked.dry_run:
        return answered({"task_id": task.task_id, "dry_run": True, "steps": _would_undo(meant, dangers)})
    if dangers and not asked.may_destroy:
        raise Refused(
            "the undo calls of these steps can destroy something: " + ", ".join(dangers),
            cause="; ".join(reason for danger in dangers.values() for reason in danger.reasons),
            fix='look with {"dry_run": true}, then send {"may_destroy": true}',
        )
    done = await undoing.undo(task, meant, by=caller.name, may_destroy=bool(dangers))
    document = await desk.read(lambda nexus: task_document(nexus, done))
    return answered(document, headers={"etag": etag_of(done)})


@router.post("/undo", operation_id="undo_last_change", responses=TAKEN_BACK | REFUSALS)
async def undo_last_change(
    desk: Board, context: Context, caller: Operator, body: TakenBack | None = None
) -> JSONResponse:
    """Take back the last change to the board: an add, edit, pause, resume, cancel or retry, an episode's start or end."""
    dry_run = body.dry_run if body is not None else False
    machines = (context.settings.daemon.agent_id,)

    def act(nexus: TaskNexus) -> dict[str, Any]:
        changes = nexus.last_change(machines=machines)
        episodes = nexus.episodes_without(changes, by=caller.name)
        tasks = nexus.take_back(changes, by=caller.name, dry_run=dry_run)
        return taken_back_document(nexus, changes, tasks, episodes, dry_run=dry_run)

    return answered(await desk.write(act))


def _would_undo(meant: tuple[str, ...], dangers: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"step": name, "risk": dangers[name].risk.value if name in dangers else None} for name in meant]
