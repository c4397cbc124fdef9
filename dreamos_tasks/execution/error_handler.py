"""ErrorHandler's rules: what a tool's answer, or its raising, means for the step and for the task. Pure functions."""

from __future__ import annotations

from dreamos_tasks.model.failure import Symptom, diagnose
from dreamos_tasks.model.outcome import Failed, RetryLater
from dreamos_tasks.model.plan import ErrorCategory, Step, TaskError
from dreamos_tasks.model.tool import ToolResult

EXCERPT_CHARACTERS = 2000  # of output in an error: enough for the last screen of a failing test


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


def outcome_of(step: Step, result: ToolResult) -> Failed | RetryLater:
    """How the attempt at the task ends in which this step failed."""
    error = error_of(step, result)
    return RetryLater(error=error) if result.try_later else Failed(error=error)


def output_excerpt(result: ToolResult) -> str:
    """The end of what was printed."""
    return (result.output_tail or result.output_head)[-EXCERPT_CHARACTERS:].strip()
