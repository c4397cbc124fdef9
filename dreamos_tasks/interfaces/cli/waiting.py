"""Waiting for the board: looks again when somebody has written or an instant has come, and gives up in time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.watch import BoardWatch
from dreamos_tasks.interfaces.cli.call import Call

Found = TypeVar("Found")
SECONDS_UNSEEN = 30.0  # the net below: so long at most a change that left no mark goes unseen
SHORTEST_SECONDS = 0.1  # between two looks for which nobody has written


def watch_of(call: Call) -> BoardWatch:
    """Watches the call's board. Close it."""
    return BoardWatch(call.nexus, call.home.doorbell)


def watch_for_reader(call: Call) -> BoardWatch:
    """The same for one who does nothing but tell: it ends when nobody reads stdout any more. Close it."""
    try:
        output = sys.stdout.fileno()
    except (OSError, ValueError):  # it is no file
        output = None
    return BoardWatch(call.nexus, call.home.doorbell, output=output)


def wait_until(call: Call, look: Callable[[], Found | None], *, timeout_seconds: float | None) -> Found | None:
    """What `look` finds, as soon as it finds something; None when the time is over. None for no end."""
    nexus = call.nexus
    ends_at = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    with watch_of(call) as watch:
        while True:
            mark, now = watch.mark(), nexus.clock.now()
            found = look()
            if found is not None:
                return found
            look_at = time.monotonic() + _seconds_to_next_instant(nexus, now)
            watch.wait(mark, until=look_at if ends_at is None else min(look_at, ends_at))
            if ends_at is not None and time.monotonic() >= ends_at:
                return None


def _seconds_to_next_instant(nexus: TaskNexus, looked_at: datetime) -> float:
    instant = nexus.store.next_instant(now=looked_at)
    if instant is None:
        return SECONDS_UNSEEN
    return min(SECONDS_UNSEEN, max(SHORTEST_SECONDS, (instant - nexus.clock.now()).total_seconds()))
