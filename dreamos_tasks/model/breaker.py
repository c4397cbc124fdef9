"""Circuit breaker: whether something that keeps failing is left alone, and who may try whether it is back. Pure.

Closed, it lets every call through and counts those that fail. After so many within the window it opens: no call goes through.
When it has been open for its time it is half-open: exactly one call, the probe, goes through, and what comes of that decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum

from dreamos_tasks.model.hold import Hold
from dreamos_tasks.model.value import frozen_value


class Position(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@frozen_value
class BreakerRule:
    """So many failures within the window open it; then it lets no call through for `open_seconds`."""

    failures: int = 5
    window_seconds: float = 60.0
    open_seconds: float = 30.0


@frozen_value
class Breaker:
    """What is known of one. `failed_at`: failures within the window, oldest first, while it is closed.

    `open_until` None: it is closed. `probe`: who was let through since it is half-open. `reason`: the last failure's message.
    """

    failed_at: tuple[datetime, ...] = ()
    open_until: datetime | None = None
    probe: Hold | None = None
    reason: str = ""


CLOSED = Breaker()


def position(breaker: Breaker, now: datetime) -> Position:
    """Where it stands now."""
    if breaker.open_until is None:
        return Position.CLOSED
    return Position.OPEN if now < breaker.open_until else Position.HALF_OPEN


def lets_through(breaker: Breaker, now: datetime, *, is_live: Callable[[Hold], bool]) -> bool:
    """Whether a call may be made now. A probe whose claim is over without a word does not count."""
    match position(breaker, now):
        case Position.CLOSED:
            return True
        case Position.OPEN:
            return False
        case Position.HALF_OPEN:
            return breaker.probe is None or not is_live(breaker.probe)


def let_through(breaker: Breaker, by: Hold, now: datetime) -> Breaker:
    """After a call was let through: half-open, it is the probe."""
    return replace(breaker, probe=by) if position(breaker, now) is Position.HALF_OPEN else breaker


def failed(breaker: Breaker, rule: BreakerRule, by: Hold, *, now: datetime, reason: str) -> Breaker:
    """After a call failed. Once it has opened, only the probe's word counts: others began before."""
    if breaker.open_until is not None:
        return _opened(rule, now, reason) if breaker.probe == by else breaker
    begin = now - timedelta(seconds=rule.window_seconds)
    recent = (*(at for at in breaker.failed_at if at > begin), now)[-rule.failures :]
    if len(recent) >= rule.failures:
        return _opened(rule, now, reason)
    return replace(breaker, failed_at=recent, reason=reason)


def answered(breaker: Breaker, by: Hold) -> Breaker:
    """After a call was answered: the probe's answer closes it. While it is closed, answers take back no failures."""
    return CLOSED if breaker.probe == by else breaker


def gave_no_verdict(breaker: Breaker, by: Hold) -> Breaker:
    """After a call ended before it was made: if it was the probe, another may try."""
    return replace(breaker, probe=None) if breaker.probe == by else breaker


def _opened(rule: BreakerRule, now: datetime, reason: str) -> Breaker:
    return Breaker(open_until=now + timedelta(seconds=rule.open_seconds), reason=reason)
