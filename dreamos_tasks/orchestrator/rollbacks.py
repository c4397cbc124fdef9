"""Rollbacks: a daemon's loop that takes back what failed and cancelled tasks have changed, where their plan asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from loguru import logger

from dreamos_tasks.background import Background
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.errors import BoardUnavailable, DreamosError
from dreamos_tasks.execution.rollback import StepUndoer
from dreamos_tasks.model.query import TaskQuery

BATCH = 100
BUSY_SECONDS = 0.2  # until the run of a cancelled task has ended what it started
TROUBLE_SECONDS = 5.0  # until the board is tried again
DUE = TaskQuery(statuses=frozenset({"rolling_back"}), limit=BATCH)


class Rollbacks:
    """Looks for what is due when woken, and once at the start: a killed daemon may have left some."""

    def __init__(
        self, desk: BoardDesk, undoer: StepUndoer, *, agent_id: str, is_running: Callable[[str], bool]
    ) -> None:
        """`is_running`: whether this daemon still has a run of the task, which has to end first."""
        self._desk = desk
        self._undoer = undoer
        self._agent_id = agent_id
        self._is_running = is_running
        self._wake = asyncio.Event()
        self._wake.set()
        self._loop = Background(self._work, name="rollbacks")

    def start(self) -> None:
        """Begin to look. A second start changes nothing."""
        self._loop.start()

    def wake(self) -> None:
        """Something may be due."""
        self._wake.set()

    async def stop(self) -> None:
        """Stop at once: what is under way is gone on with by whoever comes next. May be called twice."""
        await self._loop.stop()

    async def _work(self) -> None:
        given_up: set[str] = set()  # what cannot be recorded is not tried again and again
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                due = [task_id for task_id in await self._due() if task_id not in given_up]
                for task_id in due:
                    if not self._is_running(task_id) and not await self._roll_back(task_id):
                        given_up.add(task_id)
                if any(self._is_running(task_id) for task_id in due):
                    await asyncio.sleep(BUSY_SECONDS)
                    self._wake.set()
            except BoardUnavailable as error:
                logger.error("rollbacks have to wait: {} ({})", error.message, error.cause)
                await asyncio.sleep(TROUBLE_SECONDS)
                self._wake.set()

    async def _due(self) -> Sequence[str]:
        found = await self._desk.read(lambda nexus: nexus.find_tasks(DUE))
        if len(found) == BATCH:
            self._wake.set()
        return [task.task_id for task in found]

    async def _roll_back(self, task_id: str) -> bool:
        """Whether it has come to an end."""
        try:
            await self._undoer.undo(task_id, by=self._agent_id, only_due=True)
        except BoardUnavailable:
            raise
        except DreamosError as error:
            logger.warning("{}: its changes cannot be taken back: {}", task_id, error.message)
            return False
        except Exception:  # noqa: BLE001  one task's trouble is not the others'
            logger.exception("{}: its changes cannot be taken back", task_id)
            return False
        return True
