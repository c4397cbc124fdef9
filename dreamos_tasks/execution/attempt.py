"""Attempt: one run through the plan of a claimed task, up to the outcome that is to be settled.

Each round asks the schedule what may start, the permits whether people must agree first, writes both down in one commit, and
waits for a step to end. What has ended is written with the next round; what ended last, with the outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import DreamosError
from dreamos_tasks.execution.attempt_errors import cut_short, nothing_to_run, time_is_over
from dreamos_tasks.execution.called_off import begun_steps, last_records, too_late
from dreamos_tasks.execution.detours import Detours, may_detour
from dreamos_tasks.execution.error_handler import goes_on_without, outcome_of, with_record, worse_of
from dreamos_tasks.execution.permits import Ask, Denied, Go, Wait
from dreamos_tasks.execution.schedule import impact_of, skipped, turn_of
from dreamos_tasks.execution.step_executor import StepExecutor, result_of
from dreamos_tasks.execution.verification import Verifier
from dreamos_tasks.model.gate import Gate, Refusal
from dreamos_tasks.model.outcome import Failed, Outcome, RetryLater, Snoozed, Succeeded
from dreamos_tasks.model.plan import ErrorCategory, Step, StepResult, StepStatus
from dreamos_tasks.model.plan_order import is_sequence
from dreamos_tasks.model.request import Request
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Task, evolve
from dreamos_tasks.model.tool import ToolResult

Result = TypeVar("Result")
Ended = tuple[StepResult, ToolResult]

PAUSED = "it is to pause"
AWAITS_PEOPLE = "it awaits people's word"
SHORTEST_WAIT_SECONDS = 0.2  # before a step that may not start is asked about again, while others of its task run
LONGEST_WAIT_SECONDS = 5.0
LEAVING_SECONDS = 2.0  # for the last word of an attempt that is called off


class Desk(Protocol):
    """The way to the board from asyncio; see BoardDesk."""

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result: ...
    async def write(self, act: Callable[[TaskNexus], Result]) -> Result: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended, which is not on the board yet: `settle` writes the outcome and the steps that ended last."""

    task_id: str
    token: int
    outcome: Outcome
    last_steps: tuple[StepResult, ...] = ()
    gates: Mapping[str, Sequence[Gate]] = field(default_factory=dict)

    def settle(self, nexus: TaskNexus) -> Task:
        """Put it on the board, in one write. Raises as TaskNexus.settle."""
        return nexus.settle(self.task_id, self.outcome, token=self.token, last_steps=self.last_steps, gates=self.gates)


@dataclass(slots=True)
class _Round:
    """What one look at the plan decided."""

    start: dict[str, tuple[Step, StepResult]] = field(default_factory=dict)
    over: list[StepResult] = field(default_factory=list)  # skipped or denied: never started
    ask: list[Request] = field(default_factory=list)
    waits: bool = False


