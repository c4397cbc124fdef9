"""Rollback: takes the calls of a task back, one after the other, each by the tool that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.rollback import UndoCall
from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.protocols import ToolAdapter


class Tools(Protocol):
    """Where tools are looked up."""

    def get(self, name: str) -> ToolAdapter: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """What came of taking one call back."""

    call: UndoCall
    result: ToolResult


async def roll_back(
    calls: Iterable[UndoCall], *, tools: Tools, context_for: Callable[[UndoCall], ToolContext]
) -> Sequence[Undone]:
    """Take them back in the order given. One that cannot be is said, and does not hold up the others.

    `context_for` gives the surroundings in which the call was made: the same workspace, run_dir and token.
    """
    return [Undone(call=call, result=await _undone(call, tools, context_for)) for call in calls]


async def _undone(call: UndoCall, tools: Tools, context_for: Callable[[UndoCall], ToolContext]) -> ToolResult:
    undo = getattr(tools.get(call.tool), "undo", None)
    if undo is None:
        return ToolResult(category=ErrorCategory.CONFIGURATION, message=f"{call.tool} cannot undo what it did")
    result: ToolResult = await undo(call.record, context_for(call))
    return result
