"""Hurry: the processor to oneself for a moment: beside a thousand busy processes one gets a thousandth of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import get_native_id

_hurried: dict[int, int] = {}  # by thread, how many parts of it are in a hurry


@contextmanager
def before_all_others() -> Iterator[None]:
    """Let this thread run before all that is not in such a hurry. Only root may; for others nothing changes."""
    thread = get_native_id()
    _hurried[thread] = _hurried.get(thread, 0) + 1
    if _hurried[thread] == 1:
        _schedule(os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, 1)
    try:
        yield
    finally:
        _hurried[thread] -= 1
        if not _hurried[thread]:
            del _hurried[thread]
            _schedule(os.SCHED_OTHER, 0)


def _schedule(policy: int, priority: int) -> None:
    with suppress(OSError):
        os.sched_setscheduler(0, policy, os.sched_param(priority))
