"""What a tool's answer means for the step and the task."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from dreamos_tasks.errors import ToolNotFound
from dreamos_tasks.execution.error_handler import (
    EXCERPT_CHARACTERS,
    error_of,
    failures_after,
    goes_on_without,
    is_put_off,
    outcome_of,
    reductions,
    refresh_step,
    result_of_raising,
    side_by_side,
)
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.outcome import Failed, RetryLater
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Task, TaskDraft, evolve
from dreamos_tasks.model.tool import ToolResult
from tests.fakes import START

TRANSIENT, CONFIGURATION = ErrorCategory.TRANSIENT, ErrorCategory.CONFIGURATION
PERMISSION, RESOURCE, LOGIC = ErrorCategory.PERMISSION, ErrorCategory.RESOURCE, ErrorCategory.LOGIC
STEP = Step(name="build")
BOARD = RetryPolicy(max_attempts=3)


def task_with(step: Step, *records: StepResult, **changes: Any) -> Task:
    task = lifecycle.add(TaskDraft(title="x", plan=Plan(steps=(step,))), task_id="a", now=START).task
    return evolve(task, {"steps": records, **changes})


def record(*failures: ErrorCategory) -> StepResult:
    return StepResult(name="build", status=StepStatus.FAILED, failures=failures)


def failed(category: ErrorCategory, **more: Any) -> ToolResult:
    return ToolResult(category=category, message="no", **more)


def test_a_tool_that_raises_has_failed_as_its_error_says() -> None:
    result = result_of_raising("http", ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
    assert (result.category, result.message) == (TRANSIENT, "http: [Errno 111] Connection refused")
    assert result.cause == "nothing listens at that address"
    assert result.suggestions
    assert result_of_raising("python", AssertionError()).message == "python: AssertionError"
    assert result_of_raising("shel", ToolNotFound("shel")).category is CONFIGURATION


def test_an_error_says_what_the_tool_knows_and_what_was_printed_last() -> None:
    result = failed(
        RESOURCE, cause="no space is left", suggestions=("df -h",), output_tail="x" * 9999 + "\nlast words\n"
    )
    error = error_of(STEP, result)
    assert (error.category, error.message, error.step) == (RESOURCE, "step 'build': no", "build")
    assert error.suggestions == ("df -h",)
    assert error.cause.startswith("no space is left\nxxx")
    assert error.cause.endswith("\nlast words")
    assert len(error.cause) < EXCERPT_CHARACTERS + 20
    assert error_of(STEP, failed(LOGIC, output_head="1 failed\n")).cause == "1 failed"


@pytest.mark.parametrize(
    ("result", "put_off"),
    [
        (failed(TRANSIENT, try_later=True), True),
        (failed(TRANSIENT, retry_after_seconds=5), True),
        (failed(RESOURCE, retry_after_seconds=0), True),
        (failed(TRANSIENT), False),
        (failed(PERMISSION, retry_after_seconds=5), False),
        (failed(CONFIGURATION, retry_after_seconds=5), False),
    ],
)
def test_who_says_when_to_come_back_is_called_again_without_counting(result: ToolResult, put_off: bool) -> None:
    assert is_put_off(result) is put_off
    outcome = outcome_of(STEP, result)
    assert isinstance(outcome, RetryLater if put_off else Failed)
    assert (outcome.step, outcome.retry_after_seconds) == ("build", result.retry_after_seconds)
    started = record(TRANSIENT)
    counted = (TRANSIENT,) if put_off else (TRANSIENT, result.category)
    assert failures_after(started, result) == counted


def test_a_success_leaves_the_count_of_failures_as_it_is() -> None:
    assert failures_after(record(TRANSIENT), ToolResult()) == (TRANSIENT,)


@pytest.mark.parametrize(
    ("step", "result", "failures", "goes_on"),
    [
        (Step(name="build"), failed(TRANSIENT), 1, False),
        (Step(name="build", critical=False), failed(TRANSIENT), 1, True),
        (Step(name="build", optional=True), failed(TRANSIENT), 1, True),
        (Step(name="build", critical=False, retry={"max_attempts": 2}), failed(TRANSIENT), 1, False),
        (Step(name="build", critical=False, retry={"max_attempts": 2}), failed(TRANSIENT), 2, True),
        (Step(name="build", critical=False, retry={"max_attempts": 9}), failed(CONFIGURATION), 1, True),
        (Step(name="build", critical=False, retry={"base_seconds": 1}), failed(TRANSIENT), 2, False),
        (Step(name="build", critical=False, retry={"base_seconds": 1}), failed(TRANSIENT), 3, True),
        (Step(name="build", critical=False, retry={"base_seconds": 1}), failed(TRANSIENT, try_later=True), 0, False),
        (Step(name="build", critical=False, retry={"max_deferrals": 0}), failed(TRANSIENT, try_later=True), 0, True),
    ],
)
def test_a_plan_goes_on_without_a_step_that_is_not_critical_and_has_no_attempt_left(
    step: Step, result: ToolResult, failures: int, goes_on: bool
) -> None:
    assert result.category is not None
    seen = record(*[result.category] * failures)
    assert goes_on_without(task_with(step), step, seen, result, board=BOARD) is goes_on


def test_credentials_are_renewed_after_a_failure_for_want_of_permission_only() -> None:
    step = Step(name="build", retry={"refresh": "gh auth refresh"}, timeout_seconds=7)
    assert refresh_step(task_with(step), step, record()) is None
    assert refresh_step(task_with(step), step, record(TRANSIENT, RESOURCE)) is None
    due = refresh_step(task_with(step), step, record(PERMISSION, TRANSIENT))
    assert due == Step(name="build-refresh", params={"command": "gh auth refresh"}, timeout_seconds=7)
    assert refresh_step(task_with(STEP), STEP, record(PERMISSION)) is None
    own = task_with(STEP, retry=RetryPolicy(refresh="login"))
    assert refresh_step(own, STEP, record(PERMISSION)) is not None


def test_after_running_out_of_resources_half_as_much_runs_side_by_side() -> None:
    assert [side_by_side(8, task_with(STEP, record(*[RESOURCE] * times))) for times in range(6)] == [8, 4, 2, 1, 1, 1]
    assert side_by_side(8, task_with(STEP)) == 8
    assert side_by_side(8, task_with(STEP, record(*[RESOURCE] * 1000))) == 1
    assert side_by_side(8, task_with(STEP, record(TRANSIENT, LOGIC))) == 8
    assert (reductions(None), reductions(record(RESOURCE, TRANSIENT, RESOURCE))) == (0, 2)
