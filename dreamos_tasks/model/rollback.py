"""Rollback: in which order the changes of a task's steps are taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamos_tasks.model.plan import StepResult, StepStatus
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.value import frozen_value


@frozen_value
class UndoCall:
    """One call to be taken back: the step it was made for, the tool that made it, and that tool's undo record."""

    step: str
    tool: str
    token: int
    record: Any


def undo_order(
    task: Task, records: Mapping[str, object], *, tools: Mapping[str, str] | None = None
) -> Sequence[UndoCall]:
    """The calls of a task that can be taken back, newest first. What is still running goes before all that has ended.

    `records` holds, by step, the `ToolResult.undo` of its last call; a step without one is left out. `tools` says which tool
    was called where it was not the step's own: its fallback.
    """
    steps = {step.name: (place, step) for place, step in enumerate(task.plan.steps if task.plan is not None else ())}
    called = tools or {}

    def age(result: StepResult) -> tuple[bool, float, int]:
        ended_at = result.finished_at or result.started_at
        is_running = result.status is StepStatus.RUNNING
        return is_running, ended_at.timestamp() if ended_at is not None else 0.0, steps[result.name][0]

    undoable = [result for result in task.steps if result.name in steps and records.get(result.name) is not None]
    return [
        UndoCall(
            step=result.name,
            tool=called.get(result.name, steps[result.name][1].tool),
            token=result.token,
            record=records[result.name],
        )
        for result in sorted(undoable, key=age, reverse=True)
    ]
