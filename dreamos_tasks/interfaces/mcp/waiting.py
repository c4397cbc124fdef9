"""Waiting within a call: looks again when somebody has written to the board, or an instant may have come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from dreamos_tasks.board.desk import BoardDesk

Found = TypeVar("Found")
LOOK_SECONDS = 0.2  # between two looks at the board's change mark, which cost next to nothing
SECONDS_UNSEEN = 5.0  # for what comes about without anybody writing: a task's not_before, a lease that runs out


async def wait_until(desk: BoardDesk, look: Callable[[], Awaitable[Found | None]], *, seconds: float) -> Found | None:
    """What `look` finds, as soon as it finds something; None when the time is over."""
    ends_at = time.monotonic() + seconds
    while True:
        mark = await desk.read(lambda nexus: nexus.store.change_mark())
        found = await look()
        if found is not None or time.monotonic() >= ends_at:
            return found
        await _changed(desk, mark, until=min(ends_at, time.monotonic() + SECONDS_UNSEEN))


async def _changed(desk: BoardDesk, mark: int, *, until: float) -> None:
    while (left_seconds := until - time.monotonic()) > 0:
        await asyncio.sleep(min(LOOK_SECONDS, left_seconds))
        if await desk.read(lambda nexus: nexus.store.change_mark()) != mark:
            return
