"""Verbs that steer tasks, whoever holds them: pause, resume, cancel, retry."""

from __future__ import annotations

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.ids import for_each
from dreamos_tasks.interfaces.cli.options import agent_option, ids_argument, reason_option
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.model.task import Task


@verb("pause", examples=('dt pause dt-7k2m --reason "waits for the release"', "dt list --tag core | dt pause -"))
@ids_argument
@agent_option
@reason_option
def pause(call: Call, ids: tuple[str, ...], agent: str | None, reason: str) -> None:
    """Set tasks aside until they are resumed. A claim ends; finished steps stay finished."""
    by = call.actor(agent)
    for_each(call, ids, lambda task_id: call.nexus.pause_task(task_id, by=by, reason=reason), say=_state)


@verb("resume", examples=("dt resume dt-7k2m",))
@ids_argument
@agent_option
def resume(call: Call, ids: tuple[str, ...], agent: str | None) -> None:
    """Put paused tasks back in the queue, at the step where they stood."""
    by = call.actor(agent)
    for_each(call, ids, lambda task_id: call.nexus.resume_task(task_id, by=by), say=_state)


@verb("cancel", examples=('dt cancel dt-7k2m --reason "no longer needed"',))
@ids_argument
@agent_option
@reason_option
def cancel(call: Call, ids: tuple[str, ...], agent: str | None, reason: str) -> None:
    """End tasks for good, whoever holds them. (dt retry brings one back.)"""
    by = call.actor(agent)
    for_each(call, ids, lambda task_id: call.nexus.cancel_task(task_id, by=by, reason=reason), say=_state)


@verb("retry", examples=("dt retry dt-7k2m",))
@ids_argument
@agent_option
def retry(call: Call, ids: tuple[str, ...], agent: str | None) -> None:
    """Give failed or cancelled tasks a fresh start, with all their attempts. Finished steps stay finished."""
    by = call.actor(agent)
    for_each(call, ids, lambda task_id: call.nexus.retry_task(task_id, by=by), say=_state)


def _state(task: Task) -> str:
    return f"{task.task_id}  {task.status.value}"
