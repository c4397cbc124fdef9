"""The verb work: a loop that has any command do an agent's tasks, one after another."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from dreamos_tasks.errors import (
    AgentPaused,
    BoardCorrupt,
    BoardGone,
    BoardTooNew,
    BoardUnavailable,
    BoardUnsafe,
    Refused,
    UsageError,
)
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.command_verb import CommandVerb, command_behind
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, agent_option, tag_option
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.cli.text import count, duration, harmless, harmless_block
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.task import Status, Task

if TYPE_CHECKING:
    from dreamos_tasks.app.work import Worked


@click.command(
    "work",
    cls=CommandVerb,
    examples=(
        "dt work --agent ada -- claude -p 'Do the task on stdin.'",
        "dt work --agent ada --tag core --max-tasks 5 -- ./solve.sh",
        "dt work --agent ada --once -- sh -c 'jq -r .title'",
    ),
)
@agent_option
@tag_option("Only tasks with this tag. Several: with all of them.")
@option("--capability", "-c", "capabilities", metavar="NAME", type=FILLED, multiple=True, help="What it can do.")
@option("--once", is_flag=True, help="Wait for one task, do it, and exit with its result.")
@option("--max-tasks", metavar="N", type=click.IntRange(min=1), help="End after N tasks.")
@option("--until-empty", is_flag=True, help="End when nothing is ready, instead of waiting for more.")
@option("--quiet", "-q", is_flag=True, help="Do not show what the command prints; dt logs has it.")
@click.pass_context
def work(
    ctx: click.Context,
    agent: str | None,
    tags: tuple[str, ...],
    capabilities: tuple[str, ...],
    once: bool,
    max_tasks: int | None,
    until_empty: bool,
    quiet: bool,
) -> None:
    """Do tasks with a command, as one agent: wait for the next ready task, start the command, settle the task by its exit.

    The command gets the task as JSON on stdin, and DREAMOS_TASKS_TASK_ID, _TITLE, _TOKEN, _AGENT, _ATTEMPT, _HOME, _TASK_FILE
    and _RESULT_FILE in its environment. Exit 0 completes the task (with the JSON that it wrote to the result file, if any),
    75 puts it off, anything else fails the attempt. It may settle the task itself. Heartbeats are sent while it runs.
    Ctrl-C (or TERM) finishes the task and ends; a second one gives it back. --json: one line a task.
    """
    call: Call = ctx.obj
    command = command_behind(ctx)
    if not command:
        raise UsageError(
            "there is no command to do the work", cause="it stands behind --", fix="dt work --agent ada -- ./solve.sh"
        )
    request = ClaimRequest(agent_id=call.agent(agent, verb="work"), tags=tags, capabilities=capabilities)
    loop = _Loop(call, request, command, most=1 if once else max_tasks, waits=not until_empty, quiet=quiet)
    loop.run()
    if once:
        call.exit_code = loop.exit_code


class _Loop:
    def __init__(
        self,
        call: Call,
        request: ClaimRequest,
        command: Sequence[str],
        *,
        most: int | None,
        waits: bool,
        quiet: bool,
    ) -> None:
        self._call = call
        self._request = request
        self._command = command
        self._most = most
        self._waits = waits
        self._view = _View(call, quiet=quiet)
        self._count = 0
        self._hindrance = ""  # what was said last of why nothing can be claimed now
        self._ending = _Ending()
        self.exit_code = 0

    def run(self) -> None:
        """Until there is nothing more to do, or a signal says so."""
        from loguru import logger

        from dreamos_tasks.app.work import end_lost_work

        logger.remove()  # what there is to say, the view says
        call = self._call
        call.nexus.store.last_seq()  # a board that cannot be had is said before anything else
        end_lost_work(call.home)
        who = harmless(self._request.agent_id)
        try:
            self._ending.listen()
            while (task := self._next()) is not None:
                if self._ending.was_asked_for():
                    with suppress(Refused):  # it was taken away already
                        call.nexus.release_task(task.task_id, token=task.last_token, reason="the agent was stopped")
                    break
                if self._work_on(task).is_last or self._ending.was_asked_for() or self._count == self._most:
                    break
                self._ending.listen()  # asyncio gives the signals back after each task
        except KeyboardInterrupt:
            pass  # nothing is held while we wait
        call.out.note(f"{who} is done: {count(self._count, 'task')}")

    def _next(self) -> Task | None:
        if not self._waits:
            return self._claim()
        from dreamos_tasks.interfaces.cli.waiting import wait_until

        task = self._claim_when_free()
        if task is None:
            self._call.out.note(f"{harmless(self._request.agent_id)} waits for a task; Ctrl-C ends")
            task = wait_until(self._call, self._claim_when_free, timeout_seconds=None)
        return task

    def _claim_when_free(self) -> Task | None:
        """As `_claim`; an agent that is paused, and a board that is locked or full, are said once and waited for."""
        try:
            task = self._claim()
        except (BoardGone, BoardCorrupt, BoardTooNew, BoardUnsafe):
            raise
        except (AgentPaused, BoardUnavailable) as error:
            said = harmless(f"{error.message}: {error.cause}")
            if said != self._hindrance:
                self._call.out.note(said)
            self._hindrance = said
            return None
        self._hindrance = ""
        return task

    def _claim(self) -> Task | None:
        request = self._request
        self._ending.is_put_off, task = True, None
        try:
            task = self._call.nexus.get_next_task(
                request.agent_id, tags=request.tags, capabilities=request.capabilities
            )
        finally:
            if task is None:
                self._ending.go_on_waiting()
        return task

    def _work_on(self, task: Task) -> Worked:
        from dreamos_tasks.app.work import work_on

        call = self._call
        self._view.begins(task)
        began = time.monotonic()
        worked = work_on(task, self._command, home=call.home, settings=call.settings, view=self._view)
        self._count += 1
        self._view.ended(worked.task, claimed=task, seconds=time.monotonic() - began)
        self.exit_code = 0 if worked.task.status is Status.COMPLETED else 1
        return worked


class _Ending:
    """The signals that ask for the end: waiting is broken off, and what is claimed meanwhile is not forgotten."""

    def __init__(self) -> None:
        self._is_asked = False
        self.is_put_off = False  # a claim is under way, or held

    def listen(self) -> None:
        """From now on, while nothing is held."""
        from dreamos_tasks.app.ending_signals import ENDING_SIGNALS

        for number in ENDING_SIGNALS:
            signal.signal(number, self._asked)
        self.is_put_off = False

    def was_asked_for(self) -> bool:
        """Whether a signal has come that nobody else has dealt with."""
        return self._is_asked

    def go_on_waiting(self) -> None:
        """Nothing is held. Raises KeyboardInterrupt when the end was asked for meanwhile."""
        self.is_put_off = False
        if self._is_asked:
            raise KeyboardInterrupt

    def _asked(self, *_: object) -> None:
        self._is_asked = True
        if not self.is_put_off:
            raise KeyboardInterrupt


class _View:
    """Talk is on stderr; what the command prints is on stdout, or with --json a line a task."""

    def __init__(self, call: Call, *, quiet: bool) -> None:
        self._call = call
        self._quiet = quiet or call.out.as_json

    def begins(self, task: Task) -> None:
        token = task.claim.token if task.claim is not None else 0
        self._call.out.note(f"{task.task_id}  {harmless(task.title)} (token {token})")

    def print_line(self, line: str) -> None:
        """See WorkView."""
        if not self._quiet:
            self._call.out.line(harmless_block(line) if self._call.out.stdout_is_terminal else line)
            self._call.out.flush()

    def interrupted(self, task: Task, *, at_once: bool) -> None:
        """See WorkView."""
        said = "given back" if at_once else "finished, then this ends; Ctrl-C again gives it back"
        self._call.out.note(f"{task.task_id} is {said}")

    def ended(self, task: Task, *, claimed: Task, seconds: float) -> None:
        """How the work on a task ended. `claimed`: as it was taken."""
        out = self._call.out
        if out.as_json:
            out.json_line(_document(self._call, task))
            out.flush()
        is_ours = task.error != claimed.error or any(record.token == claimed.last_token for record in task.steps)
        why = (
            f": {harmless(task.error.message)}"
            if task.error is not None and is_ours and task.status is not Status.COMPLETED
            else ""
        )
        status = task.status.value
        if task.claim is not None and task.last_token != claimed.last_token:
            status, why = "lost", f": {harmless(task.claim.agent_id)} holds it now (token {task.last_token})"
        out.note(f"{task.task_id}  {status} after {duration(seconds)}{why}")


def _document(call: Call, task: Task) -> dict[str, Any]:
    return task_document(call.nexus, task)
