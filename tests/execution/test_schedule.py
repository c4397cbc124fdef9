"""Which step is next: order by needs, side by side where nothing forbids it, and a reason for each that is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.execution.schedule import Turn, impact_of, skipped, standing_of, turn_of
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, StepResult, StepStatus, TaskError
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.retry import DEFAULT_RETRY
from dreamos_tasks.model.task import Task, TaskDraft, evolve
from tests.fakes import START

LOGIC = TaskError(category=ErrorCategory.LOGIC, message="step 'a': exit code 1")


def task_of(plan: Plan, records: Sequence[StepResult] = ()) -> Task:
    task = lifecycle.add(TaskDraft(title="x", plan=plan), task_id="t", now=START).task
    request = ClaimRequest(agent_id="daemon", runs_plans=True)
    task = lifecycle.claim(task, request, unfinished=(), now=START, lease_seconds=900).task
    return evolve(task, {"steps": tuple(records)})


def ended(name: str, status: StepStatus, *, token: int = 1) -> StepResult:
    return StepResult(name=name, status=status, token=token, error=LOGIC if status is StepStatus.FAILED else None)


def turn(plan: Plan, *records: StepResult, running: Sequence[str] = ()) -> tuple[list[str], list[tuple[str, str]]]:
    found: Turn = turn_of(task_of(plan, records), running=running, board=DEFAULT_RETRY)
    return [step.name for step in found.start], [(step.name, reason) for step, reason in found.skip]


A, B, C = (Step(name=name) for name in "abc")
SEQUENCE = Plan(steps=(A, B, C))
DIAMOND = Plan(
    steps=(A, Step(name="b", needs=("a",)), Step(name="c", needs=("a",)), Step(name="d", needs=("b", "c"))),
)


def test_steps_that_name_no_needs_run_one_after_another() -> None:
    assert turn(SEQUENCE) == (["a"], [])
    assert turn(SEQUENCE, running=["a"]) == ([], [])
    assert turn(SEQUENCE, ended("a", StepStatus.COMPLETED)) == (["b"], [])


def test_in_a_sequence_a_failed_step_holds_nobody_up_that_does_not_need_it() -> None:
    plan = Plan(steps=(Step(name="a", critical=False), B))

    assert turn(plan, ended("a", StepStatus.FAILED)) == (["b"], [])


def test_a_number_of_steps_at_once_sets_a_list_free() -> None:
    plan = Plan(steps=(A, B, C), max_concurrent_steps=2)

    assert turn(plan) == (["a", "b"], [])
    assert turn(plan, ended("b", StepStatus.COMPLETED), running=["a"]) == (["c"], [])


def test_after_a_step_ran_out_of_resources_half_as_many_run_side_by_side() -> None:
    plan = Plan(steps=(A, B, C, Step(name="d")), max_concurrent_steps=4)
    exhausted = StepResult(name="a", status=StepStatus.FAILED, token=0, error=LOGIC, failures=(ErrorCategory.RESOURCE,))

    assert turn(plan) == (["a", "b", "c", "d"], [])
    assert turn(plan, exhausted) == (["a", "b"], [])
    assert turn(plan, replace(exhausted, failures=(ErrorCategory.RESOURCE,) * 2)) == (["a"], [])


def test_what_needs_the_same_runs_side_by_side_and_what_needs_both_comes_after() -> None:
    assert turn(DIAMOND) == (["a"], [])
    done = ended("a", StepStatus.COMPLETED)
    assert turn(DIAMOND, done) == (["b", "c"], [])
    assert turn(DIAMOND, done, ended("b", StepStatus.COMPLETED), running=["c"]) == ([], [])
    assert turn(DIAMOND, done, *(ended(name, StepStatus.COMPLETED) for name in "bc")) == (["d"], [])


def test_what_needs_a_failed_step_is_skipped_and_so_is_what_needs_that() -> None:
    plan = Plan(steps=(Step(name="d", needs=("b",)), Step(name="b", needs=("a",)), A, C))

    assert turn(plan, ended("a", StepStatus.FAILED), running=["c"]) == (
        [],
        [("b", "it needs step 'a', which failed"), ("d", "it needs step 'b', which was skipped")],
    )


def test_the_executors_own_limit_holds_where_the_plan_names_none() -> None:
    plan = Plan(steps=(*(Step(name=f"s{n}") for n in range(9)), Step(name="z", needs=("s0",))))

    assert turn(plan)[0] == ["s0", "s1", "s2", "s3"]


@pytest.mark.parametrize(
    ("step", "record", "standing"),
    [
        (A, ended("a", StepStatus.COMPLETED, token=0), StepStatus.COMPLETED),
        (A, ended("a", StepStatus.FAILED, token=0), None),
        (Step(name="a", critical=False), ended("a", StepStatus.FAILED, token=0), StepStatus.FAILED),
        (Step(name="a", critical=False), ended("a", StepStatus.FAILED), StepStatus.FAILED),
        (A, ended("a", StepStatus.SKIPPED, token=0), None),
        (A, ended("a", StepStatus.RUNNING, token=0), None),
        (A, ended("a", StepStatus.PAUSED, token=0), None),
    ],
)
def test_what_an_earlier_attempt_left_is_judged_anew(
    step: Step, record: StepResult, standing: StepStatus | None
) -> None:
    assert standing_of(task_of(Plan(steps=(step,)), [record]), step, board=DEFAULT_RETRY) is standing


def test_the_impact_of_what_was_not_done_is_told_step_by_step() -> None:
    records = (ended("a", StepStatus.FAILED), skipped(B, "it needs step 'a', which failed", token=1))

    assert impact_of({record.name: record for record in records}) == [
        "step 'a': exit code 1",
        "step 'b' was skipped: it needs step 'a', which failed",
    ]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    steps = []
    for number in range(draw(st.integers(1, 7))):
        earlier = [f"s{n}" for n in range(number)]
        needs = draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3)) if earlier else []
        steps.append(Step(name=f"s{number}", needs=tuple(needs), critical=draw(st.booleans())))
    return Plan(steps=tuple(draw(st.permutations(steps))), max_concurrent_steps=draw(st.none() | st.integers(1, 4)))


@given(plans(), st.randoms(use_true_random=False))
def test_every_plan_comes_to_an_end_and_nothing_starts_before_its_needs(plan: Plan, random: object) -> None:
    chance = random.random  # type: ignore[attr-defined]
    over: dict[str, StepResult] = {}
    running: list[str] = []
    for _ in range(100):
        found = turn_of(task_of(plan, tuple(over.values())), running=running, board=DEFAULT_RETRY)
        for step, reason in found.skip:
            over[step.name] = skipped(step, reason, token=1)
        for step in found.start:
            assert all(over[need].status is StepStatus.COMPLETED for need in step.needs)
            running.append(step.name)
        assert len(running) <= (plan.max_concurrent_steps or 4)
        if not running and not found.skip:
            break
        if running:
            name = running.pop(int(chance() * len(running)))
            over[name] = ended(name, StepStatus.COMPLETED if chance() < 0.7 else StepStatus.FAILED)

    assert set(over) == {step.name for step in plan.steps}
