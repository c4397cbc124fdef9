"""AttemptErrors: what is said of an attempt that could not go on, where no tool has said anything."""

from __future__ import annotations

from dreamos_tasks.model.plan import ErrorCategory, TaskError
from dreamos_tasks.model.task import Task

TIMEOUT = "timeout_seconds of the task"


def nothing_to_run(task: Task) -> TaskError:
    """It was claimed to be run, and says nothing of how."""
    return TaskError(
        category=ErrorCategory.CONFIGURATION,
        message="the daemon was to run it, but it has no plan",
        cause=f"it is assigned to {task.assigned_to}",
        suggestions=("give it a plan or run, or leave it to an agent: dt update ID --assign AGENT",),
    )


def time_is_over(task: Task) -> TaskError:
    """The task as a whole was not done in time."""
    return TaskError(
        category=ErrorCategory.RESOURCE,
        message=f"the task was not done within {task.timeout_seconds:g} s",
        cause=TIMEOUT,
        suggestions=("give it more time, or split it into steps of their own",),
    )


def cut_short(step: str) -> TaskError:
    """The step ran when the task's time was over."""
    return TaskError(category=ErrorCategory.RESOURCE, message=f"step {step!r}: the task's time was over", step=step)


def begun_too_late(step: str) -> TaskError:
    """The step was about to start when the task's time was over: nothing of it has happened."""
    message = f"step {step!r}: the task's time was over before it could start"
    return TaskError(category=ErrorCategory.TRANSIENT, message=message, cause=TIMEOUT, step=step)
