"""StepExecutor: one step through one ToolAdapter, from its call to the record of what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from loguru import logger

from dreamos_tasks.errors import ConfigError, DreamosError
from dreamos_tasks.execution.error_handler import error_of, failures_after, refresh_step, result_of_raising
from dreamos_tasks.execution.gates import StepGates
from dreamos_tasks.execution.kept_answer import kept_answer
from dreamos_tasks.execution.permits import ApprovalRules, Permit, permit_for
from dreamos_tasks.execution.surroundings import Surroundings
from dreamos_tasks.model.plan import ErrorCategory, Step, StepResult, StepStatus
from dreamos_tasks.model.references import UnknownReference, may_refer, resolved, revealed, secrets_named
from dreamos_tasks.model.risk import Assessment
from dreamos_tasks.model.ruling import record_of
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.protocols import ToolAdapter

SHORTEST_OF_OTHERS = 4  # characters: a shorter secret of another step stands in too much that is none
MOST_REMEMBERED = 256
UNDO_RECORD_CHARACTERS = 65_536  # a call whose undo needs more to be known cannot be taken back


class Tools(Protocol):
    """Where tools are looked up. Raises NotFound or ConfigError for a name it does not know."""

    def get(self, name: str) -> ToolAdapter: ...


class StepExecutor:
    """Makes the call that a step describes."""

    def __init__(
        self,
        tools: Tools,
        surroundings: Surroundings,
        *,
        now: Callable[[], datetime],
        approvals: ApprovalRules | None = None,
        secrets: Callable[[], Mapping[str, str]] = dict,
        gates: StepGates | None = None,
    ) -> None:
        """`secrets` gives all secrets by name, as they are now; it raises ConfigError when they cannot be read."""
        self._tools = tools
        self.surroundings = surroundings
        self.now = now
        self._approvals = approvals or ApprovalRules()
        self._secrets = secrets
        self.gates = gates or StepGates(tools, now=now)
        self._named: dict[tuple[str, int], frozenset[str]] = {}  # by task and token

    def permit(self, task: Task, step: Step) -> Permit | ToolResult:
        """Whether the step may be run now, and with which parameters; a failed result when these cannot be had.

        The values of earlier steps are in them; secrets are still names.
        """
        ready = self.resolved(task, step)
        if isinstance(ready, ToolResult):
            return ready
        return permit_for(task, step, ready.params, rules=self._approvals, now=self.now())

    def resolved(self, task: Task, step: Step) -> Step | ToolResult:
        """The step with the values of earlier steps in its parameters; a failed result when these cannot be had."""
        if not may_refer(step.params):
            return step
        try:
            records = {record.name: record for record in task.steps}
            texts = self._texts_of(step.tool)
            return replace(step, params=resolved(step.params, records, path_of=self._path_of, texts=texts))
        except UnknownReference as error:
            return ToolResult(
                category=ErrorCategory.CONFIGURATION,
                message=str(error),
                suggestions=(f"dt show {task.task_id} --json shows what each step gave",),
            )

    def danger_of(self, step: Step) -> Assessment | None:
        """What the step's call can destroy, where people are to be asked about that."""
        return self._approvals.danger_of(step, step.params)

    def tool(self, name: str) -> ToolAdapter:
        """The tool with this name. Raises NotFound, ConfigError."""
        return self._tools.get(name)

    def never_ran(self, task: Task, step: Step, answer: ToolResult, *, token: int) -> StepResult:
        """The record of a step that failed before its tool was called."""
        record = record_of(task, step.name)
        return StepResult(
            name=step.name,
            status=StepStatus.FAILED,
            attempt=record.attempt if record is not None else 1,
            token=token,
            finished_at=self.now(),
            error=error_of(step, answer),
            failures=(*(record.failures if record is not None else ()), answer.category or ErrorCategory.LOGIC),
        )

    def started(self, task: Task, step: Step, *, token: int) -> StepResult:
        """The record that goes on the board before the call is made."""
        record = record_of(task, step.name)
        return StepResult(
            name=step.name,
            status=StepStatus.RUNNING,
            attempt=record.attempt + 1 if record is not None else 1,
            token=token,
            started_at=self.now(),
            failures=record.failures if record is not None else (),
        )

    async def run(self, task: Task, step: Step, started: StepResult) -> tuple[StepResult, ToolResult]:
        """Make the call. Gives the record that goes on the board after it, and the tool's own answer."""
        result = await self._refreshed(task, step, started)
        if result is None:
            result = await self.call(task, step, token=started.token, attempt=started.attempt)
        failed = result.category is not None
        ended = replace(
            started,
            status=StepStatus.FAILED if failed else StepStatus.COMPLETED,
            finished_at=self.now(),
            exit_code=result.exit_code,
            output_head=result.output_head,
            output_tail=result.output_tail,
            output_bytes=result.output_bytes,
            output_path=_below(result.output_path, self.surroundings.runs),
            value=result.value,
            usage=result.usage,
            undo=_kept(result.undo),
            error=error_of(step, result) if failed else None,
            failures=failures_after(started, result),
        )
        return ended, result

    async def _refreshed(self, task: Task, step: Step, started: StepResult) -> ToolResult | None:
        """Renew what the step signs in with, if that is due. Gives the failure when that did not work."""
        line = refresh_step(task, step, started)
        if line is None:
            return None
        danger = self.danger_of(line)
        if danger is not None:  # nobody is asked about this line
            result = ToolResult(category=ErrorCategory.PERMISSION, message="; ".join(danger.reasons))
        else:
            result = await self.call(task, line, token=started.token, attempt=started.attempt)
        if result.category is None:
            return None
        return replace(result, message=f"its credentials could not be renewed: {result.message}")

    async def call(self, task: Task, step: Step, *, token: int, attempt: int, verifying: bool = False) -> ToolResult:
        """The tool's answer. An error in a tool becomes a failed result: it ends the step, never the executor."""
        context = self.surroundings.for_step(task, step, token=token, attempt=attempt, verifying=verifying)
        try:
            params, used = self._revealed(task, step, token=token)
            tool = self._tools.get(step.tool)
            problems = tool.validate(params)
            if problems:
                return _misused(step, [f"{problem.pointer}: {problem.message}" for problem in problems])
            answer = await tool.execute(params, replace(context, secrets=used) if used else context)
            return kept_answer(step.tool, answer)
        except UnknownReference as error:
            hint = "write it as a line NAME=VALUE into the file that dt config show secrets.path names, below the board's home"
            return ToolResult(category=ErrorCategory.CONFIGURATION, message=str(error), suggestions=(hint,))
        except Exception as error:  # noqa: BLE001  a tool may raise anything
            logger.opt(exception=True).warning("{} {}: tool {} raised", task.task_id, step.name, step.tool)
            return result_of_raising(step.tool, error)

    def _revealed(self, task: Task, step: Step, *, token: int) -> tuple[Mapping[str, Any], tuple[str, ...]]:
        """The parameters with secrets in them, and all that are to be blanked; `$${` becomes `${`.

        These are the step's own, and those of the task's other steps: what one has written down, the next may print.
        """
        own, named = secrets_named((step.params,)), self._named_in(task, token)
        secrets = self._secrets() if own else self._secrets_of_others() if named else {}
        params, used = revealed(step.params, secrets) if may_refer(step.params) else (step.params, ())
        others = (secrets[name] for name in sorted(named - own) if len(secrets.get(name, "")) >= SHORTEST_OF_OTHERS)
        return params, tuple(dict.fromkeys((*used, *others)))

    def _secrets_of_others(self) -> Mapping[str, str]:
        """All secrets, for a step that names none: that they cannot be read is not its trouble."""
        try:
            return self._secrets()
        except ConfigError:
            return {}

    def _named_in(self, task: Task, token: int) -> frozenset[str]:
        """The secrets that any step of the task names; a plan may have thousands of steps, so it is looked through once."""
        key = (task.task_id, token)
        if key not in self._named:
            if len(self._named) >= MOST_REMEMBERED:
                self._named.clear()
            steps = (*(task.plan.steps if task.plan is not None else ()), *task.verify)
            self._named[key] = secrets_named(part for step in steps for part in (step.params, step.undo))
        return self._named[key]

    def _texts_of(self, tool: str) -> Sequence[str]:
        """The parameters of this tool that hold texts only, where it says so."""
        try:
            texts: Sequence[str] = getattr(self._tools.get(tool), "texts", ())
        except DreamosError:
            return ()  # that it cannot be had is said when it is called
        return texts

    def _path_of(self, record: StepResult) -> str | None:
        return str(self.surroundings.runs / record.output_path) if record.output_path else None


def _misused(step: Step, problems: list[str]) -> ToolResult:
    return ToolResult(
        category=ErrorCategory.CONFIGURATION,
        message=f"{step.tool} cannot be called so: " + "; ".join(problems),
        suggestions=(f"dt schema tool {step.tool}",),
    )


def _kept(undo: Any) -> Any:
    """What a tool needs to take its call back, unless it is too much for a board."""
    return undo if undo is None or len(json.dumps(undo)) <= UNDO_RECORD_CHARACTERS else None


def _below(path: Path | None, folder: Path) -> str | None:
    if path is None:
        return None
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def result_of(records: Mapping[str, StepResult]) -> dict[str, object]:
    """What a task that was run step by step gives as its result: each step's end, by name."""
    return {
        name: {"status": record.status.value, "exit_code": record.exit_code, "value": record.value}
        for name, record in records.items()
    }
