"""PatientDesk: writes that must not be lost wait until the board can be written again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from loguru import logger

from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import BoardCorrupt, BoardGone, BoardUnavailable

Result = TypeVar("Result")
PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)  # the last one is repeated


class PatientDesk:
    """A desk for results: a full disk or a held lock delays them, and does not lose them.

    A board that is gone or corrupt is not waited for. When the claim has run out meanwhile, the write is refused by its token.
    """

    def __init__(self, desk: BoardDesk) -> None:
        self._desk = desk

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        """See BoardDesk.read."""
        return await self._patiently(lambda: self._desk.read(act))

    async def write(self, act: Callable[[TaskNexus], Result]) -> Result:
        """See BoardDesk.write."""
        return await self._patiently(lambda: self._desk.write(act))

    async def _patiently(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        tries = 0
        while True:
            try:
                return await ask()
            except (BoardGone, BoardCorrupt):
                raise
            except BoardUnavailable as error:
                if tries == 0:
                    logger.error(
                        "the board cannot be used now; the work waits for it: {} ({})", error.message, error.cause
                    )
                await asyncio.sleep(PAUSES_SECONDS[min(tries, len(PAUSES_SECONDS) - 1)])
                tries += 1
