"""The verbs by which people and the monitor steer a task that they do not hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from dreamos_tasks.errors import (
    IllegalTransition,
    InvalidTask,
    TaskChanged,
)
from dreamos_tasks.model.event import Change, EventType
from dreamos_tasks.model.plan import StepStatus, TaskError
from dreamos_tasks.model.readiness import seen_at
from dreamos_tasks.model.request import Pause, PauseEnd
from dreamos_tasks.model.task import (
    DRAFT_FIELDS,
    Status,
    Task,
    TaskDraft,
)
from dreamos_tasks.model.transitions import (
    changed,
    ended,
    legal_verbs,
    requeued,
    require,
    require_no_undo,
    set_free,
    why,
)

EDITABLE = frozenset(DRAFT_FIELDS) - {"task_id", "created_by", "dedupe_key"}


def pause(
    task: Task,
    *,
    by: str,
    now: datetime,
    reason: str = "",
    at_boundary: bool = False,
    until: datetime | None = None,
    then: PauseEnd = PauseEnd.RESUME,
) -> Change:
    """Set the task aside until it is resumed, or until `until`. Recorded steps stay recorded.

    A holder's claim ends, and steps under way are cut off: whoever pauses so means to run them again. `at_boundary` leaves
    both to the holder, who is to let the task go when the step that runs has ended.
    """
    require(task, "pause")
    rest = Pause(by=by, at=now, reason=reason, until=until, then=then)
    if at_boundary and task.status is Status.IN_PROGRESS:
        return changed(task, EventType.PAUSE_REQUESTED, now=now, by=by, detail=why(reason), pause=rest)
    steps = tuple(
        replace(record, status=StepStatus.PAUSED) if record.status is StepStatus.RUNNING else record
        for record in task.steps
    )
    return requeued(task, EventType.TASK_PAUSED, now=now, by=by, detail=why(reason), pause=rest, steps=steps)


def resume(task: Task, *, by: str, now: datetime) -> Change:
    """Put a paused task back in the queue, at the step where it stood. One that was only to pause goes on."""
    require(task, "resume")
    require_no_undo(task, "resume")
    if task.status is Status.IN_PROGRESS:
        if task.pause is None:
            raise IllegalTransition(
                task.task_id, state=task.status.value, verb="resume", legal=legal_verbs(task.status)
            )
        return changed(task, EventType.TASK_RESUMED, now=now, by=by, pause=None)
    return requeued(task, EventType.TASK_RESUMED, now=now, by=by, pause=None)


def cancel(task: Task, *, by: str, now: datetime, reason: str = "", episode: str = "") -> Change:
    """End the task for good, whoever holds it. `episode`: the one that was stopped, and so its tasks with it."""
    require(task, "cancel")
    detail = {**why(reason), **({"episode": episode} if episode else {})}
    return ended(task, EventType.TASK_CANCELLED, Status.CANCELLED, now=now, by=by, detail=detail)


def end_elsewhere(
    task: Task,
    status: Status,
    *,
    by: str,
    now: datetime,
    result: Any = None,
    error: TaskError | None = None,
    ended_at: datetime | None = None,
) -> Change:
    """End a task that nobody has begun, as it has ended on the board that it comes from: nothing is run or proved here."""
    require(task, "import")
    finished_at = min(ended_at or now, now)
    return ended(
        task, EventType.TASK_IMPORTED, status, now=now, by=by, result=result, error=error, finished_at=finished_at
    )


def retry(task: Task, *, by: str, now: datetime) -> Change:
    """Give a failed or cancelled task a fresh start: counters at zero; steps recorded complete stay complete."""
    require(task, "retry")
    require_no_undo(task, "retry")
    return requeued(
        task,
        EventType.TASK_RETRIED,
        now=now,
        by=by,
        failures=0,
        deferrals=0,
        lost_leases=0,
        not_before=None,
        finished_at=None,
        rollback=None,
        **set_free(task),
        steps=tuple(replace(step, failures=()) if step.failures else step for step in task.steps),
    )


def stall(task: Task, *, by: str, now: datetime, reason: str) -> Change:
    """Mark a task that has waited too long. It can still be claimed."""
    require(task, "stall")
    return changed(
        task,
        EventType.TASK_STALLED,
        now=now,
        by=by,
        detail=why(reason),
        status=Status.STALLED,
        stall_noted_at=now,
    )


def note_stall(
    task: Task, *, by: str, now: datetime, strategy: str, reason: str, escalation: str | None = None
) -> Change:
    """Remember that this stall has been dealt with, so that it is dealt with once."""
    require(task, "note")
    detail = {"strategy": strategy, "reason": reason, **({"escalation": escalation} if escalation else {})}
    type_ = EventType.TASK_ESCALATED if escalation else EventType.TASK_STALL_NOTED
    return changed(task, type_, now=now, by=by, detail=detail, stall_noted_at=now)


def reassign(task: Task, *, by: str, now: datetime, reason: str) -> Change:
    """Open the task to every agent: claim and assignment are cleared, and its clock starts anew."""
    require(task, "reassign")
    detail = {
        "reason": reason,
        "assigned_to": task.assigned_to,
        "agent_id": task.claim.agent_id if task.claim else None,
    }
    return requeued(task, EventType.TASK_REASSIGNED, now=now, by=by, detail=detail, assigned_to=None)


def require_unchanged(task: Task, seen: Task | None, *, now: datetime) -> None:
    """Refuse what was decided about the task as it was `seen`, if anything has happened to it since. None: not asked."""
    if seen is not None and seen_at(task, now) != seen:
        raise TaskChanged(task.task_id)


def edit(task: Task, fields: Mapping[str, Any], *, by: str, now: datetime) -> Change:
    """Change what was asked for. The rules of a draft hold for the result."""
    require(task, "edit")
    unknown = sorted(fields.keys() - EDITABLE)
    if unknown:
        raise InvalidTask(
            f"{unknown[0]!r} cannot be edited",
            pointer=f"/{unknown[0]}",
            cause="editable are " + ", ".join(sorted(EDITABLE)),
            fix="leave it out",
        )
    asked = {name: getattr(task, name) for name in DRAFT_FIELDS}
    draft = TaskDraft(**{**asked, **fields})
    differing = {name: getattr(draft, name) for name in fields if getattr(draft, name) != asked[name]}
    if not differing:
        return Change(task, task)
    return changed(task, EventType.TASK_EDITED, now=now, by=by, **differing)
