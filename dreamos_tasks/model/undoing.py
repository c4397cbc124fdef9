"""The verbs by which steps of a task are taken back: begun, each recorded, finished. The task's own state stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from dreamos_tasks.errors import CannotUndo, NotFound
from dreamos_tasks.model.event import Change, EventType
from dreamos_tasks.model.plan import StepResult, StepStatus
from dreamos_tasks.model.rollback import CUT, can_be_undone, steps_left, undo_order
from dreamos_tasks.model.ruling import record_of, step_of
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


def require_undoable(task: Task, names: Sequence[str], *, window_seconds: float, now: datetime) -> Sequence[str]:
    """The steps that a person means, newest first; none named: all that can be taken back. Raises NotFound, CannotUndo."""
    require(task, "undo")
    if task.rollback is not None and task.rollback.is_due:
        return [call.step for call in undo_order(task, task.rollback.steps)]
    since = now - timedelta(seconds=window_seconds)
    for name in names:
        _require_undoable_step(task, name, since=since, window_seconds=window_seconds)
    records = {record.name: record for record in task.steps}
    found = [call.step for call in undo_order(task, names) if _ended_after(records[call.step], since)]
    if not found:
        raise CannotUndo(
            f"{task.task_id} has no step that can be taken back",
            cause=f"none has ended within {window_seconds:g} s whose tool or plan says how",
            fix=f"dt show {task.task_id}",
        )
    return found


def _require_undoable_step(task: Task, name: str, *, since: datetime, window_seconds: float) -> None:
    step, record = step_of(task, name), record_of(task, name)
    if step is None:
        steps = ", ".join(one.name for one in task.plan.steps) if task.plan is not None else ""
        raise NotFound(
            f"{task.task_id} has no step {name!r}",
            cause=f"its steps are: {steps or 'none'}",
            fix=f"dt show {task.task_id}",
        )
    if record is None or record.status not in {StepStatus.COMPLETED, *CUT}:
        undone = record is not None and record.undone is not None and record.undone.ok
        standing = "undone already" if undone else record.status.value if record is not None else "pending"
        raise CannotUndo(f"step {name!r} of {task.task_id} is {standing}", fix=f"dt show {task.task_id}")
    if not can_be_undone(step, record):
        raise CannotUndo(
            f"step {name!r} of {task.task_id} cannot be taken back",
            cause=f"{record.tool or step.tool} gave no way to undo it, and its plan says none",
            fix='a step can say itself how: "undo": {"tool": ..., "params": {...}}',
        )
    if not _ended_after(record, since):
        raise CannotUndo(
            f"step {name!r} of {task.task_id} ended too long ago to be taken back",
            cause=f"steps can be undone for {window_seconds:g} s: what came after may build on them",
            fix="undo.window_seconds is the setting",
        )


def _ended_after(record: StepResult, since: datetime) -> bool:
    at = record.finished_at or record.started_at
    return at is None or at >= since


def _was_tried(record: StepResult, rollback: Rollback) -> bool:
    return record.undone is not None and record.undone.at >= rollback.since
