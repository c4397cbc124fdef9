"""ErrorHandler's rules: what a tool's answer, or its raising, means for the step and for the task. Pure functions."""

from __future__ import annotations

from dreamos_tasks.model.failure import Symptom, diagnose
from dreamos_tasks.model.outcome import Failed, RetryLater
from dreamos_tasks.model.plan import ErrorCategory, Step, StepResult, TaskError
from dreamos_tasks.model.retry import DEFAULT_RETRY, RetryPolicy
from dreamos_tasks.model.ruling import policy_for, ruling_on
from dreamos_tasks.model.task import Task, evolve
from dreamos_tasks.model.tool import ToolResult

EXCERPT_CHARACTERS = 2000  # of output in an error: enough for the last screen of a failing test
REFRESH_SUFFIX = "-refresh"  # keeps the log of the line that renews credentials apart from that of its step


def result_of_raising(tool: str, error: Exception) -> ToolResult:
    """What came of a call in which the tool raised instead of answering."""
    diagnosis = diagnose(Symptom(error=error))
    return ToolResult(
        category=diagnosis.category,
        message=f"{tool}: {error}" if str(error) else f"{tool}: {type(error).__name__}",
        cause=diagnosis.cause,
        suggestions=diagnosis.suggestions,
        try_later=diagnosis.try_later,
    )


def error_of(step: Step, result: ToolResult) -> TaskError:
    """Why the step failed, for a person: what the tool said of it, and the end of what was printed."""
    return TaskError(
        category=result.category or ErrorCategory.LOGIC,
        message=f"step {step.name!r}: {result.message}",
        cause="\n".join(filter(None, (result.cause, output_excerpt(result)))),
        suggestions=result.suggestions,
        step=step.name,
    )


def is_put_off(result: ToolResult) -> bool:
    """Whether the step asks for another time instead of failing: exit code 75, or a server that says when to come back.

    What is put off costs no attempt: a busy server is no fault of the task's.
    """
    passes = result.category in (ErrorCategory.TRANSIENT, ErrorCategory.RESOURCE)
    return result.try_later or (result.retry_after_seconds is not None and passes)


def outcome_of(step: Step, result: ToolResult) -> Failed | RetryLater:
    """How the attempt at the task ends in which this step failed."""
    kind = RetryLater if is_put_off(result) else Failed
    return kind(error=error_of(step, result), step=step.name, retry_after_seconds=result.retry_after_seconds)


def failures_after(started: StepResult, result: ToolResult) -> tuple[ErrorCategory, ...]:
    """The categories in which the step has failed so far, this run included."""
    if result.category is None or is_put_off(result):
        return started.failures
    return (*started.failures, result.category)


def goes_on_without(task: Task, step: Step, record: StepResult, result: ToolResult, *, board: RetryPolicy) -> bool:
    """Whether the plan goes on although the step failed: it is not critical, and has no attempt left that it asks for.

    A step that says nothing of its own retries is not waited for. `record` is what is going to be on the board of it.
    """
    if step.critical and not step.optional:
        return False
    if not step.retry:
        return True
    outcome = outcome_of(step, result)
    if isinstance(outcome, RetryLater):
        return task.deferrals >= policy_for(task, step, board=board).max_deferrals
    return not ruling_on(with_record(task, record), outcome, board=board).again


def worse_of(
    task: Task, one: Failed | RetryLater, other: Failed | RetryLater, *, board: RetryPolicy
) -> Failed | RetryLater:
    """By which of two failures an attempt ends: by what is not tried again, then by what is, then by what is put off.

    Otherwise a step that has no attempt left would be run again for another's sake. `task` has the records of both.
    """
    return max(one, other, key=lambda failure: _gravity(task, failure, board))


def with_record(task: Task, record: StepResult) -> Task:
    """The task as the board will have it with this record."""
    others = tuple(other for other in task.steps if other.name != record.name)
    return evolve(task, {"steps": (*others, record)})


def refresh_step(task: Task, step: Step, started: StepResult) -> Step | None:
    """What is to run before the step: it failed for want of permission before, and there is a line that renews it."""
    line = policy_for(task, step, board=DEFAULT_RETRY).refresh
    if not line or ErrorCategory.PERMISSION not in started.failures:
        return None
    return Step(name=f"{step.name}{REFRESH_SUFFIX}", params={"command": line}, timeout_seconds=step.timeout_seconds)


def reductions(record: StepResult | None) -> int:
    """How often the step has run out of resources: what it starts is to halve its demands so many times."""
    return record.failures.count(ErrorCategory.RESOURCE) if record is not None else 0


def side_by_side(most: int, task: Task) -> int:
    """How many of the task's steps may run at once: half as many for each time that one ran out of resources."""
    return max(1, most >> min(30, max(map(reductions, task.steps), default=0)))


def _gravity(task: Task, failure: Failed | RetryLater, board: RetryPolicy) -> int:
    if isinstance(failure, RetryLater):
        return 0
    return 1 if ruling_on(task, failure, board=board).again else 2


def output_excerpt(result: ToolResult) -> str:
    """The end of what was printed."""
    return (result.output_tail or result.output_head)[-EXCERPT_CHARACTERS:].strip()
