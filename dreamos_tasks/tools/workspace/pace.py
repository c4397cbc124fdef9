"""Pace: lets work in a thread be stopped, and tells it when its time is over."""

from __future__ import annotations

import threading
import time


class Stopped(Exception):
    """The call was cancelled."""


class Pace:
    """Work that may take long asks it now and then. `until` is an instant of the monotonic clock; None: no end."""

    def __init__(self, *, until: float | None = None) -> None:
        self.until = until
        self._stop = threading.Event()

    def stop(self) -> None:
        """From any thread: the next `check` raises Stopped."""
        self._stop.set()

    def check(self) -> None:
        """Raises Stopped, or TimeoutError when the time is over."""
        if self._stop.is_set():
            raise Stopped
        if self.until is not None and time.monotonic() >= self.until:
            raise TimeoutError
