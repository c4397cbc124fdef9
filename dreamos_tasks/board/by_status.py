"""Bringing a task into a state by name: the verb that leads there is found and said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.outcome import Failed, outcome_of_result
from dreamos_tasks.model.plan import ErrorCategory, TaskError
from dreamos_tasks.model.task import Status, Task

if TYPE_CHECKING:
    from dreamos_tasks.board.nexus import TaskNexus


def bring_to(
    nexus: TaskNexus, task_id: str, status: str, result: Any, *, agent_id: str | None, token: int | None
) -> Task:
    """See TaskNexus.update_task_status."""
    by = agent_id or "api"
    match status:
        case Status.IN_PROGRESS:
            return nexus.claim_task(task_id, by)
        case Status.COMPLETED:
            return nexus.mark_task_completed(task_id, agent_id, result=result, token=token)
        case Status.FAILED:
            return nexus.settle(task_id, _failure(result), agent_id=agent_id, token=token)
        case Status.CANCELLED:
            return nexus.cancel_task(task_id, by=by)
        case Status.PAUSED:
            return nexus.pause_task(task_id, by=by)
        case Status.PENDING:
            return _back_to_pending(nexus, task_id, agent_id, token=token)
        case Status.STALLED:
            return nexus.mark_task_stalled(task_id, by=by, reason="marked by hand")
        case _:
            words = ", ".join(state.value for state in Status if state is not Status.AWAITING_APPROVAL)
            raise InvalidInput(
                f"{status!r} is no state a task can be put into", pointer="/status", fix=f"one of: {words}"
            )


def _failure(result: Any) -> Failed:
    """What is said of the failure: in words, or in the form of an error result."""
    outcome = outcome_of_result(result)
    if isinstance(outcome, Failed):
        return outcome
    message = result if isinstance(result, str) and result else "marked as failed"
    return Failed(error=TaskError(category=ErrorCategory.LOGIC, message=message))


def _back_to_pending(nexus: TaskNexus, task_id: str, agent_id: str | None, *, token: int | None) -> Task:
    task = nexus.get_task_by_id(task_id)
    by = agent_id or "api"
    match task.status:
        case Status.PAUSED:
            return nexus.resume_task(task_id, by=by)
        case Status.FAILED | Status.CANCELLED:
            return nexus.retry_task(task_id, by=by)
        case _:
            return nexus.release_task(task_id, agent_id, token=token)
