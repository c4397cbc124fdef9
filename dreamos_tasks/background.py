"""Background: a loop that goes on beside everything else in the event loop, until it is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress


class Background:
    """Runs `work`, which never ends by itself, between `start` and `stop`. `name` is that of its asyncio task."""

    def __init__(self, work: Callable[[], Coroutine[object, object, None]], *, name: str) -> None:
        self._work = work
        self._name = name
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        """Between `start` and `stop`."""
        return self._task is not None

    def start(self) -> None:
        """Begin. A second start changes nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._work(), name=self._name)

    async def stop(self) -> None:
        """Cancel it, and wait until it has ended. May be called twice. Raises what it has failed with."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
