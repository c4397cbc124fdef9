"""How long something may take: intervals hold as often as they say, and what has run for long is expected to run on."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.model.durations import durations_from, durations_within, range_from, score_at

seconds = st.floats(min_value=0.001, max_value=1e6)
some = st.lists(seconds, max_size=40)
places = st.floats(min_value=0.001, max_value=0.999)


@given(some, places, places)
def test_a_longer_time_is_never_less_likely_to_suffice(samples: list[float], one: float, other: float) -> None:
    durations = durations_from(samples)
    low, high = sorted((one, other))
    assert 0 <= durations.quantile(low) <= durations.quantile(high) * (1 + 1e-9)


@given(some, places)
def test_probability_and_quantile_tell_the_same(samples: list[float], place: float) -> None:
    durations = durations_from(samples)
    reached = durations.quantile(place)
    assert durations.probability(reached * (1 + 1e-9)) >= place - 1e-6
    assert durations.probability(reached * (1 - 1e-6)) <= place + 1e-3


@given(some, st.floats(min_value=0, max_value=1e7))
def test_what_is_left_is_a_range_in_order_and_never_negative(samples: list[float], elapsed: float) -> None:
    left = durations_from(samples).range_after(elapsed)
    assert 0 <= left.low_seconds <= left.likely_seconds <= left.high_seconds
    assert left.samples == len(samples)


@given(st.lists(seconds, min_size=1, max_size=40))
def test_the_quick_way_gives_the_same_range(samples: list[float]) -> None:
    quick, thorough = range_from(samples), durations_from(samples).range_after()
    assert quick.low_seconds == pytest.approx(thorough.low_seconds, rel=1e-6)
    assert quick.likely_seconds == pytest.approx(thorough.likely_seconds, rel=1e-6)
    assert quick.high_seconds == pytest.approx(thorough.high_seconds, rel=1e-6)
    assert (quick.samples, quick.is_rough) == (thorough.samples, thorough.is_rough)


def test_ten_samples_speak_for_themselves() -> None:
    told = range_from([float(number) for number in range(1, 11)])
    assert (told.low_seconds, told.likely_seconds, told.high_seconds) == pytest.approx((1.1, 5.5, 9.9))
    assert not told.is_rough


@pytest.mark.parametrize(("count", "rough"), [(0, True), (1, True), (2, True), (3, False), (10, False)])
def test_fewer_than_three_samples_are_called_rough(count: int, rough: bool) -> None:
    assert durations_from([5.0] * count).is_rough is rough


@given(st.lists(seconds, min_size=1, max_size=40))
def test_of_a_range_alone_the_same_range_follows(samples: list[float]) -> None:
    told = range_from(samples)
    again = durations_within(told).range_after()
    assert again.likely_seconds == pytest.approx(told.likely_seconds, rel=0.02, abs=0.002)
    assert again.high_seconds == pytest.approx(max(told.high_seconds, 0.001), rel=0.02, abs=0.002)
    assert again.samples == len(samples)


def test_the_mean_is_about_that_of_the_samples() -> None:
    samples = [1.0] * 12 + [10.0] * 8
    assert durations_from(samples).mean == pytest.approx(4.6, rel=0.05)


def test_without_any_sample_it_is_a_wide_guess_around_what_is_likely() -> None:
    told = durations_from((), unknown_seconds=60).range_after()
    assert told.likely_seconds == pytest.approx(60)
    assert told.high_seconds / told.low_seconds > 40


@pytest.mark.parametrize(("freedom", "score"), [(1, 3.0777), (2, 1.8856), (5, 1.4759), (8, 1.3968), (None, 1.2816)])
def test_scores_are_those_of_the_tables(freedom: int | None, score: float) -> None:
    assert score_at(0.9, freedom) == pytest.approx(score, abs=5e-5)
    assert score_at(0.1, freedom) == pytest.approx(-score, abs=5e-5)


def test_of_two_kinds_of_runs_the_long_one_is_expected_once_the_short_time_is_over() -> None:
    durations = durations_from([1.0, 1.1, 0.9, 1.05, 0.95] * 4 + [100.0, 105.0, 95.0, 98.0, 102.0] * 4)
    at_first, later = durations.range_after(0), durations.range_after(10)
    assert at_first.low_seconds < 2
    assert later.low_seconds > 80


def test_what_has_run_longer_than_all_before_may_run_the_longer_the_longer_it_has() -> None:
    durations = durations_from([10.0, 11.0, 12.0, 10.5, 11.5, 10.2, 11.2, 12.1, 10.8, 11.9])
    soon, late = durations.range_after(13), durations.range_after(130)
    assert soon.is_rough
    assert late.likely_seconds > 5 * soon.likely_seconds
    assert late.likely_seconds > 20


def lognormal(random: Random) -> float:
    return random.lognormvariate(1.0, 0.7)


def bimodal(random: Random) -> float:
    """A cache is hit or missed."""
    return random.lognormvariate(0.0, 0.2) if random.random() < 0.6 else random.lognormvariate(3.0, 0.3)


@pytest.mark.parametrize("kind", [lognormal, bimodal])
@pytest.mark.parametrize("count", [10, 20, 50])
def test_an_80_percent_interval_holds_80_percent(kind: Callable[[Random], float], count: int) -> None:
    assert 0.77 <= share_inside(kind, count) <= 0.83


@pytest.mark.parametrize("count", [3, 5, 9])
def test_so_it_does_with_few_samples_of_one_kind(count: int) -> None:
    assert 0.77 <= share_inside(lognormal, count) <= 0.83


@pytest.mark.parametrize("kind", [lognormal, bimodal])
def test_so_it_does_for_what_is_left_of_a_run_under_way(kind: Callable[[Random], float]) -> None:
    random, inside, asked = Random(7), 0, 0
    while asked < 3000:
        durations = durations_from([kind(random) for _ in range(50)])
        real = kind(random)
        elapsed = random.random() * exp(log(20) * random.random())
        if real <= elapsed:
            continue
        left = durations.range_after(elapsed)
        asked += 1
        inside += left.low_seconds <= real - elapsed <= left.high_seconds
    assert 0.75 <= inside / asked <= 0.85


def share_inside(kind: Callable[[Random], float], count: int) -> float:
    random, inside, trials = Random(count), 0, 4000
    for _ in range(trials):
        told = range_from([kind(random) for _ in range(count)])
        inside += told.low_seconds <= kind(random) <= told.high_seconds
    return inside / trials
