"""Ruling: whether a failure is followed by another attempt, by whose retry policy, and when. Pure: chance comes in as a number.

A failure of a step whose `retry` says something is ruled by that step's own policy, which counts that step's failures. Every
other failure is ruled by the task's policy, or the board's, which count the task's.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dreamos_tasks.model.plan import Step, StepResult, StepStatus, TaskError
from dreamos_tasks.model.retry import DEFAULT_RETRY, LONGEST_PAUSE_SECONDS, RetryPolicy
from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.model.outcome import Failed, RetryLater
    from dreamos_tasks.model.task import Task

# What makes a step's policy its own in what is tried again; pauses and hooks alone do not.
_SAYS_HOW_OFTEN = frozenset({"max_attempts", "categories"})


@frozen_value
class Ruling:
    """What follows a failure. `failures` is how many the policy has counted, this one included; `of_step`: whose they are."""

    again: bool
    failures: int
    policy: RetryPolicy
    of_step: bool


def ruling_on(task: Task, failed: Failed, *, board: RetryPolicy) -> Ruling:
    """What follows this failure of the task. The record of the step that failed is among the task's already."""
    step, record = step_of(task, failed.step), record_of(task, failed.step)
    category = failed.error.category
    of_category = record.failures.count(category) if step is not None and record is not None else 0
    policy = policy_for(task, step, board=board)
    own = task.retry is not None or (step is not None and not _SAYS_HOW_OFTEN.isdisjoint(step.retry))
    of_step = step is not None and bool(step.retry)
    failures = max(1, len(record.failures) if record is not None else 1) if of_step else task.failures + 1
    return Ruling(
        again=policy.tries_again(category, failures=failures, own=own, of_category=of_category),
        failures=failures,
        policy=policy,
        of_step=of_step,
    )


def policy_for(task: Task, step: Step | None, *, board: RetryPolicy) -> RetryPolicy:
    """Whose word counts: the step's, then the task's, then the board's."""
    return _policy_of(step, otherwise=task.retry or board)


def put_off_too_often(error: TaskError, task: Task, step: Step | None, *, policy: RetryPolicy) -> TaskError:
    """The error of the deferral that is not granted, and whose word has ended them."""
    if step is not None and "max_deferrals" in step.retry:
        whose = f"the step {step.name!r}"
    else:
        whose = "the task" if task.retry is not None else "config.yaml"
    return replace(
        error,
        message=f"{error.message}; max_deferrals ({policy.max_deferrals}) is used up",
        suggestions=(*error.suggestions, f"to let it be put off more often: retry.max_deferrals of {whose}"),
    )


def instant_of_retry(
    policy: RetryPolicy, failed: Failed | RetryLater, *, failures: int, now: datetime, roll: float
) -> datetime:
    """When the next attempt may begin: after the policy's pause, and not before the other side has asked for."""
    asked = min(max(failed.retry_after_seconds or 0.0, 0.0), LONGEST_PAUSE_SECONDS)
    return now + max(policy.delay(failures, roll=roll), timedelta(seconds=asked))


def may_run_again(step: Step, *, retry: RetryPolicy | None = None) -> bool:
    """Whether a step that was cut in the middle may be run again without asking. `retry` is the task's own policy."""
    if step.idempotent:
        return True
    policy = _policy_of(step, otherwise=retry or DEFAULT_RETRY)
    if policy.after_crash is not None:
        return policy.after_crash
    asks_itself = retry is not None or "max_attempts" in step.retry
    return asks_itself and policy.max_attempts > 1


def doubtful_steps(task: Task) -> tuple[Step, ...]:
    """The steps that were cut in the middle, and of which only a person can say whether to run them again."""
    cut = {record.name for record in task.steps if was_cut(task, record)}
    steps = task.plan.steps if task.plan is not None else ()
    return tuple(step for step in steps if step.name in cut and not may_run_again(step, retry=task.retry))


def was_cut(task: Task, record: StepResult) -> bool:
    """Whether this run of a step was cut off in the middle: it is recorded running, under a claim that is over."""
    token = task.claim.token if task.claim is not None else None
    return record.status is StepStatus.RUNNING and record.token != token


def step_of(task: Task, name: str | None) -> Step | None:
    """The step of the task's plan that has this name."""
    if name is None or task.plan is None:
        return None
    return next((step for step in task.plan.steps if step.name == name), None)


def record_of(task: Task, name: str | None) -> StepResult | None:
    """What the board has recorded of the latest run of this step."""
    return next((record for record in task.steps if record.name == name), None)


def _policy_of(step: Step | None, *, otherwise: RetryPolicy) -> RetryPolicy:
    if step is None or not step.retry:
        return otherwise
    from dreamos_tasks.model.step_retry import retry_of

    return retry_of(step.retry, otherwise=otherwise)
