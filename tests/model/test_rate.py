"""Rate: in no minute are there more starts than allowed, and nobody waits longer than needed."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dreamos_tasks.model import rate
from tests.fakes import START, at


def filled(*seconds: float) -> rate.Starts:
    log: rate.Starts = ()
    for second in seconds:
        log = rate.started(log, at(second))
    return log


def test_starts_of_the_last_minute_count_and_no_others() -> None:
    log = filled(0, 10, 59)
    assert rate.count(log, at(59.9)) == 3
    assert rate.count(log, at(60)) == 2
    assert rate.count(log, at(119)) == 0


def test_the_next_may_start_when_the_oldest_is_a_minute_old() -> None:
    log = filled(0, 10, 20)
    assert rate.free_at(log, at(25), per_minute=4) == at(25)
    assert rate.free_at(log, at(25), per_minute=3) == at(60)
    assert rate.free_at(log, at(25), per_minute=2) == at(70)


def test_those_who_wait_are_given_instants_of_their_own() -> None:
    log = filled(0, 10, 20)
    instants = [rate.free_at(log, at(25), per_minute=3, ahead=ahead) for ahead in range(5)]
    assert instants == [at(60), at(70), at(80), at(120), at(130)]


def test_a_log_of_many_starts_stays_short_and_forgets_none_too_early() -> None:
    log: rate.Starts = ()
    now = START
    for _ in range(5000):
        log = rate.started(log, now)
        now += timedelta(milliseconds=10)
    assert len(log) <= rate.LONGEST_LOG + 1
    assert rate.count(log, now) == 5000
    assert rate.count(log, at(60 + rate.NEAR.total_seconds())) <= 4999
    assert rate.count(log, at(110)) <= 50 * 1000 / 10 - 4900


@given(st.integers(1, 400), st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=400))
@settings(max_examples=100, deadline=None)
def test_whoever_starts_only_when_there_is_room_never_exceeds_the_rate(per_minute: int, pauses: list[float]) -> None:
    log: rate.Starts = ()
    now = START
    starts = []
    for pause in pauses:
        now += timedelta(seconds=pause)
        free = rate.free_at(log, now, per_minute=per_minute)
        assert (free == now) is (rate.count(log, now) < per_minute)
        now = max(now, free)
        assert rate.count(log, now) < per_minute, "it is free when it was said to be"
        log = rate.started(log, now)
        starts.append(now)
    for index, start in enumerate(starts):
        within = sum(1 for other in starts[index:] if other < start + rate.WINDOW)
        assert within <= per_minute
