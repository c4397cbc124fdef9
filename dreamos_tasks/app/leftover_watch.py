"""LeftoverWatch: the daemon's part in what a killed `dt run` or `dt work` has left: it ends when the claim does."""

from __future__ import annotations

import asyncio

from loguru import logger

from dreamos_tasks.app.tool_shop import home_id
from dreamos_tasks.background import Background
from dreamos_tasks.config.home import Home
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.tools.orphans import end_leftovers

TAKEN_AWAY = frozenset(  # how claims end that their holder does not end
    {
        EventType.TASK_LEASE_EXPIRED,
        EventType.TASK_RECOVERED,
        EventType.TASK_STALLED,
        EventType.TASK_REASSIGNED,
        EventType.TASK_PAUSED,
        EventType.TASK_CANCELLED,
    }
)
REST_SECONDS = 1.0  # between two looks at all processes, however many claims end


class LeftoverWatch:
    """Looks when a claim was taken from its holder. What processes that are alive have started, they end themselves."""

    def __init__(self, home: Home, *, instance: str) -> None:
        """`instance`: our own, whose processes are left alone."""
        self._home_id = home_id(home)
        self._instance = instance
        self._due = asyncio.Event()
        self._background = Background(self._work, name="leftovers")

    def start(self) -> None:
        """Begin."""
        self._background.start()

    async def stop(self) -> None:
        """May be called twice."""
        await self._background.stop()

    def happened(self, event: Event) -> None:
        """Something happened on the board."""
        if event.type in TAKEN_AWAY:
            self._due.set()

    async def _work(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            ended = await end_leftovers(self._home_id, except_instance=self._instance)
            if ended:
                logger.warning("ended {} processes that were left by whoever started them here", ended)
            await asyncio.sleep(REST_SECONDS)
