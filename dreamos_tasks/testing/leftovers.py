"""Leftovers: what a call has left running. Processes are known by a mark in their environment, so that none can hide."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

import psutil

MARK = "DREAMOS_TASKS_CONFORMANCE"
PATIENCE_SECONDS = 20.0  # for what is on its way out; a busy machine may need it
_POLL_SECONDS = 0.01  # whose processes and threads these are is unknown: nothing tells of the end of them all


class Leftovers:
    """Looks before a call, and after it."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._threads = set(threading.enumerate())
        self._children = {child.pid for child in psutil.Process().children(recursive=True)}

    @property
    def environment(self) -> Mapping[str, str]:
        """To be in the environment of the call."""
        return {MARK: self._mark}

    def found(self) -> Sequence[str]:
        """What runs and did not before; empty as soon as nothing does."""
        until = time.monotonic() + PATIENCE_SECONDS
        while (left := self._left()) and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        return left

    def _left(self) -> Sequence[str]:
        threads = [f"thread {thread.name}" for thread in threading.enumerate() if thread not in self._threads]
        return threads + [f"process {process.pid}" for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if process.environ().get(MARK) == self._mark:
                return True
            return process.pid not in self._children and psutil.Process() in process.parents()
        except psutil.Error:  # gone, or another user's
            return False
