"""Verbs that steer tasks, whoever holds them: pause, resume, cancel, retry."""

from __future__ import annotations

from collections.abc import Sequence

import click

from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.dead_letters import failed_tasks, show_dead_letters
from dreamos_tasks.interfaces.cli.ids import for_each
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import (
    SECONDS,
    TASK_ID,
    OneOf,
    agent_option,
    category_option,
    ids_argument,
    reason_option,
    tag_option,
)
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.cli.verb import verb
from dreamos_tasks.model.request import PauseEnd
from dreamos_tasks.model.task import Task


@verb("pause", examples=('dt pause dt-7k2m --reason "waits for the release"', "dt list --tag core | dt pause -"))
@ids_argument
@agent_option
@reason_option
@option("--now", is_flag=True, help="Cut off the step that runs; resumed, it begins anew. [default: let it end]")
@option("--for", "for_seconds", metavar="SECONDS", type=SECONDS, help="So long at most. [default: until resumed]")
@option(
    "--then", type=OneOf("end of a pause", tuple(PauseEnd)), default="resume", help="With --for: resume or cancel it."
)
def pause(
    call: Call,
    ids: tuple[str, ...],
    agent: str | None,
    reason: str,
    now: bool,
    for_seconds: float | None,
    then: str,
) -> None:
    """Set tasks aside until they are resumed. Finished steps stay finished.

    A task that the daemon runs pauses when the step that runs has ended; what an agent holds is taken from it at once.
    """
    by = call.actor(agent)

    def act(task_id: str) -> Task:
        at_boundary = not now and call.nexus.get_task_by_id(task_id).plan is not None
        return call.nexus.pause_task(
            task_id, by=by, reason=reason, at_boundary=at_boundary, for_seconds=for_seconds, then=PauseEnd(then)
        )

    for_each(call, ids, act, say=_pause_state)


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


@verb(
    "retry",
    examples=(
        "dt retry dt-7k2m",
        "dt retry --all-failed --dry-run",
        "dt retry --all-failed --category transient",
    ),
)
@click.argument("ids", metavar="[ID...]", nargs=-1, type=TASK_ID)
@option("--all-failed", is_flag=True, help="All that failed for good; see dt list --status failed.")
@category_option
@tag_option("With this tag. Several: with all of them.")
@option("--dry-run", is_flag=True, help="Only show which these are.")
@agent_option
def retry(
    call: Call,
    ids: tuple[str, ...],
    all_failed: bool,
    category: str | None,
    tags: tuple[str, ...],
    dry_run: bool,
    agent: str | None,
) -> None:
    """Give failed or cancelled tasks a fresh start, with all their attempts. Finished steps stay finished."""
    by = call.actor(agent)
    if bool(ids) == all_failed or ((category or tags or dry_run) and not all_failed):
        raise UsageError(
            "retry takes the ids of tasks, or --all-failed",
            cause="--category, --tag and --dry-run go with --all-failed",
            fix="dt retry dt-7k2m, or dt retry --all-failed --dry-run",
        )
    if all_failed:
        failed = call.nexus.find_tasks(failed_tasks(tags=tags, category=category))
        if dry_run or not failed:
            _would_retry(call, failed)
            return
        ids = tuple(task.task_id for task in failed)
    for_each(call, ids, lambda task_id: call.nexus.retry_task(task_id, by=by), say=_state, several=all_failed)


def _would_retry(call: Call, tasks: Sequence[Task]) -> None:
    """Show what a fresh start would be given to, and change nothing."""
    if call.out.as_json:
        call.out.document([task_document(call.nexus, task) for task in tasks])
    elif tasks:
        show_dead_letters(call.out, call.nexus, tasks)
        call.out.note("nothing was changed; without --dry-run these get a fresh start")
    else:
        call.out.note("no task has failed that fits")


def _pause_state(task: Task) -> str:
    if task.claim is not None:
        return f"{task.task_id}  pauses when the step that runs has ended (--now cuts it off)"
    return _state(task)


def _state(task: Task) -> str:
    return f"{task.task_id}  {task.status.value}"
