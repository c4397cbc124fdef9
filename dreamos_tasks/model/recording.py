"""The verbs that put a task on the board and record its work; and folding events back into the task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from dreamos_tasks.errors import (
    IllegalTransition,
    InvalidInput,
)
from dreamos_tasks.model.event import Change, Event, EventType
from dreamos_tasks.model.json_form import draft_to_sparse_json, instant_to_text
from dreamos_tasks.model.json_reading import field_from_json, task_from_json
from dreamos_tasks.model.leases import held
from dreamos_tasks.model.plan import StepResult, StepStatus, likeness_of
from dreamos_tasks.model.task import (
    Progress,
    Task,
    TaskDraft,
    evolve,
    new_task,
)
from dreamos_tasks.model.transitions import changed


def add(draft: TaskDraft, *, task_id: str, now: datetime) -> Change:
    """A new, pending task."""
    task = new_task(draft, task_id=task_id, now=now)
    asked = draft_to_sparse_json(draft)
    asked.pop("task_id", None)  # the event names it
    event = Event(type=EventType.TASK_ADDED, task_id=task_id, at=now, by=draft.created_by, changes=asked)
    return Change(None, task, (event,))


STEP_EVENTS = {
    StepStatus.RUNNING: EventType.STEP_STARTED,
    StepStatus.COMPLETED: EventType.STEP_COMPLETED,
    StepStatus.FAILED: EventType.STEP_FAILED,
    StepStatus.SKIPPED: EventType.STEP_SKIPPED,
    StepStatus.PAUSED: EventType.STEP_PAUSED,
}


def record_progress(
    task: Task, progress: Progress, *, agent_id: str | None, token: int | None, now: datetime
) -> Change:
    """Note how far the holder is. A sign of life, so the silence clock starts anew.

    Who says nothing of the percentage leaves it as it was said under this claim.
    """
    if progress.percent is not None and not _is_percentage(progress.percent):
        raise InvalidInput(
            f"{progress.percent!r} is no percentage", pointer="/percent", cause="expected 0 to 100", fix="percent=40"
        )
    lease = held(task, "record", agent_id=agent_id, token=token, now=now)
    last = task.progress
    if progress.percent is None and last is not None and last.at is not None and last.at >= lease.claimed_at:
        progress = replace(progress, percent=last.percent)
    return changed(
        task,
        EventType.PROGRESS,
        now=now,
        by=lease.agent_id,
        progress=replace(progress, at=now),
        claim=replace(lease, heartbeat_at=now),
    )


def _is_percentage(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


def record_step(task: Task, result: StepResult, *, agent_id: str | None, token: int | None, now: datetime) -> Change:
    """Record that a step started or how it ended. A step recorded complete is never run again."""
    lease = held(task, "record", agent_id=agent_id, token=token, now=now)
    before = next((step for step in task.steps if step.name == result.name), None)
    if before is not None and before.status is StepStatus.COMPLETED:
        raise IllegalTransition(
            task.task_id, state=f"past step {result.name!r}, which is completed", verb="record", legal=()
        )
    steps = tuple(result if step is before else step for step in task.steps)
    detail: dict[str, Any] = {"step": result.name, **_tool_of(task, result)}
    if result.status in (StepStatus.COMPLETED, StepStatus.FAILED):
        detail.update(_times_of(task, result))
    return changed(
        task,
        STEP_EVENTS[result.status],
        now=now,
        by=lease.agent_id,
        detail=detail,
        steps=steps if before is not None else (*steps, result),
    )


def _tool_of(task: Task, result: StepResult) -> Mapping[str, Any]:
    """The tool that it ran through, where that is known, and what it is like: durations are asked for by these and its name."""
    planned = task.plan.steps if task.plan is not None else ()
    step = next((step for step in planned if step.name == result.name), None)
    tool = result.tool or (step.tool if step is not None else None)
    if tool is None:
        return {}
    like = likeness_of(step) if step is not None else None
    return {"tool": tool} if like is None else {"tool": tool, "like": like}


def _times_of(task: Task, result: StepResult) -> Mapping[str, Any]:
    """How long it took, and how long its task had waited to be claimed."""
    times = {}
    if result.started_at is not None and result.finished_at is not None:
        times["seconds"] = (result.finished_at - result.started_at).total_seconds()
    if task.claim is not None and task.pending_since is not None:
        times["waited_seconds"] = max(0.0, (task.claim.claimed_at - task.pending_since).total_seconds())
    return times


def fold(task: Task | None, event: Event) -> Task:
    """The task after the event. Folding all events of a task, in order, gives the task.

    Leases aside: a heartbeat leaves no event.
    """
    if task is None:
        at = instant_to_text(event.at)
        added = {"task_id": event.task_id, "created_at": at, "updated_at": at, "pending_since": at}
        return task_from_json({**event.changes, **added})
    changes = {name: field_from_json(name, value) for name, value in event.changes.items()}
    return evolve(task, {**changes, "updated_at": event.at})
