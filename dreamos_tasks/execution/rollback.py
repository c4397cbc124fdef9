"""Rollback: takes the steps of a task back, one after the other, newest first, each recorded before the next.

Killed midway, it is gone on with: what was recorded as undone is not undone again, and the tools see to what was not yet
recorded. One process at a time does it for a task, and not before its run has ended: see UndoLock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from loguru import logger

from dreamos_tasks.execution.attempt import Desk
from dreamos_tasks.execution.error_handler import result_of_raising
from dreamos_tasks.execution.step_executor import StepExecutor
from dreamos_tasks.execution.undo_lock import undo_lock
from dreamos_tasks.model.plan import ErrorCategory, Step
from dreamos_tasks.model.risk import Assessment
from dreamos_tasks.model.rollback import UndoCall, undo_order
from dreamos_tasks.model.ruling import step_of
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.model.undone import Undone

UNDO_SUFFIX = "-undo"  # keeps the log of a step's own undo call apart from the step's


class StepUndoer:
    """Takes steps back by the tools that ran them, or by the calls that their plan gives for it."""

    def __init__(self, desk: Desk, steps: StepExecutor) -> None:
        self._desk = desk
        self._steps = steps

    async def undo(
        self, task_id: str, *, by: str, names: Sequence[str] = (), may_destroy: bool = False, only_due: bool = False
    ) -> Task:
        """Take these steps back, or all that can be; gives the task as it is afterwards.

        What is due, or was begun by a process that is gone, is gone on with; `only_due`: nothing else, so that what another
        process has taken back meanwhile is not begun once more. `may_destroy`: a person has agreed to undo calls
        that can destroy something; without it they are not made. Raises TaskNotFound, IllegalTransition.
        """
        async with undo_lock(self._steps.surroundings.runs / task_id):
            if only_due:
                task = await self._desk.read(lambda nexus: nexus.get_task_by_id(task_id))
                if task.rollback is None or not task.rollback.is_due:
                    return task
            task = await self._desk.write(lambda nexus: nexus.begin_undo(task_id, by=by, steps=names))
            meant = task.rollback.steps if task.rollback is not None else tuple(names)
            for call in undo_order(task, meant):
                result = await self._taken_back(task, call, may_destroy=may_destroy)
                undone = Undone(at=self._steps.now(), by=by, ok=result.category is None, message=_said(result))
                task = await self._desk.write(
                    lambda nexus, call=call, undone=undone: nexus.record_undone(task_id, call.step, undone)  # type: ignore[misc]
                )
            return await self._desk.write(lambda nexus: nexus.end_undo(task_id, by=by))

    def dangers(self, task: Task, names: Sequence[str] = ()) -> Mapping[str, Assessment]:
        """The steps whose own undo call can destroy something, and what."""
        found = {}
        for call in undo_order(task, names):
            step = _own_step(call)
            danger = self._steps.danger_of(step) if step is not None else None
            if danger is not None:
                found[call.step] = danger
        return found

    async def _taken_back(self, task: Task, call: UndoCall, *, may_destroy: bool) -> ToolResult:
        """What came of it. An undo that fails, or raises, is said, and holds up no other."""
        step = step_of(task, call.step)
        assert step is not None, "undo_order names steps of the plan"
        if call.own is not None:
            return await self._called(task, call, may_destroy=may_destroy)
        context = self._steps.surroundings.for_step(task, step, token=call.token, attempt=call.attempt)
        try:
            return await self._by_tool(call, context)
        except Exception as error:  # noqa: BLE001  a tool may raise anything
            logger.opt(exception=True).warning("{} {}: undoing by {} raised", task.task_id, call.step, call.tool)
            return result_of_raising(call.tool, error)

    async def _called(self, task: Task, call: UndoCall, *, may_destroy: bool) -> ToolResult:
        step = _own_step(call)
        if step is None:
            return _cannot(f"its undo is no call of a tool: {call.own}")
        ready = self._steps.resolved(task, step)
        if isinstance(ready, ToolResult):
            return ready
        danger = self._steps.danger_of(ready)
        if danger is not None and not may_destroy:
            return ToolResult(
                category=ErrorCategory.PERMISSION,
                message=f"{'; '.join(danger.reasons)}: a person must say so: dt undo {task.task_id} --step {call.step}",
            )
        return await self._steps.call(task, ready, token=call.token, attempt=call.attempt)

    async def _by_tool(self, call: UndoCall, context: ToolContext) -> ToolResult:
        tool = self._steps.tool(call.tool)
        undo = getattr(tool, "undo", None)
        recorded = getattr(tool, "recorded", None)
        if undo is None or (call.is_cut and recorded is None):
            said = "it was cut off in the middle, and " if call.is_cut else ""
            return _cannot(f"{said}{call.tool} cannot undo what it did")
        records = await asyncio.to_thread(recorded, context) if call.is_cut and recorded is not None else (call.record,)
        results: list[ToolResult] = [await undo(record, context) for record in records]
        failed = next((result for result in results if result.category is not None), None)
        return failed or (results[-1] if results else ToolResult(message="it had changed nothing yet"))


def _own_step(call: UndoCall) -> Step | None:
    """The call that the plan gives for undoing, as a step; None when what stands there is no call."""
    own: Mapping[str, Any] = call.own or {}
    tool, params = own.get("tool", "shell"), own.get("params", {})
    if call.own is None or not isinstance(tool, str) or not isinstance(params, Mapping):
        return None
    return Step(name=f"{call.step}{UNDO_SUFFIX}", tool=tool, params=params)


def _cannot(why: str) -> ToolResult:
    return ToolResult(category=ErrorCategory.CONFIGURATION, message=why)


def _said(result: ToolResult) -> str:
    return (result.message or result.output_tail or result.output_head).strip()[:500]
