"""Waiting for something on the board: woken by what happens there, by the end of the server, or now and then by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from dreamos_tasks.interfaces.http.context import WebContext
    from dreamos_tasks.model.event import Event

Found = TypeVar("Found")
LOOK_SECONDS = 1.0  # what becomes ready by time alone tells nobody


class Wake:
    """Tells all who wait that something has happened."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def ring(self, _event: Event | None = None) -> None:
        """Something has happened."""
        for waiting in self._waiting:
            waiting.set()

    async def wait(self, seconds: float) -> None:
        """Until something happens, so long at most."""
        rung = asyncio.Event()
        self._waiting.add(rung)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await rung.wait()
        finally:
            self._waiting.discard(rung)


async def wait_until(
    context: WebContext,
    look: Callable[[], Awaitable[Found | None]],
    *,
    timeout_seconds: float,
    is_gone: Callable[[], Awaitable[bool]],
) -> Found | None:
    """What `look` finds, as soon as it finds something; None when it has not in time, or the server ends.

    Whoever asked may be gone before (`is_gone`): nothing is looked for any more, for what is found may be taken thereby.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout_seconds
    while (found := await look()) is None:
        left = end - loop.time()
        if left <= 0 or context.closing.is_set():
            return None
        await context.wake.wait(min(LOOK_SECONDS, left))
        if await is_gone():
            return None
    return found