class Attempt:
    """One attempt at one task. Every write names the claim's token: when the claim is over, it raises StaleToken."""

    def __init__(
        self,
        task: Task,
        desk: Desk,
        steps: StepExecutor,
        verifier: Verifier,
        *,
        retry: RetryPolicy,
        most_steps: int,
        begun: Step | None = None,
    ) -> None:
        """`begun`: the step that was recorded as begun in the write that claimed the task, as `first_step` gave it."""
        assert task.claim is not None, "only a claimed task is run"
        self._task = task
        self._token = task.claim.token
        self._desk = desk
        self._steps = steps
        self._verifier = verifier
        self._retry = retry
        self._most_steps = most_steps
        self._begun = begun
        self._running: dict[str, asyncio.Task[Ended]] = {}
        self._started: dict[str, tuple[Step, StepResult]] = {}
        self._unsaved: list[StepResult] = []
        self._failure: Failed | RetryLater | None = None
        self._called: set[str] = set()  # steps of which something may have happened
        self._gates: dict[str, Sequence[Gate]] = {}  # what each step shares with others, where it shares anything
        self._held_back: dict[str, Refusal] = {}  # which steps may not start just now
        self._detours = Detours(steps.gates)
        self._is_sequence = task.plan is None or is_sequence(task.plan)
        self._bell: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def look_again(self) -> None:
        """Somebody else has written to the board: a request may be decided, or a pause asked for."""
        if not self._bell.done():
            self._bell.set_result(None)

    async def run(self) -> AttemptEnd:
        """Go through the plan. When cancelled it ends what it started and leaves the task as the board has it."""
        time_limit = asyncio.timeout(self._task.timeout_seconds)
        try:
            async with time_limit:
                outcome = await self._go_through() or await self._verified()
        except TimeoutError:
            if not time_limit.expired():
                raise
            await self._end_running()
            outcome = Failed(error=time_is_over(self._task))
            await self._see_what_was_written()
            self._unsaved += [self._cut(step, started) for step, started in self._started.values()]
            self._unsaved += too_late(self._task, self._token, known=self._unsaved, now=self._steps.now())
        except asyncio.CancelledError:
            ended = [run.result()[0] for run in self._running.values() if _has_answer(run)]
            await self._end_running()
            await self._leave_known(ended)
            raise
        finally:
            await self._end_running()
        return AttemptEnd(
            task_id=self._task.task_id,
            token=self._token,
            outcome=outcome,
            last_steps=tuple(self._unsaved),
            gates=self._gates,
        )

    async def _go_through(self) -> Outcome | None:
        if self._task.plan is None:
            return Failed(error=nothing_to_run(self._task))
        await self._take_up_begun()
        while True:
            waits = False
            if self._failure is None and self._task.pause is None:
                decided = self._decide()
                if await self._detours.seek([step for step, _ in decided.start.values()]):
                    continue
                waits = decided.waits
                if decided.start or decided.over or decided.ask:
                    await self._write_and_start(decided)
                    continue
            if not self._running:
                outcome = self._outcome(waits=waits)
                if outcome is None and self._bell.done():
                    await self._refresh()  # a pause may have been asked for while the last step ran
                    continue
                return outcome
            if self._unsaved:  # others may run for hours: what has ended is not to be lost with them
                await self._write_and_start(_Round())
                continue
            await self._wait()

    def _outcome(self, *, waits: bool) -> Outcome | None:
        """What becomes of the task when nothing runs and nothing may start; None: the plan is gone through."""
        if self._failure is not None:
            return self._failure
        if self._task.pause is not None:
            return Snoozed(reason=PAUSED)
        if self._held_back:
            step, refusal = min(self._held_back.items(), key=lambda held: held[1].until)
            return Snoozed(reason=refusal.reason, until=refusal.until, gate_wait=refusal.wait_of(step))
        return Snoozed(reason=AWAITS_PEOPLE) if waits else None

    async def _take_up_begun(self) -> None:
        """Start what was recorded as begun in the very write that claimed the task."""
        for record in begun_steps(self._task, self._token):
            if self._begun is not None:
                assert record.name == self._begun.name, "one step is begun with the claim"
                await self._start(self._begun, record)

    def _decide(self) -> _Round:
        task, decided = self._view(), _Round()
        turn = turn_of(task, running=self._running, board=self._retry, most=self._most_steps)
        decided.over += [skipped(step, reason, token=self._token) for step, reason in turn.skip]
        if decided.over:
            return decided  # what they leave to start is seen in the next round
        for step in turn.start:
            if step.name in self._held_back:
                continue
            reason = self._detours.left_out(step)
            if reason:
                decided.over.append(skipped(step, reason, token=self._token))
                continue
            match self._steps.permit(task, step):
                case Go(params=params):
                    tool = self._detours.tool_of(step)
                    started = self._steps.started(task, step, token=self._token)
                    if tool != step.tool:
                        started = replace(started, tool=tool)
                    decided.start[step.name] = (replace(step, params=params, tool=tool), started)
                case Ask(request=request):
                    decided.ask.append(request)
                case Wait():
                    decided.waits = True
                case Denied() as denied:
                    decided.over.append(self._denied(step, denied))
                case ToolResult() as unready:
                    decided.over.append(self._never_ran(step, unready))
        return decided

    async def _write_and_start(self, decided: _Round) -> None:
        ended = (*self._unsaved, *decided.over)
        starting = tuple(started for _, started in decided.start.values())
        task_id, token, ask = self._task.task_id, self._token, tuple(decided.ask)

        gates = self._gates = self._gates_of(decided)

        def write(nexus: TaskNexus) -> tuple[Task, Mapping[str, Refusal]]:
            held_back: Mapping[str, Refusal] = {}
            if gates:
                task, held_back = nexus.start_steps(task_id, ended, token=token, starting=starting, gates=gates)
            else:
                task = nexus.record_steps(task_id, ended, token=token, starting=starting)
            return (nexus.ask(task_id, ask, token=token) if ask else task), held_back

        self._task, held_back = await self._desk.write(write)
        self._unsaved.clear()
        for name, refusal in held_back.items():
            if not self._detours.take(decided.start[name][0], refusal):
                self._held_back[name] = refusal
        begun = {record.name for record in begun_steps(self._task, self._token)}
        for name, (step, started) in decided.start.items():
            if name in begun:  # not when a pause came between, or it was held back
                await self._start(step, started)

    def _gates_of(self, decided: _Round) -> dict[str, Sequence[Gate]]:
        """What the steps share that are to start, that run, or that have ended and are not on the board yet."""
        known = {*self._started, *(record.name for record in self._unsaved)}
        gates = {name: gates for name, gates in self._gates.items() if name in known}
        for name, (step, _) in decided.start.items():
            if found := self._steps.gates.of(step):
                gates[name] = found
        return gates

    async def _start(self, step: Step, started: StepResult) -> None:
        """Start the step; where nothing may run beside it, see it through at once."""
        self._started[step.name] = (step, started)
        run = self._see_through(step, started)
        if self._is_sequence:
            self._take_end(step.name, await run)
        else:
            self._running[step.name] = asyncio.create_task(run, name=f"{self._task.task_id} {step.name}")

    async def _see_through(self, step: Step, started: StepResult) -> Ended:
        self._called.add(step.name)
        return await self._steps.run(self._task, step, started)

    async def _wait(self) -> None:
        """Wait until a step ends, or somebody else has written something that may concern this task."""
        awaited: list[asyncio.Future[Any]] = [*self._running.values(), self._bell]
        await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED, timeout=self._patience_seconds())
        self._held_back.clear()
        if self._bell.done():
            await self._refresh()
        for name in [name for name, run in self._running.items() if run.done()]:
            self._take_end(name, self._running.pop(name).result())

    async def _refresh(self) -> None:
        """See what others have written about the task."""
        self._bell = asyncio.get_running_loop().create_future()
        task_id = self._task.task_id
        self._task = await self._desk.read(lambda nexus: nexus.get_task_by_id(task_id))

    def _patience_seconds(self) -> float | None:
        """How long to wait for what runs before those are asked about again that may not start just now."""
        if not self._held_back:
            return None
        until = min(refusal.until for refusal in self._held_back.values())
        return min(max((until - self._steps.now()).total_seconds(), SHORTEST_WAIT_SECONDS), LONGEST_WAIT_SECONDS)

    def _take_end(self, name: str, ended: Ended) -> None:
        record, answer = ended
        step, _ = self._started.pop(name)
        self._unsaved.append(record)
        if record.status is StepStatus.FAILED:
            self._see_failure(step, record, answer)

    def _see_failure(self, step: Step, record: StepResult, answer: ToolResult) -> None:
        if goes_on_without(self._view(), step, record, answer, board=self._retry):
            return
        failure, task = outcome_of(step, answer), with_record(self._view(), record)
        self._failure = failure if self._failure is None else worse_of(task, self._failure, failure, board=self._retry)

    def _denied(self, step: Step, denied: Denied) -> StepResult:
        if denied.by_choice or step.optional:
            return skipped(step, denied.reason, token=self._token)
        suggestions = (f"dt show {self._task.task_id}", f"dt retry {self._task.task_id} asks again")
        return self._never_ran(
            step,
            ToolResult(category=ErrorCategory.PERMISSION, message=denied.reason, suggestions=suggestions),
        )

    def _never_ran(self, step: Step, answer: ToolResult) -> StepResult:
        record = self._steps.never_ran(self._view(), step, answer, token=self._token)
        self._see_failure(step, record, answer)
        return record

    def _cut(self, step: Step, started: StepResult) -> StepResult:
        return replace(started, status=StepStatus.FAILED, finished_at=self._steps.now(), error=cut_short(step.name))

    async def _see_what_was_written(self) -> None:
        """The time was over while something was written, perhaps: what the board has of it is not written once more."""
        await self._refresh()
        ended = {(record.name, record.token, record.attempt) for record in self._task.steps if record.finished_at}
        self._unsaved = [record for record in self._unsaved if (record.name, record.token, record.attempt) not in ended]

    async def _leave_known(self, ended: Sequence[StepResult]) -> None:
        """Nobody is to be asked about a step that has ended, or that was written down as running and never started."""
        known, called = (*self._unsaved, *ended), frozenset(self._called)

        def write(nexus: TaskNexus) -> None:
            task = nexus.get_task_by_id(self._task.task_id)
            if records := last_records(task, token=self._token, ended=known, called=called):
                nexus.record_steps(task.task_id, records, token=self._token)

        with suppress(DreamosError, TimeoutError):  # then the board has it as a crash would have left it
            async with asyncio.timeout(LEAVING_SECONDS):
                await self._desk.write(write)

    def _view(self) -> Task:
        """The task as the board will have it once what has ended is written."""
        if not self._unsaved:
            return self._task
        records = {record.name: record for record in (*self._task.steps, *self._unsaved)}
        return evolve(self._task, {"steps": tuple(records.values())})

    async def _verified(self) -> Outcome:
        if self._task.verify and self._unsaved:  # checks may run for hours: what has ended is not to be lost with them
            await self._write_and_start(_Round())
            if self._task.pause is not None:
                return Snoozed(reason=PAUSED)
        records: Mapping[str, StepResult] = {record.name: record for record in self._view().steps}
        verdict = await self._verifier.verify(self._task, token=self._token, is_to_stop=self._is_to_pause)
        if verdict.is_broken_off:
            return Snoozed(reason=PAUSED)
        if verdict.error is not None:
            return Failed(error=verdict.error)
        result = {"steps": result_of(records)}
        impact = impact_of(records)
        return Succeeded(result={**result, "impact": impact} if impact else result, evidence=verdict.evidence)

    async def _is_to_pause(self) -> bool:
        """Whether a pause was asked for since. What the checks have found is not kept: after it things may have changed."""
        await self._refresh()
        return self._task.pause is not None

    async def _end_running(self) -> None:
        """End the steps that run, and wait until everything they started has ended."""
        running = [run for run in self._running.values() if not run.done()]
        for run in running:
            run.cancel()
        while running:
            with suppress(asyncio.CancelledError):  # said to us again: they are being ended as fast as can be
                await asyncio.wait(running)
            running = [run for run in running if not run.done()]
        self._running.clear()


def _has_answer(run: asyncio.Task[Ended]) -> bool:
    return run.done() and not run.cancelled() and run.exception() is None


def first_step(
    task: Task, steps: StepExecutor, *, retry: RetryPolicy, most_steps: int
) -> tuple[Step, StepResult] | None:
    """The step that may be begun in the very write that claims the task, as it is to be run, and the record of its start.

    None when people come first, or what it shares with others.
    """
    if task.claim is None or task.pause is not None:
        return None
    turn = turn_of(task, running=(), board=retry, most=most_steps)
    if turn.skip or not turn.start:
        return None
    permit = steps.permit(task, turn.start[0])
    if not isinstance(permit, Go) or may_detour(turn.start[0]):
        return None
    first = replace(turn.start[0], params=permit.params)
    return None if steps.gates.of(first) else (first, steps.started(task, first, token=task.claim.token))
