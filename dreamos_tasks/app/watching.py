"""Watching: the monitors without a daemon, once or for as long as somebody lets them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from dreamos_tasks.app.boards import open_board
from dreamos_tasks.app.ending_signals import on_ending
from dreamos_tasks.app.identity import is_alive
from dreamos_tasks.app.telling import build_teller, time_of_day
from dreamos_tasks.app.tool_shop import build_tools, children_of
from dreamos_tasks.app.undoing import OwnDesk
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.monitoring.monitor import check_board, monitors_of
from dreamos_tasks.monitoring.report import MonitorReport

if TYPE_CHECKING:
    from dreamos_tasks.monitoring.service import LastCheck, TaskMonitoringService
    from dreamos_tasks.tools.registry import ToolRegistry

LOOK_SECONDS = 0.1  # how soon a check that is done is told of


def check_now(nexus: TaskNexus, home: Home, settings: Settings) -> MonitorReport:
    """One check of the board, and telling people of what they have not heard. Raises BoardUnavailable, ConfigError."""
    report = check_board(nexus, monitors_of(settings, is_alive=is_alive, time_of_day=time_of_day))
    if settings.escalation.targets:
        teller = build_teller(OwnDesk(nexus), home=home, settings=settings, tools=lambda: _tools(home, settings))
        asyncio.run(teller.tell())
    return report


def keep_watching(home: Home, settings: Settings, *, on_check: Callable[[LastCheck], None]) -> None:
    """Check regularly until SIGINT, SIGTERM or SIGHUP. Failed checks are told of too, and tried again."""
    asyncio.run(_watch(home, settings, on_check))


async def _watch(home: Home, settings: Settings, on_check: Callable[[LastCheck], None]) -> None:
    from dreamos_tasks.monitoring import service as monitoring  # APScheduler, which a single check does without

    ending = asyncio.Event()
    on_ending(ending.set)
    desk = BoardDesk(lambda: open_board(home, settings))
    await desk.start()
    service = monitoring.TaskMonitoringService(
        desk,
        monitors_of(settings, is_alive=is_alive, time_of_day=time_of_day),
        interval_seconds=settings.monitoring.check_interval_seconds,
        teller=build_teller(desk, home=home, settings=settings, tools=lambda: _tools(home, settings)),
    )
    telling = asyncio.create_task(_tell(service, on_check), name="checks")
    try:
        await service.start()
        done, _ = await asyncio.wait((asyncio.create_task(ending.wait()), telling), return_when=asyncio.FIRST_COMPLETED)
        if telling in done:
            telling.result()  # what could not be told: stdout is closed
    finally:
        telling.cancel()
        await service.stop()
        await desk.stop()


async def _tell(service: TaskMonitoringService, on_check: Callable[[LastCheck], None]) -> None:
    told: LastCheck | None = None
    while True:
        last = service.last_check
        if last is not None and last is not told:
            told = last
            on_check(last)
        await asyncio.sleep(LOOK_SECONDS)


def _tools(home: Home, settings: Settings) -> ToolRegistry:
    return build_tools(children_of(home, instance=os.urandom(8).hex()), home=home, settings=settings)
