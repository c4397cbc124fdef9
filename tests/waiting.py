"""Waiting within an event loop: for a condition, never for a time to pass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
POLL_SECONDS = 0.005
PATIENCE_SECONDS = 120.0  # a machine may be busy; a test that waits so long has failed


async def until(condition: Callable[[], Answer], *, what: str = "") -> Answer:
    """The first true answer, while the loop goes on. AssertionError with `what` when none comes in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE_SECONDS
    while not (answer := condition()):
        assert loop.time() < end, f"not within {PATIENCE_SECONDS:g} s: {what or condition}"
        await asyncio.sleep(POLL_SECONDS)
    return answer
