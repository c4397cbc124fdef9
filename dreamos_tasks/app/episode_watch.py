"""EpisodeWatch: the daemon's part in episodes: as soon as the last task of one is over, so is the episode.

One whose end was taken back runs again, and its completion log is set aside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from loguru import logger

from dreamos_tasks.app.episodes import set_aside_logs, unlogged, write_log
from dreamos_tasks.background import Background
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.episodes import Episodes
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.home import Home
from dreamos_tasks.errors import BoardUnavailable
from dreamos_tasks.model.episode import Episode
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.task import FINAL, Task

AGAIN_SECONDS = 5.0  # after a board or a disk that could not be used


class EpisodeWatch:
    """Looks when a task has ended or come back, and at the start."""

    def __init__(self, desk: BoardDesk, home: Home, *, agent_id: str) -> None:
        self._desk = desk
        self._home = home
        self._agent_id = agent_id
        self._due = asyncio.Event()
        self._background = Background(self._work, name="episodes")

    def start(self) -> None:
        """Begin by looking: an episode may have ended while no daemon ran."""
        self._due.set()
        self._background.start()

    async def stop(self) -> None:
        """May be called twice."""
        await self._background.stop()

    def happened(self, event: Event) -> None:
        """Something happened on the board."""
        if event.changes.get("status") in FINAL or event.type is EventType.CHANGE_TAKEN_BACK:
            self._due.set()

    async def _work(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                for episode, tasks in await self._desk.write(self._settled):
                    path = await asyncio.to_thread(write_log, episode, tasks, self._home)
                    logger.info("{} is {}: {}", episode.episode_id, episode.state.value, path)
            except (BoardUnavailable, OSError) as error:
                logger.error("episodes cannot be looked after now: {}", error)
                await asyncio.sleep(AGAIN_SECONDS)
                self._due.set()

    def _settled(self, nexus: TaskNexus) -> Sequence[tuple[Episode, Sequence[Task]]]:
        Episodes(nexus).settle(by=self._agent_id)
        set_aside_logs(nexus, self._home)
        return unlogged(nexus, self._home)
