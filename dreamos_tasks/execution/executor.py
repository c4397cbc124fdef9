"""TaskExecutor: the pipe from a claimed task to a settled one: steps, verification, outcome."""

from __future__ import annotations

from contextlib import nullcontext

from dreamos_tasks.execution.attempt import Attempt, AttemptEnd, Desk, first_step
from dreamos_tasks.execution.step_executor import StepExecutor
from dreamos_tasks.execution.undo_lock import undo_lock
from dreamos_tasks.execution.verification import Verifier
from dreamos_tasks.model.plan import Step, StepResult
from dreamos_tasks.model.plan_order import DEFAULT_CONCURRENT_STEPS
from dreamos_tasks.model.retry import DEFAULT_RETRY, RetryPolicy
from dreamos_tasks.model.task import Task


class TaskExecutor:
    """Runs one claimed task at a time a call; many calls may run side by side.

    `retry` is the board's own policy; `most_steps` how many steps of a task run side by side whose plan names no number.
    """

    def __init__(
        self,
        desk: Desk,
        steps: StepExecutor,
        verifier: Verifier,
        *,
        retry: RetryPolicy = DEFAULT_RETRY,
        most_steps: int = DEFAULT_CONCURRENT_STEPS,
    ) -> None:
        self._desk = desk
        self._steps = steps
        self._verifier = verifier
        self._retry = retry
        self._most_steps = most_steps
        self._attempts: dict[str, Attempt] = {}
        self._begun: dict[str, Step] = {}  # by task: what the write that claims it is to begin

    def first_step(self, task: Task) -> StepResult | None:
        """The record of the first step's start: given to the verb that claims the task, one write holds both."""
        self._begun.pop(task.task_id, None)
        first = first_step(task, self._steps, retry=self._retry, most_steps=self._most_steps)
        if first is None:
            return None
        self._begun[task.task_id], started = first
        return started

    def look_again(self) -> None:
        """Others have written to the board: attempts that wait for people, or are to pause, see to it."""
        for attempt in self._attempts.values():
            attempt.look_again()

    async def run(self, task: Task) -> Task:
        """Run a claimed task to the end of this attempt; gives it settled. Raises StaleToken kinds.

        When cancelled it ends what it started and leaves the task as the board has it.
        """
        end = await self.attempt(task)
        return await self._desk.write(end.settle)

    async def attempt(self, task: Task) -> AttemptEnd:
        """As `run`, up to the end that is to be settled."""
        attempt = Attempt(
            task,
            self._desk,
            self._steps,
            self._verifier,
            retry=self._retry,
            most_steps=self._most_steps,
            begun=self._begun.pop(task.task_id, None),
        )
        self._attempts[task.task_id] = attempt
        may_be_undone = task.plan is not None and task.plan.rollback
        runs = self._steps.surroundings.runs
        try:
            async with undo_lock(runs / task.task_id) if may_be_undone else nullcontext():
                return await attempt.run()
        finally:
            del self._attempts[task.task_id]
