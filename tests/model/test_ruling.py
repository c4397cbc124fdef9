"""Whether a failure is followed by another attempt, when, and whose policy says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Change, Event, EventType
from dreamos_tasks.model.history import differing_fields
from dreamos_tasks.model.json_form import task_to_json
from dreamos_tasks.model.json_reading import task_from_json
from dreamos_tasks.model.outcome import Failed, RetryLater
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, StepResult, StepStatus, TaskError
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.retry import LONGEST_PAUSE_SECONDS, RetryPolicy
from dreamos_tasks.model.ruling import doubtful_steps, may_run_again, ruling_on
from dreamos_tasks.model.step_retry import STEP_RETRY_RULES, check_retry, retry_of
from dreamos_tasks.model.task import Status, Task, TaskDraft, evolve
from tests.fakes import START, at
from tests.values import json_values, policies

BOARD = RetryPolicy(max_attempts=3, base_seconds=2, jitter="none")
TRANSIENT, CONFIGURATION = ErrorCategory.TRANSIENT, ErrorCategory.CONFIGURATION
PERMISSION, RESOURCE, LOGIC = ErrorCategory.PERMISSION, ErrorCategory.RESOURCE, ErrorCategory.LOGIC
categories = st.sampled_from(ErrorCategory)


def planned(*steps: Step, retry: RetryPolicy | None = None) -> Change:
    return lifecycle.add(TaskDraft(title="x", plan=Plan(steps=steps), retry=retry), task_id="a", now=START)


def error(category: ErrorCategory) -> TaskError:
    return TaskError(category=category, message=category.value, step="build")


def claimed(task: Task) -> Change:
    now = max(task.updated_at, task.not_before or START)
    return lifecycle.claim(task, ClaimRequest(agent_id="daemon"), unfinished=(), now=now, lease_seconds=900)


def failed_once(task: Task, step: str, category: ErrorCategory, **asked: Any) -> Change:
    """One claim of the task, in which this step fails."""
    change = claimed(task)
    taken, now = change.task, change.task.updated_at
    before = next((record for record in taken.steps if record.name == step), None)
    record = StepResult(
        name=step,
        status=StepStatus.FAILED,
        attempt=before.attempt + 1 if before else 1,
        token=taken.last_token,
        error=error(category),
        failures=(*(before.failures if before else ()), category),
    )
    recorded = lifecycle.record_step(taken, record, agent_id="daemon", token=None, now=now)
    outcome = Failed(error=error(category), step=step, **asked)
    settled = lifecycle.settle(recorded.task, outcome, agent_id="daemon", token=None, now=now, retry=BOARD)
    return change.followed_by(recorded).followed_by(settled)


def failed_until_final(task: Task, step: str, all_: Sequence[ErrorCategory]) -> tuple[Task, int]:
    """The task after these failures of the step, or as many of them as it has attempts for; and how many that were."""
    for number, category in enumerate(all_, start=1):
        task = failed_once(task, step, category).task
        if task.is_final:
            return task, number
    return task, len(all_)


# -- the table of categories: how many attempts there are when every one fails so

ATTEMPTS: Mapping[str, tuple[Mapping[str, Any], tuple[int, int, int, int, int]]] = {
    # what the step says                      transient, configuration, permission, resource, logic
    "nothing": ({}, (3, 1, 1, 3, 1)),
    "pauses only": ({"base_seconds": 9}, (3, 1, 1, 3, 1)),
    "a refresh": ({"refresh": "login"}, (3, 1, 2, 3, 1)),
    "how often": ({"max_attempts": 4}, (4, 1, 1, 4, 4)),
    "how often, and a refresh": ({"max_attempts": 4, "refresh": "login"}, (4, 1, 2, 4, 4)),
    "never": ({"max_attempts": 1, "refresh": "login"}, (1, 1, 1, 1, 1)),
    "what": ({"categories": ["configuration", "permission"]}, (1, 3, 3, 1, 1)),
    "nothing at all": ({"categories": []}, (1, 1, 1, 1, 1)),
    "after a crash only": ({"after_crash": True}, (3, 1, 1, 3, 1)),
}


PAUSES_AND_HOOKS = ("nothing", "pauses only", "a refresh", "after a crash only")
# A task that brings a policy of its own says how often by that alone.
SAID = [("step", said) for said in ATTEMPTS] + [("task", said) for said in ATTEMPTS if said not in PAUSES_AND_HOOKS]


@pytest.mark.parametrize(("who", "said"), SAID)
def test_how_often_a_step_is_tried_depends_on_the_category_and_on_what_it_says(who: str, said: str) -> None:
    says, attempts = ATTEMPTS[said]
    task_says = retry_of(says, otherwise=RetryPolicy()) if who == "task" else None
    step = Step(name="build", retry=says if who == "step" else {})
    for category, expected in zip((TRANSIENT, CONFIGURATION, PERMISSION, RESOURCE, LOGIC), attempts, strict=True):
        task, tried = failed_until_final(planned(step, retry=task_says).task, "build", [category] * 9)
        assert (category, tried, task.status) == (category, expected, Status.FAILED)


def test_permission_is_tried_once_more_however_many_other_failures_there_were() -> None:
    step = Step(name="build", retry={"max_attempts": 9, "refresh": "login"})
    story = [TRANSIENT, PERMISSION, TRANSIENT, RESOURCE, PERMISSION, TRANSIENT]
    task, tried = failed_until_final(planned(step).task, "build", story)
    assert (tried, task.error) == (5, error(PERMISSION))


def test_nothing_can_be_refreshed_for_an_agent_that_fails_a_task() -> None:
    task = claimed(planned(Step(name="build"), retry=RetryPolicy(refresh="login")).task).task
    outcome = Failed(error=TaskError(category=PERMISSION, message="no"))
    after = lifecycle.settle(task, outcome, agent_id="daemon", token=None, now=at(1), retry=BOARD).task
    assert after.status is Status.FAILED


# -- whose failures are counted


def test_a_steps_own_failures_are_not_the_tasks() -> None:
    task = planned(Step(name="fetch", retry={"max_attempts": 9}), Step(name="build")).task
    task, _ = failed_until_final(task, "fetch", [TRANSIENT] * 8)
    assert (task.status, task.failures) == (Status.PENDING, 0)
    task, tried = failed_until_final(task, "build", [TRANSIENT] * 9)
    assert (task.status, tried, task.failures) == (Status.FAILED, 3, 3)


def test_the_tasks_own_failures_are_not_a_steps() -> None:
    task = planned(Step(name="fetch"), Step(name="build", retry={"max_attempts": 2})).task
    task, _ = failed_until_final(task, "fetch", [TRANSIENT] * 2)
    task, tried = failed_until_final(task, "build", [TRANSIENT] * 9)
    assert (task.status, tried) == (Status.FAILED, 2)


def test_a_failure_without_a_step_counts_as_the_tasks() -> None:
    task = claimed(planned(Step(name="build", retry={"max_attempts": 9})).task).task
    ruling = ruling_on(task, Failed(error=error(TRANSIENT)), board=BOARD)
    assert (ruling.of_step, ruling.failures, ruling.policy) == (False, 1, BOARD)


def test_what_a_step_leaves_unsaid_the_task_says_and_then_the_board() -> None:
    step = Step(name="build", retry={"factor": 3})
    board = ruling_on(planned(step).task, Failed(error=error(TRANSIENT), step="build"), board=BOARD)
    assert board.policy == RetryPolicy(max_attempts=3, base_seconds=2, jitter="none", factor=3)
    own = RetryPolicy(max_attempts=7, base_seconds=5)
    task = planned(step, retry=own).task
    ruling = ruling_on(task, Failed(error=error(TRANSIENT), step="build"), board=BOARD)
    assert ruling.policy == RetryPolicy(max_attempts=7, base_seconds=5, factor=3)


def test_a_fresh_start_forgets_the_failures_of_steps() -> None:
    task = planned(Step(name="build", retry={"max_attempts": 2})).task
    task, _ = failed_until_final(task, "build", [TRANSIENT] * 2)
    again = lifecycle.retry(task, by="cli", now=at(99)).task
    assert [record.failures for record in again.steps] == [()]
    assert [record.attempt for record in again.steps] == [2]
    assert failed_until_final(again, "build", [TRANSIENT] * 9)[1] == 2


# -- when


def test_the_pauses_of_a_step_grow_with_its_own_failures() -> None:
    task = planned(Step(name="build", retry={"max_attempts": 9, "base_seconds": 10, "factor": 3})).task
    pauses = []
    for _ in range(3):
        change = failed_once(task, "build", TRANSIENT)
        task = change.task
        assert task.not_before is not None
        pauses.append((task.not_before - task.updated_at).total_seconds())
    assert pauses == [10, 30, 90]


def test_the_history_says_which_step_failed_how_often_and_what_was_asked_for() -> None:
    change = failed_once(planned(Step(name="build")).task, "build", RESOURCE, retry_after_seconds=30)
    assert change.events[-1].type is EventType.TASK_RETRY_SCHEDULED
    assert change.events[-1].detail == {"step": "build", "retry_after_seconds": 30, "failures": 1, "most": 3}


@given(
    policy=policies,
    asked=st.none() | st.floats(-10, 1e300),
    roll=st.floats(0, 1, exclude_max=True),
    later=st.booleans(),
    category=st.sampled_from([TRANSIENT, RESOURCE]),
)
def test_no_attempt_is_made_before_the_other_side_has_asked_for(
    policy: RetryPolicy, asked: float | None, roll: float, later: bool, category: ErrorCategory
) -> None:
    task = claimed(planned(Step(name="build")).task).task
    kind = RetryLater if later else Failed
    outcome = kind(error=error(category), step="build", retry_after_seconds=asked)
    after = lifecycle.settle(task, outcome, agent_id="daemon", token=None, now=at(1), retry=policy, roll=roll).task
    if after.status is Status.FAILED:
        assert policy.max_deferrals == 0 if later else not policy.tries_again(category, failures=1, own=False)
        return
    assert after.not_before is not None
    assert after.not_before - at(1) >= timedelta(seconds=min(max(asked or 0, 0), LONGEST_PAUSE_SECONDS))
    assert after.not_before - at(1) <= timedelta(seconds=max(LONGEST_PAUSE_SECONDS, policy.max_seconds))


def test_what_is_put_off_is_no_failure() -> None:
    task = claimed(planned(Step(name="build", retry={"max_attempts": 1, "max_deferrals": 2})).task).task
    for deferrals in (1, 2):
        outcome = RetryLater(error=error(TRANSIENT), step="build")
        task = lifecycle.settle(task, outcome, agent_id="daemon", token=None, now=task.updated_at, retry=BOARD).task
        assert (task.status, task.failures, task.deferrals) == (Status.PENDING, 0, deferrals)
        task = claimed(task).task
    outcome = RetryLater(error=error(TRANSIENT), step="build")
    end = lifecycle.settle(task, outcome, agent_id="daemon", token=None, now=task.updated_at, retry=BOARD).task
    assert end.status is Status.FAILED


# -- any story of failures

step_policies = st.fixed_dictionaries(
    {},
    optional={
        "max_attempts": st.integers(1, 5),
        "base_seconds": st.floats(0, 100),
        "categories": st.none() | st.lists(categories.map(str), max_size=3),
        "refresh": st.sampled_from(["", "login"]),
        "after_crash": st.booleans(),
        "max_deferrals": st.integers(0, 3),
        "jitter": st.sampled_from(["full", "none"]),
        "factor": st.floats(1, 10),
        "max_seconds": st.integers(0, 1000),
    },
)


@settings(max_examples=150)
@given(
    says=step_policies,
    own=st.none() | st.builds(RetryPolicy, max_attempts=st.integers(1, 4), refresh=st.sampled_from(["", "login"])),
    story=st.lists(st.tuples(st.sampled_from(["fetch", "build"]), categories), min_size=1, max_size=12),
)
def test_any_story_of_failures_ends_within_its_attempts_and_is_told_by_its_events(
    says: dict[str, Any], own: RetryPolicy | None, story: list[tuple[str, ErrorCategory]]
) -> None:
    added = planned(Step(name="fetch", retry=says), Step(name="build"), retry=own)
    task, events = added.task, list(added.events)
    counts = {"fetch": 0, "build": 0}
    for step, category in story:
        change = failed_once(task, step, category)
        task, events = change.task, [*events, *change.events]
        counts[step] += 1
        if task.is_final:
            break
        assert category is not CONFIGURATION or says.get("categories")
    task_most = own.max_attempts if own else BOARD.max_attempts
    fetch_most = says.get("max_attempts", task_most)
    if says:
        assert counts["fetch"] <= fetch_most
        assert counts["build"] <= task_most
    else:
        assert sum(counts.values()) <= task_most
    told: Task | None = None
    for event in events:
        told = lifecycle.fold(told, event)
    assert told is not None
    assert differing_fields(told, task) == ()
    assert task_from_json(task_to_json(task)) == task


# -- what a step says, at the door and on the board


def test_every_field_of_a_policy_can_be_said_by_a_step() -> None:
    assert tuple(STEP_RETRY_RULES) == tuple(RetryPolicy.__dataclass_fields__)


@pytest.mark.parametrize(
    ("says", "pointer", "expected"),
    [
        ({"max_attempts": 0}, "max_attempts", "a whole number from 1 to 1,000"),
        ({"max_attempts": True}, "max_attempts", "a whole number"),
        ({"max_attempts": "3"}, "max_attempts", "a whole number"),
        ({"base_seconds": -1}, "base_seconds", "a number of seconds"),
        ({"factor": 0.5}, "factor", "from 1 to 100"),
        ({"max_seconds": 1e300}, "max_seconds", "seconds"),
        ({"jitter": "some"}, "jitter", "full or none"),
        ({"max_deferrals": -1}, "max_deferrals", "0 or more"),
        ({"categories": ["weather"]}, "categories", "transient, configuration, permission, resource, logic"),
        ({"categories": "transient"}, "categories", "a list"),
        ({"refresh": ["login"]}, "refresh", "a shell line"),
        ({"after_crash": 1}, "after_crash", "true or false"),
        ({"max_atempts": 2}, "max_atempts", "its fields are max_attempts"),
    ],
)
def test_what_a_step_says_wrongly_is_refused_at_every_door(says: dict[str, Any], pointer: str, expected: str) -> None:
    with pytest.raises(InvalidTask) as caught:
        TaskDraft(title="x", plan=Plan(steps=(Step(name="a"), Step(name="b", retry=says))))
    assert caught.value.pointer == f"/plan/steps/1/retry/{pointer}"
    assert expected in caught.value.cause
    with pytest.raises(InvalidTask) as caught:
        TaskDraft(title="x", verify=(Step(name="b", retry=says),))
    assert caught.value.pointer == f"/verify/0/retry/{pointer}"


@given(st.dictionaries(st.sampled_from([*STEP_RETRY_RULES, "else"]), json_values))
def test_a_policy_that_somebody_wrote_to_the_board_by_hand_never_stops_it(says: dict[str, Any]) -> None:
    policy = retry_of(says, otherwise=BOARD)
    try:
        check_retry(says, pointer="")
    except InvalidTask:
        return
    for key, value in says.items():
        assert getattr(policy, key) == (tuple(value) if isinstance(value, list) else value)


@given(step_policies)
def test_a_sound_policy_is_taken_as_it_is_said(says: dict[str, Any]) -> None:
    check_retry(says, pointer="")
    policy = retry_of(says, otherwise=BOARD)
    said = {key: tuple(value) if isinstance(value, list) else value for key, value in says.items()}
    assert {key: getattr(policy, key) for key in says} == said
    assert {key: getattr(policy, key) for key in STEP_RETRY_RULES.keys() - says} == {
        key: getattr(BOARD, key) for key in STEP_RETRY_RULES.keys() - says
    }


# -- after a crash


@pytest.mark.parametrize(
    ("step", "retry", "may"),
    [
        (Step(name="a"), None, False),
        (Step(name="a", idempotent=True), None, True),
        (Step(name="a", retry={"after_crash": True}), None, True),
        (Step(name="a", retry={"max_attempts": 9}), None, True),
        (Step(name="a", retry={"max_attempts": 1}), None, False),
        (Step(name="a", retry={"max_attempts": 9, "after_crash": False}), None, False),
        (Step(name="a", retry={"base_seconds": 9}), None, False),
        (Step(name="a"), RetryPolicy(max_attempts=2), True),
        (Step(name="a"), RetryPolicy(max_attempts=1), False),
        (Step(name="a"), RetryPolicy(after_crash=True), True),
        (Step(name="a", retry={"after_crash": False}), RetryPolicy(after_crash=True), False),
        (Step(name="a", retry={"max_attempts": 9}), RetryPolicy(after_crash=True), True),
    ],
)
def test_a_step_cut_in_the_middle_runs_again_only_if_it_says_so(
    step: Step, retry: RetryPolicy | None, may: bool
) -> None:
    assert may_run_again(step, retry=retry) is may


def test_doubtful_is_what_was_under_way_when_an_earlier_claim_ended() -> None:
    names = ("done", "cut", "cut but idempotent", "under way", "never begun")
    steps = tuple(Step(name=name, idempotent="idempotent" in name) for name in names)
    task = claimed(planned(*steps).task).task
    records = (
        StepResult(name="done", status=StepStatus.COMPLETED, token=1),
        StepResult(name="cut", status=StepStatus.RUNNING, token=1),
        StepResult(name="cut but idempotent", status=StepStatus.RUNNING, token=1),
        StepResult(name="under way", status=StepStatus.RUNNING, token=2),
    )
    assert task.claim is not None
    later = evolve(task, {"steps": records, "claim": claimed_again(task)})
    assert [step.name for step in doubtful_steps(later)] == ["cut"]
    free = evolve(later, {"claim": None, "status": Status.PENDING})
    assert [step.name for step in doubtful_steps(free)] == ["cut", "under way"]


def claimed_again(task: Task) -> object:
    """The claim after the task's present one."""
    freed = lifecycle.recover(task, now=task.updated_at, by="daemon", reason="gone").task
    return claimed(freed).task.claim


def test_the_event_of_a_failure_tells_in_which_categories_the_step_has_failed() -> None:
    change = failed_once(planned(Step(name="build")).task, "build", TRANSIENT)
    recorded: list[Event] = [event for event in change.events if event.type is EventType.STEP_FAILED]
    assert recorded[0].changes["steps"][0]["failures"] == ["transient"]


def test_the_guide_names_every_field_of_a_policy() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "errors.md").read_text()
    assert [field for field in STEP_RETRY_RULES if f"`{field}`" not in guide] == []
