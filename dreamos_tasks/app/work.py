"""Work: one task that an agent holds, done by a command of the agent's own: any program that can be started by a line.

The command reads the task as JSON from its standard input, and finds in its environment whose task it is. What it prints is
kept; how it exits ends the attempt. A command that settles the task itself, by `dt complete` or over MCP, has the last word.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from dreamos_tasks.app.boards import make_folder, open_board
from dreamos_tasks.app.ending_signals import on_ending
from dreamos_tasks.app.holding import call_off, hold_claim, is_held
from dreamos_tasks.app.parts import surroundings_of
from dreamos_tasks.app.step_output import StepOutput
from dreamos_tasks.app.tool_shop import children_of, home_id
from dreamos_tasks.app.verifying import verdict_at_desk
from dreamos_tasks.board.clock import SteadyClock
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.errors import BoardUnavailable, InvalidInput, Refused, UsageError
from dreamos_tasks.execution.error_handler import outcome_of, output_excerpt
from dreamos_tasks.intake.dropped import read_dropped
from dreamos_tasks.intake.json_text import read_json
from dreamos_tasks.model.outcome import Failed, Outcome, RetryLater, Snoozed, Succeeded, outcome_of_result
from dreamos_tasks.model.plan import Evidence, Step, StepResult, StepStatus
from dreamos_tasks.model.ruling import record_of
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.model.told_form import task_told
from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.orchestrator.patience import PatientDesk
from dreamos_tasks.tools.captured_run import run_captured, with_output
from dreamos_tasks.tools.exit_status import result_of_end, result_of_refusal
from dreamos_tasks.tools.orphans import become_subreaper, end_leftovers
from dreamos_tasks.tools.process import Command
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.whole_file import write_beside

STEP = "work"  # the record that an attempt leaves on the board, and the name of its log
TASK_NAME, RESULT_NAME = "task.json", "result.json"  # in the folder of the run
OUTPUT_SECONDS = 0.1  # how soon what the command prints is shown
LARGEST_RESULT_BYTES = 1_048_576
NO_PROGRAM = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EACCES,
    errno.ENOEXEC,
)  # what is said of a command that cannot be started


class WorkView(Protocol):
    """What shows the work to whoever started it."""

    def print_line(self, line: str) -> None:
        """A line that the command has printed."""
        ...

    def interrupted(self, task: Task, *, at_once: bool) -> None:
        """A signal asks for the end: the first lets the task be finished, the second gives it back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Worked:
    """How the work on one task ended. `is_last`: a signal asks to take no other."""

    task: Task
    is_last: bool


def end_lost_work(home: Home) -> None:
    """End what an agent's command, or a step, goes on doing although whoever started it here is gone."""
    become_subreaper()
    asyncio.run(end_leftovers(home_id(home), except_instance=""))


def work_on(task: Task, command: Sequence[str], *, home: Home, settings: Settings, view: WorkView) -> Worked:
    """Run the command for a task that was just claimed, and settle the task by how it exits.

    0 completes it, after its checks; 75 puts it off; anything else fails the attempt, in the category that the exit code and
    the output tell. Heartbeats go on while it runs. When the claim ends meanwhile (somebody paused, cancelled or took the
    task) the command is ended with all that it started; one that has completed or failed the task itself comes to its own
    end. Raises BoardUnavailable kinds and OSError, and UsageError when there is no such command; without a place for the
    run, and without a command, the task is given back before.
    """
    work = _Work(task, command, home, settings, view)
    ended = asyncio.run(work.run())
    return Worked(task=ended, is_last=work.is_to_end)  # a signal may have come while the loop was closed


