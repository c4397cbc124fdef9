"""Rate: how many calls have started within the last minute, and when there may be another. Pure.

A log of starts under a sliding window, so that in no minute, wherever it begins, there are more calls than allowed. A log that
grows long keeps one entry for starts that are close together, at the latest of them: it forgets a little late, never too early.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta

WINDOW = timedelta(seconds=60)
LONGEST_LOG = 240  # entries; a longer one has one entry for each of so many parts of the window
NEAR = WINDOW / LONGEST_LOG
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Starts = tuple[tuple[datetime, int], ...]  # an instant and how many calls had started up to it, since the entry before


def recent(starts: Starts, now: datetime) -> Starts:
    """What still counts."""
    return tuple(entry for entry in starts if entry[0] > now - WINDOW)


def count(starts: Starts, now: datetime) -> int:
    """How many calls still count."""
    return sum(number for _, number in recent(starts, now))


def started(starts: Starts, now: datetime) -> Starts:
    """After another call has started."""
    log = (*recent(starts, now), (now, 1))
    return log if len(log) <= LONGEST_LOG else _merged(log)


def free_at(starts: Starts, now: datetime, *, per_minute: int, ahead: int = 0) -> datetime:
    """When a call may start, if `ahead` others start before it, each as soon as it may."""
    log = deque(recent(starts, now))
    counted = sum(number for _, number in log)
    place = now
    for _ in range(ahead + 1):
        while counted >= per_minute:
            instant, number = log.popleft()
            counted -= number
            place = max(place, instant + WINDOW)
        log.append((place, 1))
        counted += 1
    return place


def _merged(log: Starts) -> Starts:
    """One entry for each part of the window, at the latest start in it."""
    parts: dict[int, tuple[datetime, int]] = {}
    for instant, number in log:
        part = (instant - EPOCH) // NEAR
        before = parts[part][1] if part in parts else 0
        parts[part] = (instant, before + number)
    return tuple(parts.values())
