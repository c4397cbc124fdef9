"""ThreadDesk: a desk over a nexus that is open already; each call runs in a thread of asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from dreamos_tasks.board.nexus import TaskNexus

Result = TypeVar("Result")


class ThreadDesk:
    def __init__(self, nexus: TaskNexus) -> None:
        self._nexus = nexus

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        return await asyncio.to_thread(act, self._nexus)

    write = read
