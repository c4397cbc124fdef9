"""Holding a claim while the work goes on: heartbeats, and noticing that somebody else has ended it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import BoardUnavailable, NotFound, Refused

LOOK_SECONDS = 0.5  # how soon it is seen that somebody else has ended the claim


async def hold_claim(
    desk: BoardDesk,
    task_id: str,
    *,
    token: int,
    heartbeat_seconds: float,
    on_change: Callable[[], None] = lambda: None,
) -> None:
    """Prolong the lease until the claim is over: somebody cancelled, paused, finished or took the task.

    `on_change` is called when something was written and the claim goes on. A board that cannot be had for a while is waited
    for; whether the claim outlived that, its token will tell.
    """
    mark: int | None = None
    beat_at = time.monotonic() + heartbeat_seconds
    with suppress(Refused, NotFound):
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, heartbeat_seconds))
            with suppress(BoardUnavailable):
                if time.monotonic() >= beat_at:
                    await desk.write(lambda nexus: nexus.heartbeat(task_id, token=token))
                    beat_at = time.monotonic() + heartbeat_seconds
                found = await desk.read(lambda nexus: nexus.store.change_mark())
                if found != mark:
                    if not await desk.read(lambda nexus: is_held(nexus, task_id, token)):
                        return
                    on_change()
                mark = found


def is_held(nexus: TaskNexus, task_id: str, token: int) -> bool:
    """Whether the task is in progress under exactly this claim."""
    claim = nexus.get_task_by_id(task_id).claim
    return claim is not None and claim.token == token


async def call_off(work: asyncio.Task[Any]) -> None:
    """Cancel it and wait until it has ended what it started."""
    work.cancel()
    await asyncio.wait((work,))
    if not work.cancelled():
        work.exception()  # it was on its way out already: nobody asks what for
