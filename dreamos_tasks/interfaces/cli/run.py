"""The verb run: a task here and now, in the foreground; the exit code is its result."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from dreamos_tasks.errors import BoardUnavailable, DreamosError, InvalidInput, NoPerson, NotFound, UsageError
from dreamos_tasks.interfaces.cli.adding import say_notices
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.command_verb import CommandVerb, command_behind
from dreamos_tasks.interfaces.cli.given import file_text
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED
from dreamos_tasks.interfaces.cli.run_view import RunView
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.cli.text import harmless
from dreamos_tasks.model.durations import DurationRange
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.request import RequestKind
from dreamos_tasks.model.task import TITLE_MAX_LENGTH, Status, Task, TaskDraft


@click.command(
    "run",
    cls=CommandVerb,
    examples=(
        "dt run task.json",
        "dt run - < task.json",
        "dt run -- make test",
        "dt run dt-7k2m    (goes on where it stood)",
    ),
)
@click.argument("source", metavar="FILE|-|ID", required=False, type=FILLED)
@option("--title", metavar="TEXT", type=FILLED, help="What the task is called, with a command behind --.")
@click.pass_context
def run(ctx: click.Context, source: str | None, title: str | None) -> None:
    """Put a task on the board and run it here, step by step. Exits 0 when it is completed, 1 when it failed.

    No daemon is needed. What steps print is shown as it comes. Ctrl-C pauses the task and says how to go on; a second one
    leaves at once. What needs leave is asked right here, on a terminal. A task that is on the board already is named by its
    id; dt run -- COMMAND is short for a task with one step.
    """
    call: Call = ctx.obj
    call.makes_board = True
    command = command_behind(ctx)
    if (source is None) == (command is None):
        raise UsageError(
            "there is nothing to run" if source is None else "there are two things to run",
            cause="it is either a file (or - for stdin), a task's id, or a command behind --",
            fix="dt run FILE, or dt run -- COMMAND",
        )
    task = (
        _added(call, _draft_of_command(command, title=title)) if command is not None else _task_of(call, source or "")
    )
    settled = _run(call, task)
    call.exit_code = 0 if settled.status is Status.COMPLETED else 1


def _run(call: Call, task: Task) -> Task:
    from loguru import logger

    from dreamos_tasks.app.foreground import run_in_foreground

    logger.remove()  # what there is to say, the view says
    clock, person = call.nexus.clock, _person_at_terminal(call)
    view = RunView(call.out, task, clock=clock, ahead=lambda: _ahead(call, task.task_id), person=person)
    _say_what_to_expect(call, task)
    with view:
        settled = run_in_foreground(task.task_id, call.home, call.settings, face=view)
    if call.out.as_json:
        call.out.document(task_document(call.nexus, settled))
    else:
        call.out.line(f"{settled.task_id}  {settled.status.value}")
        if settled.status is Status.AWAITING_APPROVAL:
            call.out.error(_awaits(settled))
        elif settled.status is Status.PAUSED:
            call.out.note(f"dt run {settled.task_id} goes on from there")
        elif settled.error is not None and settled.status is not Status.COMPLETED:
            call.out.error(_why(settled))
    return settled


def _say_what_to_expect(call: Call, task: Task) -> None:
    from dreamos_tasks.interfaces.cli.eta import basis_words, forecast_of, range_words

    eta = forecast_of(call).eta(task) if not task.is_final else None
    if eta is not None and eta.remaining is not None and eta.remaining.samples:
        call.out.note(f"  it takes {range_words(eta.remaining)}, {basis_words(eta.remaining)}")


def _ahead(call: Call, task_id: str) -> tuple[float, DurationRange | None] | None:
    """How far the task is now, in percent, and how long it will still take."""
    from dreamos_tasks.interfaces.cli.eta import forecast_of

    try:
        eta = forecast_of(call).eta(call.nexus.get_task_by_id(task_id))
    except BoardUnavailable:
        return None  # it is said where it matters
    return (eta.percent, eta.remaining) if eta is not None else None


def _person_at_terminal(call: Call) -> str | None:
    """Who may decide here; None where nobody can be asked, or where it would be no person."""
    if call.out.as_json or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    from dreamos_tasks.interfaces.cli.approving import deciding_person

    try:
        return deciding_person(call, None, verb="approve")
    except NoPerson:
        return None


def _awaits(task: Task) -> DreamosError:
    """What people are asked, and how they say it."""
    request = next(request for request in task.requests if request.is_open)
    verb = "approve" if request.kind is RequestKind.APPROVAL else "answer"
    words = "" if request.kind is RequestKind.APPROVAL else f' "{request.choices[0] if request.choices else "..."}"'
    what = f"step {request.step}" if request.step else "it"
    return DreamosError(
        f"{task.task_id} awaits a person's word: {what}",
        cause=request.text,
        fix=f"dt {verb} {request.request_id}{words}; then dt run {task.task_id} goes on, or a daemon does",
    )


def _why(task: Task) -> DreamosError:
    assert task.error is not None
    error = task.error
    return DreamosError(
        harmless(error.message), cause=error.cause, fix="; ".join(error.suggestions) or f"dt logs {task.task_id}"
    )


def _task_of(call: Call, source: str) -> Task:
    """The task of a file, of stdin, or that is on the board already."""
    if source != "-" and not Path(source).exists():
        try:
            task = call.nexus.get_task_by_id(source)
        except NotFound:
            raise NotFound(
                f"{source!r} is neither a file nor a task on this board", fix="dt list shows the tasks; ls, the files"
            ) from None
        return (
            call.nexus.retry_task(task.task_id, by="cli") if task.status in (Status.FAILED, Status.CANCELLED) else task
        )
    from dreamos_tasks.app.reading import read_work

    reading = read_work(file_text(call, source), home=call.home, limits=call.settings.inbox, created_by="cli")
    say_notices(call, reading)
    drafts = reading.drafts
    if len(drafts) != 1:
        raise InvalidInput(
            f"it holds {len(drafts)} tasks; one is run at a time", fix=f"dt add --file {source}; dt up runs them all"
        )
    return _added(call, drafts[0])


def _added(call: Call, draft: TaskDraft) -> Task:
    """The task on the board, from its first moment assigned to this process: no daemon takes it."""
    from dataclasses import replace

    from dreamos_tasks.app.foreground import foreground_agent

    if draft.plan is None:
        raise InvalidInput(
            "it has nothing to run",
            pointer="/plan",
            cause="a task is run by its plan",
            fix='give it "run": "make test"',
        )
    return call.nexus.add_task(replace(draft, assigned_to=foreground_agent()))


def _draft_of_command(command: Sequence[str], *, title: str | None) -> TaskDraft:
    if not command:
        raise UsageError("there is no command behind --", fix="dt run -- make test")
    line = shlex.join(command)
    return TaskDraft(
        title=title or (line if len(line) <= TITLE_MAX_LENGTH else line[: TITLE_MAX_LENGTH - 1] + "…"),
        plan=Plan(steps=(Step(name="run", params={"command": list(command)}),)),
        context={"cwd": os.getcwd()},
        created_by="cli",
    )
