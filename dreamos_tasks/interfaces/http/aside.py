"""AsideDesk: a second way to the board for questions that take long, so that claims do not wait behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus

Result = TypeVar("Result")


class AsideDesk:
    """Opened at the first question. Reads only. `stop` may be called twice."""

    def __init__(self, open_nexus: Callable[[], TaskNexus]) -> None:
        self._open_nexus = open_nexus
        self._desk: BoardDesk | None = None
        self._opening = asyncio.Lock()

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        """Run a call that only reads. Raises what opening the board and the call raise."""
        async with self._opening:
            if self._desk is None:
                desk = BoardDesk(self._open_nexus)
                await desk.start()
                self._desk = desk
        return await self._desk.read(act)

    async def stop(self) -> None:
        """Close the board, if it was opened."""
        desk, self._desk = self._desk, None
        if desk is not None:
            await desk.stop()
