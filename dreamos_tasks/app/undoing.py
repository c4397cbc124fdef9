"""Takes steps of a task back for whoever asks, in this very process: the same way from every door."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from dreamos_tasks.app.parts import build_steps
from dreamos_tasks.app.tool_shop import build_tools, children_of
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.execution.rollback import StepUndoer
from dreamos_tasks.model.risk import Assessment
from dreamos_tasks.model.task import Task
from dreamos_tasks.tools.orphans import become_subreaper

if TYPE_CHECKING:
    from dreamos_tasks.board.desk import BoardDesk
    from dreamos_tasks.config.home import Home
    from dreamos_tasks.config.settings import Settings

Result = TypeVar("Result")


class OwnDesk:
    """The way to a board that this thread has open."""

    def __init__(self, nexus: TaskNexus) -> None:
        self._nexus = nexus

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        """See Desk."""
        return act(self._nexus)

    async def write(self, act: Callable[[TaskNexus], Result]) -> Result:
        """See Desk."""
        return act(self._nexus)


class Undoing:
    """Steps of tasks on one board, taken back by hand."""

    def __init__(self, nexus: TaskNexus, home: Home, settings: Settings) -> None:
        tools = build_tools(children_of(home, instance=os.urandom(8).hex()), home=home, settings=settings)
        self._undoer = StepUndoer(OwnDesk(nexus), build_steps(tools, home=home, settings=settings))

    def dangers(self, task: Task, names: Sequence[str]) -> Mapping[str, Assessment]:
        """The steps whose own undo call can destroy something, and what."""
        return self._undoer.dangers(task, names)

    def undo(self, task: Task, names: Sequence[str], *, by: str, may_destroy: bool) -> Task:
        """Take them back. Raises IllegalTransition, ConfigError."""
        become_subreaper()  # what an undo call leaves behind becomes our child, and can be ended
        return asyncio.run(self._undoer.undo(task.task_id, by=by, names=names, may_destroy=may_destroy))


class UndoingAtDesk:
    """The same for whoever comes to the board by its desk, in a process that is a subreaper already: the daemon's."""

    def __init__(self, desk: BoardDesk, home: Home, settings: Settings) -> None:
        tools = build_tools(children_of(home, instance=os.urandom(8).hex()), home=home, settings=settings)
        self._undoer = StepUndoer(desk, build_steps(tools, home=home, settings=settings))

    def dangers(self, task: Task, names: Sequence[str]) -> Mapping[str, Assessment]:
        """See Undoing."""
        return self._undoer.dangers(task, names)

    async def undo(self, task: Task, names: Sequence[str], *, by: str, may_destroy: bool) -> Task:
        """See Undoing."""
        return await self._undoer.undo(task.task_id, by=by, names=names, may_destroy=may_destroy)