class _Work:
    def __init__(self, task: Task, command: Sequence[str], home: Home, settings: Settings, view: WorkView) -> None:
        assert task.claim is not None
        self._task = task
        self._token = task.claim.token
        self._agent_id = task.claim.agent_id
        self._asked = json.dumps(task_told(task), ensure_ascii=False)
        self._command = tuple(command)
        self._home = home
        self._settings = settings
        self._view = view
        self._step = Step(name=STEP, tool=STEP, timeout_seconds=task.timeout_seconds)
        self._context = self._context_of(task)
        self._result_file = self._context.run_dir / RESULT_NAME
        self._now = SteadyClock().now
        self._desk = BoardDesk(lambda: open_board(home, settings))
        self._children = children_of(home, instance=os.urandom(8).hex())
        self._signals = 0

    @property
    def is_to_end(self) -> bool:
        """Whether a signal has asked to take no other task."""
        return self._signals > 0

    async def run(self) -> Task:
        await self._desk.start()
        try:
            await self._prepare()
            return await self._work()
        finally:
            await self._desk.stop()

    async def _prepare(self) -> None:
        """Make the folder of the run, with the task in it."""
        try:
            make_folder(self._context.run_dir)
            write_beside(self._context.run_dir / TASK_NAME, [self._asked.encode("utf-8")])
        except (OSError, BoardUnavailable):  # a full disk, a folder that is none: elsewhere it may be done
            await self._given_back()
            raise

    async def _work(self) -> Task:
        running = asyncio.create_task(self._attempt(), name=self._task.task_id)
        on_ending(self._end, running)
        beside = [asyncio.create_task(self._hold()), asyncio.create_task(self._show())]
        try:
            await asyncio.wait((running, beside[0]), return_when=asyncio.FIRST_COMPLETED)
            if not running.done() and await self._is_settled():
                await asyncio.wait((running,))
            if running.done() and not running.cancelled():
                return running.result()
            await call_off(running)
            return await self._given_back()
        except UsageError:
            await self._given_back()
            raise
        finally:
            for helper in (running, *beside):
                await call_off(helper)

    async def _attempt(self) -> Task:
        """Run the command and settle the task; gives it as it is then, whoever settled it."""
        started_at = self._now()
        result = await self._run_command()
        finished_at = self._now()
        outcome = await self._outcome(result)
        record = self._record(result, outcome, started_at=started_at, finished_at=finished_at)
        desk = PatientDesk(self._desk)
        with suppress(
            Refused
        ):  # the command has settled it itself, or the claim was ended: what the task is now counts
            return await desk.write(
                lambda nexus: nexus.settle(
                    self._task.task_id, outcome, agent_id=self._agent_id, token=self._token, last_steps=(record,)
                )
            )
        return await desk.read(lambda nexus: nexus.get_task_by_id(self._task.task_id))

    async def _run_command(self) -> ToolResult:
        command = Command(
            arguments=self._command,
            cwd=str(self._context.cwd),
            environment=self._context.environment,
            stdin=self._asked.encode("utf-8"),
        )
        try:
            end, captured = await run_captured(self._children, command, context=self._context, redactor=Redactor(()))
        except (OSError, ValueError) as error:
            refused = result_of_refusal(error, command)
            if not isinstance(error, OSError) or error.errno not in NO_PROGRAM or error.filename == command.cwd:
                return refused
            # The command is at fault, and not the task: whatever else is ready would fail as well.
            raise UsageError(refused.message, cause=refused.cause, fix=", or ".join(refused.suggestions)) from None
        printed = captured.tail or captured.head
        result = result_of_end(end, success_codes=(0,), timeout=self._context.timeout_seconds, printed=printed)
        return with_output(result, captured)

    async def _outcome(self, result: ToolResult) -> Outcome:
        if result.category is not None:
            return outcome_of(self._step, result)
        if not await self._desk.read(lambda nexus: is_held(nexus, self._task.task_id, self._token)):
            return Snoozed(reason="settled by the command itself")  # refused by the token: nothing is changed
        verdict = await verdict_at_desk(
            self._desk, self._task, token=self._token, home=self._home, settings=self._settings
        )
        if verdict.error is not None:
            return Failed(error=verdict.error)
        return self._said(result, evidence=verdict.evidence)

    def _said(self, result: ToolResult, *, evidence: tuple[Evidence, ...]) -> Succeeded | Failed:
        """What the command wrote as its result; otherwise how it ended and the last that it printed."""
        printed = {"exit_code": result.exit_code, "output": output_excerpt(result)}
        try:
            content = read_dropped(self._result_file, max_bytes=LARGEST_RESULT_BYTES)
            return outcome_of_result(read_json(content.text), evidence)
        except FileNotFoundError:
            return Succeeded(result=printed, evidence=evidence)
        except (OSError, InvalidInput) as error:  # the work is done: it is not lost for how it was told
            return Succeeded(result={**printed, "result_refused": str(error)}, evidence=evidence)

    def _record(
        self, result: ToolResult, outcome: Outcome, *, started_at: datetime, finished_at: datetime
    ) -> StepResult:
        """What the board keeps of the attempt: how it ended, and what was printed."""
        before = record_of(self._task, STEP)
        error = outcome.error if isinstance(outcome, Failed | RetryLater) else None
        path = result.output_path
        return StepResult(
            name=STEP,
            tool=STEP,
            status=StepStatus.COMPLETED if error is None else StepStatus.FAILED,
            attempt=before.attempt + 1 if before is not None else 1,
            token=self._token,
            started_at=started_at,
            finished_at=finished_at,
            exit_code=result.exit_code,
            output_head=result.output_head,
            output_tail=result.output_tail,
            output_bytes=result.output_bytes,
            output_path=str(path.relative_to(self._home.runs)) if path is not None else None,
            usage=result.usage,
            error=error,
        )

    def _context_of(self, task: Task) -> ToolContext:
        """The agent's own environment, whole: it is a person's terminal, or their service. And what this task is."""
        surroundings = replace(surroundings_of(self._home, self._settings), environment=dict(os.environ))
        context = surroundings.for_step(task, self._step, token=self._token, attempt=task.attempt)
        ours = {
            "DREAMOS_TASKS_HOME": str(self._home.path),
            "DREAMOS_TASKS_AGENT": self._agent_id,
            "DREAMOS_TASKS_TITLE": task.title,
            "DREAMOS_TASKS_TASK_FILE": str(context.run_dir / TASK_NAME),
            "DREAMOS_TASKS_RESULT_FILE": str(context.run_dir / RESULT_NAME),
        }
        return replace(context, environment={**context.environment, **ours})

    async def _is_settled(self) -> bool:
        """Whether the task was completed or failed under this very claim: by the command, which may have more to say."""
        task = await PatientDesk(self._desk).read(lambda nexus: nexus.get_task_by_id(self._task.task_id))
        return task.status in (Status.COMPLETED, Status.FAILED) and task.last_token == self._token

    async def _given_back(self) -> Task:
        """The task as it is now; released first when it is still ours."""

        def let_go(nexus: TaskNexus) -> Task:
            if is_held(nexus, self._task.task_id, self._token):
                nexus.release_task(self._task.task_id, token=self._token, reason="the agent was stopped")
            return nexus.get_task_by_id(self._task.task_id)

        return await PatientDesk(self._desk).write(let_go)

    async def _hold(self) -> None:
        await hold_claim(
            self._desk,
            self._task.task_id,
            token=self._token,
            heartbeat_seconds=self._settings.claims.heartbeat_seconds,
        )

    async def _show(self) -> None:
        """Show what the command prints, as it comes."""
        output = StepOutput(self._context.run_dir, self._task, lambda _step, line: self._view.print_line(line))
        try:
            while True:
                output.read_new()
                await asyncio.sleep(OUTPUT_SECONDS)
        finally:
            output.finish()

    def _end(self, running: asyncio.Task[Any]) -> None:
        """A signal asks for the end: the first lets the task be finished, the second gives it back."""
        self._signals += 1
        self._view.interrupted(self._task, at_once=self._signals > 1)
        if self._signals > 1:
            running.cancel()
