"""Foreground: one task run here and now, by the same executor the daemon has, in this very process."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from contextlib import suppress
from datetime import datetime
from typing import Any, NoReturn, Protocol

from dreamos_tasks.app.boards import open_board
from dreamos_tasks.app.ending_signals import on_ending
from dreamos_tasks.app.foreground_asking import Decision, PersonAtHand
from dreamos_tasks.app.holding import call_off, hold_claim
from dreamos_tasks.app.identity import is_alive, this_process
from dreamos_tasks.app.parts import build_executor, build_steps
from dreamos_tasks.app.step_output import StepOutput
from dreamos_tasks.app.tool_shop import build_tools, children_of, home_id
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.errors import DreamosError, Refused, StaleToken
from dreamos_tasks.execution.rollback import StepUndoer
from dreamos_tasks.model.event import STEP_ENDS, Event, EventType
from dreamos_tasks.model.request import Request
from dreamos_tasks.model.task import FINAL, Status, Task
from dreamos_tasks.orchestrator.patience import PatientDesk
from dreamos_tasks.tools.orphans import become_subreaper, end_leftovers
from dreamos_tasks.tools.process_table import send_signal, with_descendants

SHORTEST_PAUSE_SECONDS = 0.05
LOOK_SECONDS = 0.5  # how soon it is seen that somebody else has decided
OUTPUT_SECONDS = 0.1  # how soon what a step prints is shown
RELEASED = "the foreground run was interrupted"
ASKED = frozenset({EventType.APPROVAL_REQUESTED, EventType.QUESTION_ASKED})
LEFT = frozenset({Status.PENDING, Status.AWAITING_APPROVAL})  # what nobody holds, and we have not finished


class Face(Protocol):
    """What shows a run to whoever started it."""

    @property
    def asks_people(self) -> bool:
        """Whether somebody is there who can decide."""
        ...

    def show(self, event: Event) -> None:
        """One event of the task, in their order."""
        ...

    def print_line(self, step: str, line: str) -> None:
        """A line that a step has printed."""
        ...

    def tick(self) -> None:
        """Some time has passed."""
        ...

    def interrupted(self, *, at_once: bool) -> None:
        """A signal asks for the end. `at_once`: it is the second, and this is the last call."""
        ...

    async def ask(self, task: Task, request: Request) -> Decision | None:
        """What the person says to it; None: later. Cancelled when somebody else decides."""
        ...


def foreground_agent() -> str:
    """Under which name this process holds tasks: a daemon leaves alone what is assigned to it."""
    return f"run-{os.getpid()}"


class Interrupted(DreamosError):
    """The run was ended from outside; what was not finished is paused."""

    code = "interrupted"
    exit_code = 130

    def __init__(self, task: Task) -> None:
        self.task_id = task.task_id
        if task.is_final:
            fix = f"dt undo {task.task_id} goes on" if task.rollback and task.rollback.is_due else ""
            super().__init__(f"{task.task_id} is {task.status.value}; its changes are not all taken back", fix=fix)
            return
        super().__init__(
            f"{task.task_id} was interrupted and is paused; finished steps stay finished",
            fix=f"dt run {task.task_id} goes on from there; dt resume {task.task_id} leaves it to the daemon",
        )


def run_in_foreground(task_id: str, home: Home, settings: Settings, *, face: Face) -> Task:
    """Claim the task and run it until it has ended for good, with the attempts its retry policy gives it.

    It comes back earlier when people are asked something and `face` asks nobody, or is told "later". Raises Interrupted after
    SIGINT, SIGTERM or SIGHUP (the second one ends this process at once), ClaimHeld, NotClaimable and other Refused kinds,
    BoardUnavailable kinds.
    """
    return asyncio.run(_Foreground(task_id, home, settings, face).run())


class _Foreground:
    def __init__(self, task_id: str, home: Home, settings: Settings, face: Face) -> None:
        self._task_id = task_id
        self._home_id = home_id(home)
        self._runs = home.runs
        self._agent_id = foreground_agent()
        self._heartbeat_seconds = settings.claims.heartbeat_seconds
        self._process = this_process(secrets.token_hex(8))
        self._desk = BoardDesk(lambda: open_board(home, settings), on_commit=lambda _events: self._written.set())
        tools = build_tools(children_of(home, instance=self._process.instance), home=home, settings=settings)
        steps = build_steps(tools, home=home, settings=settings)
        self._undoer = StepUndoer(self._desk, steps)
        self._executor = build_executor(PatientDesk(self._desk), steps, settings=settings)
        self._face = face
        self._person = PersonAtHand(task_id, self._desk, face.ask, on_decided=self._executor.look_again)
        self._output: StepOutput | None = None
        self._written = asyncio.Event()
        self._seq = 0
        self._signals = 0

    async def run(self) -> Task:
        become_subreaper()  # what a step leaves behind becomes our child, and can be ended
        work = asyncio.current_task()
        assert work is not None
        on_ending(self._end, work)
        await self._desk.start()
        try:
            self._seq = await self._desk.read(lambda nexus: nexus.store.last_seq())
            beside = [asyncio.create_task(self._tell(), name="events"), asyncio.create_task(self._stream())]
            if self._face.asks_people:
                beside.append(asyncio.create_task(self._person.work(), name="person"))
            try:
                task = await self._rolled_back(await self._attempts())
                return task if task.is_final else await self._desk.write(self._let_go)
            except asyncio.CancelledError:
                raise Interrupted(await self._desk.write(self._put_back)) from None
            except Refused:
                with suppress(DreamosError):  # the refusal is what is told
                    await self._desk.write(self._let_go)
                raise
            finally:
                for one in beside:
                    await call_off(one)
                await self._tell_new()
                self._print_rest()
        finally:
            await self._desk.stop()

    async def _attempts(self) -> Task:
        """One attempt after another, until the task's state says that there is none left."""
        await end_leftovers(self._home_id, except_instance=self._process.instance)  # no step runs twice at once
        task = await self._desk.write(self._take_up)
        if task.status is Status.AWAITING_APPROVAL:
            task = await self._rested(task)
            if task.status is not Status.PENDING:
                return task
        while True:
            task = await self._desk.write(self._claim)
            assert task.claim is not None
            self._print_rest()
            self._output = StepOutput(self._runs / self._task_id / str(task.claim.token), task, self._face.print_line)
            task = await self._rested(await self._attempt(task))
            if task.status is not Status.PENDING:
                return task

    async def _rested(self, task: Task) -> Task:
        """The task once it may be tried again, or as soon as it may not: it waits for a retry, or for people."""
        while True:
            if task.status is Status.AWAITING_APPROVAL:
                if not (self._face.asks_people and self._person.may_decide(task)):
                    return task
                left = LOOK_SECONDS
            elif task.status is Status.PENDING:
                left = await self._desk.read(lambda nexus, task=task: _pause_seconds(nexus, task))  # type: ignore[misc]
                if left <= 0:
                    return task
            else:
                return task
            await asyncio.sleep(min(LOOK_SECONDS, max(SHORTEST_PAUSE_SECONDS, left)))
            task = await self._desk.read(lambda nexus: nexus.get_task_by_id(self._task_id))

    async def _rolled_back(self, task: Task) -> Task:
        """The task, with its changes taken back where its plan asks for that."""
        if task.rollback is None or not task.rollback.is_due or task.status not in FINAL:
            return task
        return await self._undoer.undo(task.task_id, by=self._agent_id, only_due=True)

    def _claim(self, nexus: TaskNexus) -> Task:
        """Claim it for this process."""
        self._take_up(nexus)
        return nexus.claim_task(
            self._task_id, self._agent_id, process=self._process, first_step=self._executor.first_step
        )

    def _take_up(self, nexus: TaskNexus) -> Task:
        """Have it at rest no longer, and nobody else's. Whoever it is assigned to gives it up, unless somebody is at it."""
        task = nexus.get_task_by_id(self._task_id)
        if task.claim is not None and task.claim.process is not None and not is_alive(task.claim.process):
            nexus.recover_claims(task.claim.agent_id, is_alive=is_alive, by=self._agent_id)
            task = nexus.get_task_by_id(self._task_id)
        if task.status is Status.PAUSED:
            task = nexus.resume_task(self._task_id, by=self._agent_id)
        if task.status is not Status.IN_PROGRESS and task.assigned_to != self._agent_id:
            task = nexus.edit_task(self._task_id, {"assigned_to": self._agent_id}, by=self._agent_id)
        return task

    async def _attempt(self, task: Task) -> Task:
        """One attempt; gives the task as it is afterwards, also when somebody else ended the claim meanwhile."""
        assert task.claim is not None
        running = asyncio.create_task(self._executor.run(task), name=task.task_id)
        holding = asyncio.create_task(
            hold_claim(
                self._desk,
                self._task_id,
                token=task.claim.token,
                heartbeat_seconds=self._heartbeat_seconds,
                on_change=self._executor.look_again,
            ),
            name="lease",
        )
        try:
            await asyncio.wait((running, holding), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                with suppress(StaleToken):  # the claim was ended before the result came: what the task is now counts
                    return running.result()
            await call_off(running)
            return await self._desk.read(lambda nexus: nexus.get_task_by_id(self._task_id))
        finally:
            await call_off(running)
            await call_off(holding)

    def _put_back(self, nexus: TaskNexus) -> Task:
        """Pause what is still ours: it was not cancelled or taken over meanwhile."""
        task = nexus.get_task_by_id(self._task_id)
        is_ours = task.claim is not None and task.claim.agent_id == self._agent_id
        if is_ours or task.status in LEFT:
            nexus.pause_task(self._task_id, by=self._agent_id, reason=RELEASED)
            return self._let_go(nexus)
        return task

    def _let_go(self, nexus: TaskNexus) -> Task:
        """Once it is resumed or decided, it is anybody's."""
        task = nexus.get_task_by_id(self._task_id)
        if task.assigned_to != self._agent_id:
            return task
        return nexus.edit_task(self._task_id, {"assigned_to": None}, by=self._agent_id)

    def _end(self, work: asyncio.Task[Any]) -> None:
        """A signal asks for the end: the first pauses the task, the second leaves it as it is."""
        self._signals += 1
        self._face.interrupted(at_once=self._signals > 1)
        if self._signals > 1:
            _leave_at_once()
        work.cancel()

    async def _stream(self) -> None:
        """Show what steps print, as it comes."""
        while True:
            if self._output is not None:
                self._output.read_new()
            self._face.tick()
            await asyncio.sleep(OUTPUT_SECONDS)

    def _print_rest(self) -> None:
        if self._output is not None:
            self._output.finish()

    async def _tell(self) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            await self._tell_new()

    async def _tell_new(self) -> None:
        events = await self._desk.read(lambda nexus: nexus.events(after=self._seq, task_id=self._task_id))
        for event in events:
            self._seq = event.seq
            if event.type in STEP_ENDS and self._output is not None:
                self._output.finish(event.detail.get("step"))
            self._face.show(event)
            if event.type in ASKED:
                self._person.wake()


def _pause_seconds(nexus: TaskNexus, task: Task) -> float:
    if task.not_before is None:
        return 0.0
    now: datetime = nexus.clock.now()
    return (task.not_before - now).total_seconds()


def _leave_at_once() -> NoReturn:
    """End this process and all that it has started, without a word to the board: whoever goes on finds us gone."""
    us = os.getpid()
    for process in with_descendants([us]):
        if process.pid != us:
            send_signal(process.identity, signal.SIGKILL)
    os._exit(Interrupted.exit_code)
