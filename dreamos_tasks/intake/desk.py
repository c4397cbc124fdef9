"""Desk: the way from asyncio to the board, as the inbox needs it. The daemon has a BoardDesk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from dreamos_tasks.board.nexus import TaskNexus

Result = TypeVar("Result")


class Desk(Protocol):
    """What the inbox asks of a desk."""

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        """Run a call that only reads."""
        ...

    async def write(self, act: Callable[[TaskNexus], Result]) -> Result:
        """Run a call that writes; it has been committed when this returns."""
        ...
