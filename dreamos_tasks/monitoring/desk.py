"""Desk: the way from asyncio to the board. The daemon has a BoardDesk; a ThreadDesk serves where there is none."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from dreamos_tasks.board.nexus import TaskNexus

Result = TypeVar("Result")


class Desk(Protocol):
    """What the monitoring asks of a desk."""

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        """Run a call that only reads."""
        ...

    async def write(self, act: Callable[[TaskNexus], Result]) -> Result:
        """Run a call that writes; it has been committed when this returns."""
        ...


class ThreadDesk:
    """A desk over an open nexus: each call runs in a thread of asyncio's own."""

    def __init__(self, nexus: TaskNexus) -> None:
        self._nexus = nexus

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        """See Desk."""
        return await asyncio.to_thread(act, self._nexus)

    async def write(self, act: Callable[[TaskNexus], Result]) -> Result:
        """See Desk."""
        return await asyncio.to_thread(act, self._nexus)
