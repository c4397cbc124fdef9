"""How far a plan is: steps count by the time they take, and what runs counts for what is behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.model.durations import Durations, durations_from
from dreamos_tasks.model.plan import Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.progress import course_of, current_steps, percent_of
from dreamos_tasks.model.task import Claim, Status, Task, TaskDraft, evolve, new_task
from tests.fakes import START, at

SECONDS = {"fetch": 10.0, "build": 80.0, "test": 10.0}
STEPS = tuple(Step(name=name) for name in SECONDS)


NEVER = durations_from([])


def durations_of(step: Step) -> Durations:
    return durations_from([SECONDS[step.name] * (1 + number / 1000) for number in range(-10, 11)])


def task(records: Mapping[str, StepStatus], *, token: int = 1, is_held: bool = True) -> Task:
    """A task claimed at 100 s, whose steps stand so; what has ended took as long as always, what runs began at 100 s."""
    steps = tuple(
        StepResult(
            name=name,
            status=status,
            token=token,
            started_at=at(100),
            finished_at=None if status is StepStatus.RUNNING else at(100 + SECONDS[name]),
        )
        for name, status in records.items()
    )
    claim = Claim(agent_id="daemon", token=1, claimed_at=at(100), lease_until=at(1000), heartbeat_at=at(100))
    held = {"status": Status.IN_PROGRESS, "claim": claim} if is_held else {}
    new = new_task(TaskDraft(title="x", plan=Plan(steps=STEPS)), task_id="t", now=START)
    return evolve(new, {"steps": steps, "last_token": 1, **held})


def percent(task: Task, *, seconds: float = 100) -> float | None:
    return percent_of(task, course_of(task, durations_of, now=at(seconds)), durations_of)


DONE, RUNS, FAILED, SKIPPED = StepStatus.COMPLETED, StepStatus.RUNNING, StepStatus.FAILED, StepStatus.SKIPPED


def test_a_step_counts_by_the_time_it_takes() -> None:
    assert percent(task({})) == 0
    assert percent(task({"fetch": DONE})) == pytest.approx(10, abs=0.5)
    assert percent(task({"fetch": DONE, "build": DONE})) == pytest.approx(90, abs=0.5)


def test_what_runs_counts_for_the_time_it_has_run() -> None:
    assert percent(task({"fetch": DONE, "build": RUNS}), seconds=140) == pytest.approx(50, abs=0.5)


@given(st.lists(st.floats(min_value=100, max_value=10_000), min_size=2, max_size=2))
def test_it_never_goes_back_and_is_never_done_before_it_is_done(instants: list[float]) -> None:
    running = task({"fetch": DONE, "build": RUNS})
    earlier, later = (percent(running, seconds=instant) for instant in sorted(instants))
    assert earlier is not None
    assert later is not None
    assert earlier <= later <= 99


def test_while_a_step_is_left_that_never_ran_before_all_count_alike_and_it_is_never_nearly_done() -> None:
    def known_but(name: str) -> Callable[[Step], Durations]:
        return lambda step: NEVER if step.name == name else durations_of(step)

    def percent_of_first(records: Mapping[str, StepStatus], *, unknown: str, seconds: float) -> float | None:
        looked_at, known = task(records), known_but(unknown)
        return percent_of(looked_at, course_of(looked_at, known, now=at(seconds)), known)

    begun = {"fetch": DONE, "build": RUNS}
    assert percent_of_first(begun, unknown="build", seconds=100) == pytest.approx(33, abs=0.5)
    assert percent_of_first(begun, unknown="build", seconds=5000) == pytest.approx(50, abs=0.5)
    assert percent_of_first({"fetch": DONE, "build": DONE}, unknown="test", seconds=5000) == pytest.approx(67, abs=0.5)


def test_what_an_earlier_attempt_left_half_done_is_to_be_done_again() -> None:
    again = task({"fetch": DONE, "build": FAILED, "test": RUNS}, token=0)
    assert list(course_of(again, durations_of, now=at(100)).steps) == ["build", "test"]
    assert percent(again) == pytest.approx(10, abs=0.5)
    assert current_steps(again) == []


def test_what_failed_or_was_skipped_in_this_attempt_is_over() -> None:
    now = task({"fetch": FAILED, "build": SKIPPED, "test": RUNS})
    assert list(course_of(now, durations_of, now=at(100)).steps) == ["test"]
    assert current_steps(now) == ["test"]


def test_a_completed_task_is_done_and_one_without_a_plan_says_nothing() -> None:
    assert percent(evolve(task({}), {"status": Status.COMPLETED})) == 100
    assert percent(evolve(task({}), {"plan": None})) is None
