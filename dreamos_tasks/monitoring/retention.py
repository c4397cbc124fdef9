"""RetentionService: prunes the board regularly, as the settings ask for it, in pieces so small that nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from loguru import logger

from dreamos_tasks.background import Background
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.settings import RetentionSettings
from dreamos_tasks.errors import DreamosError
from dreamos_tasks.monitoring.desk import Desk
from dreamos_tasks.monitoring.pruning import TASKS_A_LOOK, Pruned, Pruner, days_before, pieces

Result = TypeVar("Result")

EVERY_SECONDS = 6 * 3600.0
PAUSE_SECONDS = 0.05  # between two pieces: the board is for those who work


class RetentionService:
    """Prunes once it is started, and every six hours; nothing, when the settings keep everything."""

    def __init__(
        self, desk: Desk, pruner: Pruner, settings: RetentionSettings, *, every_seconds: float = EVERY_SECONDS
    ) -> None:
        self._desk = desk
        self._pruner = pruner
        self._settings = settings
        self._every_seconds = every_seconds
        self._background = Background(self._work, name="retention")

    def start(self) -> None:
        """Begin. A second start changes nothing."""
        if self._settings.runs_days or self._settings.events_days:
            self._background.start()

    async def stop(self) -> None:
        """End between two pieces. May be called twice."""
        await self._background.stop()

    async def prune(self) -> Pruned:
        """Prune once. Raises BoardUnavailable kinds."""
        now = await self._desk.read(lambda nexus: nexus.clock.now())
        pruned = Pruned()
        if self._settings.events_days is not None:
            pruned += await self._prune_events(days_before(now, self._settings.events_days))
        if self._settings.runs_days is not None:
            pruned += await self._prune_runs(days_before(now, self._settings.runs_days))
        return pruned

    async def _work(self) -> None:
        while True:
            try:
                pruned = await self.prune()
                if pruned.histories or pruned.folders:
                    logger.info(
                        "pruned {} histories ({} events) and the run folders of {} tasks ({} bytes)",
                        pruned.histories,
                        pruned.events,
                        pruned.folders,
                        pruned.bytes,
                    )
                for reason in pruned.kept[:1]:
                    logger.warning("{} run folders could not be removed, such as {}", len(pruned.kept), reason)
            except DreamosError as error:
                logger.warning("pruning has to wait: {} ({})", error.message, error.cause)
            except Exception:  # noqa: BLE001  the daemon outlives whatever goes wrong here
                logger.exception("pruning broke off")
            await asyncio.sleep(self._every_seconds)

    async def _prune_events(self, before: datetime) -> Pruned:
        pruned, after = Pruned(), None
        while True:
            page = await self._desk.read(_with(self._pruner.look, before=before, after=after))
            for piece in pieces(page.task_ids):
                pruned += await self._desk.write(_with(self._pruner.shorten, piece, before=before))
                await asyncio.sleep(PAUSE_SECONDS)
            if page.last is None:
                return pruned
            after = page.last
            await asyncio.sleep(PAUSE_SECONDS)

    async def _prune_runs(self, before: datetime) -> Pruned:
        pruned = Pruned()
        for piece in pieces(await asyncio.to_thread(self._pruner.folder_names), TASKS_A_LOOK):
            for task in await self._desk.read(_with(self._pruner.old, piece, before=before)):
                pruned += await asyncio.to_thread(self._pruner.remove_folders, task)
            await asyncio.sleep(PAUSE_SECONDS)
        return pruned


def _with(act: Callable[..., Result], *args: object, **named: object) -> Callable[[TaskNexus], Result]:
    return lambda nexus: act(nexus, *args, **named)
