"""Desk: the way from asyncio to the board, as much of a BoardDesk as the monitoring needs."""

from __future__ import annotations

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
