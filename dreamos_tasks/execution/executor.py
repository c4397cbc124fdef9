"""TaskExecutor: the pipe from a claimed task to a settled one: steps, verification, outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.execution.error_handler import goes_on_without, outcome_of
from dreamos_tasks.execution.step_executor import StepExecutor, result_of
from dreamos_tasks.execution.verification import Verifier
from dreamos_tasks.model.outcome import Failed, Outcome, Succeeded
from dreamos_tasks.model.plan import ErrorCategory, Step, StepResult, StepStatus, TaskError
from dreamos_tasks.model.retry import DEFAULT_RETRY, RetryPolicy
from dreamos_tasks.model.ruling import record_of
from dreamos_tasks.model.task import Task

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended, which is not on the board yet: `settle` writes the outcome and the step that ended last."""

    task_id: str
    token: int
    outcome: Outcome
    last_step: StepResult | None = None

    def settle(self, nexus: TaskNexus) -> Task:
        """Put it on the board, in one write. Raises as TaskNexus.settle."""
        return nexus.settle(self.task_id, self.outcome, token=self.token, last_step=self.last_step)


class Desk(Protocol):
    """The way to the board from asyncio; see BoardDesk."""

    async def write(self, act: Callable[[TaskNexus], Result]) -> Result: ...


class TaskExecutor:
    """Runs one claimed task at a time a call; many calls may run side by side.

    Every write names the claim's token: when the claim is over, the write raises StaleToken and the run ends there.
    """

    def __init__(
        self, desk: Desk, steps: StepExecutor, verifier: Verifier, *, retry: RetryPolicy = DEFAULT_RETRY
    ) -> None:
        self._desk = desk
        self._retry = retry  # the board's own policy
        self._steps = steps
        self._verifier = verifier

    def first_step(self, task: Task) -> StepResult | None:
        """The record of the first step's start: given to the verb that claims the task, one write holds both."""
        step = next(iter(steps_to_run(task)), None)
        return None if step is None or task.claim is None else self._steps.started(task, step, token=task.claim.token)

    async def run(self, task: Task) -> Task:
        """Run a claimed task to the end of this attempt; gives it settled. Raises StaleToken kinds.

        When cancelled it ends what it started and leaves the task as the board has it.
        """
        end = await self.attempt(task)
        return await self._desk.write(end.settle)

    async def attempt(self, task: Task) -> AttemptEnd:
        """As `run`, up to the end that is to be settled."""
        assert task.claim is not None, "only a claimed task is run"
        token = task.claim.token
        last: StepResult | None = None
        outcome: Outcome | None = None
        try:
            async with asyncio.timeout(task.timeout_seconds):
                task, last, outcome = await self._run_steps(task, token)
                if outcome is None:
                    outcome = await self._verified(task, last, token)
        except TimeoutError:
            outcome = _timed_out(task)
        return AttemptEnd(task_id=task.task_id, token=token, outcome=outcome, last_step=last)

    async def _run_steps(self, task: Task, token: int) -> tuple[Task, StepResult | None, Outcome | None]:
        """Each step in turn. The last step's record is given back unsaved: it shares the commit of the outcome."""
        if task.plan is None:
            return task, None, _nothing_to_run(task)
        unsaved: StepResult | None = None
        for step in steps_to_run(task):
            if unsaved is not None:
                task = await self._record(task, unsaved, token)
                unsaved = None
            blocked = _unmet_need(task, step)
            if blocked is not None:
                unsaved = _skipped(step, blocked, token)
                continue
            task, started = await self._started(task, step, token)
            ended, answer = await self._steps.run(task, step, started)
            unsaved = ended
            failed = ended.status is StepStatus.FAILED
            if failed and not goes_on_without(task, step, ended, answer, board=self._retry):
                return task, unsaved, outcome_of(step, answer)
        return task, unsaved, None

    async def _started(self, task: Task, step: Step, token: int) -> tuple[Task, StepResult]:
        """The record of the step's start, made now unless it was made with the claim."""
        record = record_of(task, step.name)
        if record is not None and record.status is StepStatus.RUNNING and record.token == token:
            return task, record
        started = self._steps.started(task, step, token=token)
        return await self._record(task, started, token), started

    async def _record(self, task: Task, result: StepResult, token: int) -> Task:
        return await self._desk.write(lambda nexus: nexus.record_step(task.task_id, result, token=token))

    async def _verified(self, task: Task, last: StepResult | None, token: int) -> Outcome:
        records = {record.name: record for record in task.steps}
        if last is not None:
            records[last.name] = last
        verdict = await self._verifier.verify(task, token=token)
        if verdict.error is not None:
            return Failed(error=verdict.error)
        return Succeeded(result={"steps": result_of(records)}, evidence=verdict.evidence)


def steps_to_run(task: Task) -> Sequence[Step]:
    """The steps that are not recorded as ended well: a completed step is never run again."""
    if task.plan is None:
        return ()
    ended = {record.name for record in task.steps if record.status is StepStatus.COMPLETED}
    return [step for step in task.plan.steps if step.name not in ended]


def _nothing_to_run(task: Task) -> Failed:
    return Failed(
        error=TaskError(
            category=ErrorCategory.CONFIGURATION,
            message="the daemon was to run it, but it has no plan",
            cause=f"it is assigned to {task.assigned_to}",
            suggestions=("give it a plan or run, or leave it to an agent: dt update ID --assign AGENT",),
        )
    )


def _timed_out(task: Task) -> Failed:
    return Failed(
        error=TaskError(
            category=ErrorCategory.RESOURCE,
            message=f"the task was not done within {task.timeout_seconds:g} s",
            cause="timeout_seconds of the task",
            suggestions=("give it more time, or split it into steps of their own",),
        )
    )


def _unmet_need(task: Task, step: Step) -> str | None:
    """The first step that this one needs and that did not end well."""
    completed = {record.name for record in task.steps if record.status is StepStatus.COMPLETED}
    return next((need for need in step.needs if need not in completed), None)


def _skipped(step: Step, needed: str, token: int) -> StepResult:
    error = TaskError(
        category=ErrorCategory.LOGIC,
        message=f"skipped: it needs step {needed!r}, which did not complete",
        step=step.name,
    )
    return replace(StepResult(name=step.name, status=StepStatus.SKIPPED, token=token), error=error)
