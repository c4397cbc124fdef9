"""Waiting for the board: looks again when somebody has written or an instant has come, and gives up in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from dreamos_tasks.board.feed import POLL_SECONDS
from dreamos_tasks.board.nexus import TaskNexus

Found = TypeVar("Found")
SECONDS_UNSEEN = 30.0  # the net below: so long at most a change that left no mark goes unseen


def wait_until(nexus: TaskNexus, look: Callable[[], Found | None], *, timeout_seconds: float | None) -> Found | None:
    """What `look` finds, as soon as it finds something; None when the time is over. None for no end."""
    ends_at = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    while True:
        mark, now = nexus.store.change_mark(), nexus.clock.now()
        found = look()
        if found is not None:
            return found
        if not _something_happens(nexus, mark, ends_at, looked_at=now):
            return None


def _something_happens(nexus: TaskNexus, mark: int, ends_at: float | None, *, looked_at: datetime) -> bool:
    """Wait until there is a reason to look again; False when the time is over first."""
    look_at = time.monotonic() + _seconds_to_next_instant(nexus, looked_at)
    while nexus.store.change_mark() == mark:
        now = time.monotonic()
        if ends_at is not None and now >= ends_at:
            return False
        if now >= look_at:
            return True
        time.sleep(min(POLL_SECONDS, max(0.0, look_at - now), *(() if ends_at is None else (ends_at - now,))))
    return ends_at is None or time.monotonic() < ends_at


def _seconds_to_next_instant(nexus: TaskNexus, looked_at: datetime) -> float:
    instant = nexus.store.next_instant(now=looked_at)
    if instant is None:
        return SECONDS_UNSEEN
    return min(SECONDS_UNSEEN, max(POLL_SECONDS, (instant - nexus.clock.now()).total_seconds()))
