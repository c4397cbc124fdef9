"""Rollback: which calls of a task can be taken back, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dreamos_tasks.model.plan import Step, StepResult, StepStatus
from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.model.task import Task

CUT = frozenset({StepStatus.RUNNING, StepStatus.PAUSED})  # ended in the middle, when nobody holds the task


@frozen_value
class UndoCall:
    """One call to be taken back: the step it was made for, and how.

    `own` is the call that its plan gives for that; without one the tool that was called takes it back, by the `record` it
    gave. `is_cut`: the call was ended in the middle and gave no record; its tool may know what it had begun.
    """

    step: str
    tool: str
    token: int
    attempt: int = 1
    record: Any = None
    own: Mapping[str, Any] | None = None
    is_cut: bool = False


def undo_order(task: Task, names: Sequence[str] = ()) -> Sequence[UndoCall]:
    """The calls of a task that can be taken back, newest first. What was cut goes before all that has ended.

    `names` are the steps that are meant; none: all. A step whose undo has failed since the task's rollback began is left out.
    """
    steps = {step.name: (place, step) for place, step in enumerate(task.plan.steps if task.plan is not None else ())}

    def age(result: StepResult) -> tuple[bool, float, int]:
        ended_at = result.finished_at or result.started_at
        return result.status in CUT, ended_at.timestamp() if ended_at is not None else 0.0, steps[result.name][0]

    undoable = [
        result
        for result in task.steps
        if result.name in steps
        and (not names or result.name in names)
        and can_be_undone(steps[result.name][1], result)
        and not _has_failed_now(task, result)
    ]
    return [_call(steps[result.name][1], result) for result in sorted(undoable, key=age, reverse=True)]


def can_be_undone(step: Step, result: StepResult) -> bool:
    """Whether there may be a way to take the step's call back: its plan names one, or its tool has given a record."""
    if result.status in CUT:
        return True
    return result.status is StepStatus.COMPLETED and (step.undo is not None or result.undo is not None)


def wants_rollback(task: Task) -> bool:
    """Whether the changes of the task's steps are to be taken back when it fails or is cancelled, and there may be any."""
    return task.plan is not None and task.plan.rollback and bool(undo_order(task))


def steps_left(task: Task) -> Sequence[str]:
    """The completed steps that nothing can take back."""
    steps = {step.name: step for step in (task.plan.steps if task.plan is not None else ())}
    return [
        result.name
        for result in task.steps
        if result.status is StepStatus.COMPLETED
        and not (result.name in steps and can_be_undone(steps[result.name], result))
    ]


def _has_failed_now(task: Task, result: StepResult) -> bool:
    undone, rollback = result.undone, task.rollback
    if undone is None or undone.ok or rollback is None:
        return False
    return rollback.is_due and undone.at >= rollback.since


def _call(step: Step, result: StepResult) -> UndoCall:
    is_cut = result.status in CUT
    return UndoCall(
        step=step.name,
        tool=result.tool or step.tool,
        token=result.token,
        attempt=result.attempt,
        record=result.undo,
        own=None if is_cut else step.undo,
        is_cut=is_cut,
    )
