"""The verbs by which steps of a task are taken back: begun, each recorded, finished. The task's own state stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from dreamos_tasks.model.event import Change, EventType
from dreamos_tasks.model.plan import StepResult, StepStatus
from dreamos_tasks.model.rollback import CUT, steps_left
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.transitions import changed, require
from dreamos_tasks.model.undone import Rollback, RollbackCause, Undone


def begin_undo(task: Task, *, by: str, now: datetime, steps: Sequence[str] = ()) -> Change:
    """Begin to take steps back; none named: all. What is due by the plan, or was begun before, is gone on with as it is."""
    require(task, "undo")
    rollback = task.rollback
    if rollback is None or not rollback.is_due:
        rollback = Rollback(cause=RollbackCause.ASKED, since=now, steps=tuple(steps))
    elif rollback.is_under_way:
        return Change(task, task)
    begun = replace(rollback, started_at=now)
    detail = {"cause": begun.cause.value, **({"steps": list(begun.steps)} if begun.steps else {})}
    return changed(task, EventType.ROLLBACK_STARTED, now=now, by=by, detail=detail, rollback=begun)


def record_undone(task: Task, name: str, undone: Undone, *, now: datetime) -> Change:
    """Record what came of taking a step back. Once undone it is pending: tried again, the task runs it again."""
    require(task, "undo")
    before = next((record for record in task.steps if record.name == name), None)
    if before is None or before.status not in {StepStatus.COMPLETED, *CUT}:
        return Change(task, task)  # somebody was faster
    after = replace(before, undone=undone)
    if undone.ok:
        after = replace(after, status=StepStatus.PENDING, undo=None)
    return changed(
        task,
        EventType.STEP_UNDONE if undone.ok else EventType.STEP_UNDO_FAILED,
        now=now,
        by=undone.by,
        detail={"step": name, **({"reason": undone.message} if undone.message else {})},
        steps=tuple(after if record is before else record for record in task.steps),
    )


def end_undo(task: Task, *, by: str, now: datetime) -> Change:
    """All has been tried that was to be taken back. Says what is as it was, what is not, and what nothing can take back."""
    require(task, "undo")
    rollback = task.rollback
    if rollback is None or not rollback.is_due:
        return Change(task, task)
    tried = [record for record in task.steps if _was_tried(record, rollback)]
    told = {
        "undone": [record.name for record in tried if record.undone is not None and record.undone.ok],
        "failed": [record.name for record in tried if record.undone is not None and not record.undone.ok],
        "left": [] if rollback.steps else list(steps_left(task)),
    }
    detail = {word: names for word, names in told.items() if names}
    return changed(
        task,
        EventType.ROLLBACK_FINISHED,
        now=now,
        by=by,
        detail=detail,
        rollback=replace(rollback, started_at=rollback.started_at or now, finished_at=now),
    )


def _was_tried(record: StepResult, rollback: Rollback) -> bool:
    return record.undone is not None and record.undone.at >= rollback.since
