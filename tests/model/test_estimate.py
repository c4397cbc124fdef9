"""How long a plan or a queue will take: steps one after another add up, steps side by side do not, and intervals hold."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamos_tasks.model.durations import Durations, durations_from
from dreamos_tasks.model.estimate import Course, Work, course_range, queue_range


def about(seconds: float) -> Durations:
    """Something that always takes nearly so long."""
    return durations_from([seconds * (1 + number / 1000) for number in range(-10, 11)])


def course(*seconds: float, at_once: int = 1, needs: dict[int, tuple[int, ...]] | None = None) -> Course:
    works = {
        str(number): Work(durations=about(each), needs=tuple(map(str, (needs or {}).get(number, ()))))
        for number, each in enumerate(seconds)
    }
    return Course(steps=works, at_once=at_once)


def likely(course: Course) -> float:
    return course_range(course).likely_seconds


def test_steps_one_after_another_take_their_sum() -> None:
    assert likely(course(1, 2, 3)) == pytest.approx(6, rel=0.02)


def test_steps_side_by_side_take_as_long_as_the_slowest() -> None:
    assert likely(course(1, 2, 3, at_once=3)) == pytest.approx(3, rel=0.02)


def test_where_there_is_room_for_two_the_third_begins_when_the_first_ends() -> None:
    assert likely(course(1, 2, 3, at_once=2)) == pytest.approx(4, rel=0.02)


def test_what_needs_others_begins_after_them() -> None:
    assert likely(course(5, 1, 1, at_once=4, needs={2: (1,)})) == pytest.approx(5, rel=0.02)
    assert likely(course(5, 1, 1, at_once=4, needs={2: (0, 1)})) == pytest.approx(6, rel=0.02)


def test_a_step_that_runs_has_its_room_and_only_its_rest_is_left() -> None:
    running = Work(durations=about(10), elapsed_seconds=9.0)
    plan = Course(steps={"waits": Work(durations=about(2)), "runs": running}, at_once=1)
    assert likely(plan) == pytest.approx(3, rel=0.05)
    beside = Course(steps={"waits": Work(durations=about(2)), "runs": running}, at_once=2)
    assert likely(beside) == pytest.approx(2, rel=0.05)


def test_nothing_that_is_left_takes_no_time() -> None:
    assert likely(Course()) == 0


def test_the_same_question_is_answered_alike() -> None:
    asked = Course(steps={str(n): Work(durations=durations_from([1.0, 3.0, 9.0])) for n in range(5)})
    assert course_range(asked) == course_range(asked)


def test_a_range_tells_of_its_weakest_part() -> None:
    steps = {"old": Work(durations=about(1)), "new": Work(durations=durations_from([1.0]))}
    told = course_range(Course(steps=steps))
    assert (told.samples, told.is_rough) == (1, True)


@given(
    st.lists(st.floats(min_value=0.01, max_value=100), min_size=2, max_size=6), st.integers(min_value=1, max_value=4)
)
@settings(max_examples=30, deadline=None)
def test_more_room_never_takes_longer_than_one_after_another(each: list[float], at_once: int) -> None:
    one_by_one, together = likely(course(*each)), likely(course(*each, at_once=at_once))
    assert together <= one_by_one * 1.001
    assert together >= max(each) * 0.98


def test_a_queue_waits_for_a_place_and_for_those_before() -> None:
    running = [course(4.0), course(6.0)]
    assert queue_range(running, [], places=3).likely_seconds == 0
    assert queue_range(running, [], places=2).likely_seconds == pytest.approx(4, rel=0.02)
    assert queue_range(running, [course(5)], places=2).likely_seconds == pytest.approx(6, rel=0.02)
    assert queue_range(running, [course(1), course(5)], places=2).likely_seconds == pytest.approx(6, rel=0.02)


def test_tasks_that_were_left_out_are_taken_to_be_like_the_others() -> None:
    ahead = [course(2)] * 10
    told = queue_range([], ahead, places=1, left_out=10)
    assert told.likely_seconds == pytest.approx(40, rel=0.02)


def test_the_interval_of_a_whole_plan_holds_80_percent() -> None:
    random, inside, trials = Random(3), 0, 600
    for _ in range(trials):
        kinds = [(random.gauss(1, 0.5), random.uniform(0.2, 0.8)) for _ in range(4)]
        steps = {
            str(place): Work(durations=durations_from([random.lognormvariate(*kind) for _ in range(50)]))
            for place, kind in enumerate(kinds)
        }
        told = course_range(Course(steps=steps))
        real = sum(random.lognormvariate(*kind) for kind in kinds)
        inside += told.low_seconds <= real <= told.high_seconds
    assert 0.75 <= inside / trials <= 0.85
