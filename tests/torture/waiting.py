"""Waiting for a condition: never for a time to pass."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")
POLL_SECONDS = 0.02
TIMEOUT_SECONDS = 120.0  # a machine may be busy; a test that waits so long has failed


def until(
    condition: Callable[[], Result], *, timeout_seconds: float = TIMEOUT_SECONDS, what: str | Callable[[], object] = ""
) -> Result:
    """The first true answer. AssertionError with `what` (asked for then, if it is a function) when none comes in time."""
    end = time.monotonic() + timeout_seconds
    while not (answer := condition()):
        if time.monotonic() > end:
            words = what() if callable(what) else what
            raise AssertionError(f"not within {timeout_seconds:g} s: {words or condition}")
        time.sleep(POLL_SECONDS)
    return answer
