"""Foreground: one task run here and now, by the same executor the daemon has, in this very process."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from dreamos_tasks.app.boards import open_board
from dreamos_tasks.app.identity import this_process
from dreamos_tasks.app.parts import build_executor, build_steps
from dreamos_tasks.app.tool_shop import build_tools, children_of
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.errors import BoardUnavailable, DreamosError, NotFound, Refused, StaleToken
from dreamos_tasks.execution.rollback import StepUndoer
from dreamos_tasks.model.event import Event
from dreamos_tasks.model.task import FINAL, Status, Task
from dreamos_tasks.orchestrator.patience import PatientDesk
from dreamos_tasks.tools.orphans import become_subreaper

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SHORTEST_PAUSE_SECONDS = 0.05
LOOK_SECONDS = 0.5  # how soon it is seen that somebody else has ended the claim
RELEASED = "the foreground run was interrupted"


def foreground_agent() -> str:
    """Under which name this process holds tasks: a daemon leaves alone what is assigned to it."""
    return f"run-{os.getpid()}"


class Interrupted(DreamosError):
    """The run was ended from outside; the task is paused."""

    code = "interrupted"
    exit_code = 130

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(
            f"{task_id} was interrupted and is paused; finished steps stay finished",
            fix=f"dt run {task_id} goes on from there; dt resume {task_id} leaves it to the daemon",
        )


def run_in_foreground(task_id: str, home: Home, settings: Settings, *, on_event: Callable[[Event], None]) -> Task:
    """Claim the task and run it until it has ended for good, with the attempts its retry policy gives it.

    `on_event` sees its events from now on, in their order. Raises Interrupted after SIGINT, SIGTERM or SIGHUP, ClaimHeld,
    NotClaimable and other Refused kinds, BoardUnavailable kinds.
    """
    return asyncio.run(_Foreground(task_id, home, settings, on_event).run())


class _Foreground:
    def __init__(self, task_id: str, home: Home, settings: Settings, on_event: Callable[[Event], None]) -> None:
        self._task_id = task_id
        self._agent_id = foreground_agent()
        self._heartbeat_seconds = settings.claims.heartbeat_seconds
        self._process = this_process(secrets.token_hex(8))
        self._desk = BoardDesk(lambda: open_board(home, settings), on_commit=lambda _events: self._written.set())
        tools = build_tools(children_of(home, instance=self._process.instance), home=home, settings=settings)
        steps = build_steps(tools, home=home, settings=settings)
        self._undoer = StepUndoer(self._desk, steps)
        self._executor = build_executor(PatientDesk(self._desk), steps, settings=settings)
        self._on_event = on_event
        self._written = asyncio.Event()
        self._seq = 0

    async def run(self) -> Task:
        become_subreaper()  # what a step leaves behind becomes our child, and can be ended
        work = asyncio.current_task()
        assert work is not None
        for number in ENDING_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, work.cancel)
        await self._desk.start()
        try:
            self._seq = await self._desk.read(lambda nexus: nexus.store.last_seq())
            telling = asyncio.create_task(self._tell(), name="events")
            try:
                return await self._rolled_back(await self._attempts())
            except asyncio.CancelledError:
                raise Interrupted(self._task_id) from None
            finally:
                await _end(telling)
                await self._tell_new()
        finally:
            await self._desk.stop()

    async def _attempts(self) -> Task:
        """One attempt after another, until the task's state says that there is none left."""
        while True:
            task = await self._desk.write(self._claim)
            task = await self._attempt(task)
            if task.status in FINAL or task.status is not Status.PENDING:
                return task
            await asyncio.sleep(await self._desk.read(lambda nexus, task=task: _pause_seconds(nexus, task)))  # type: ignore[misc]

    async def _rolled_back(self, task: Task) -> Task:
        """The task, with its changes taken back where its plan asks for that."""
        if task.rollback is None or not task.rollback.is_due:
            return task
        return await self._undoer.undo(task.task_id, by=self._agent_id)

    def _claim(self, nexus: TaskNexus) -> Task:
        """Claim it for this process. Whoever it is assigned to gives it up, unless somebody is at it."""
        task = nexus.get_task_by_id(self._task_id)
        if task.status is Status.PAUSED:
            nexus.resume_task(self._task_id, by=self._agent_id)
        if task.status is not Status.IN_PROGRESS and task.assigned_to != self._agent_id:
            nexus.edit_task(self._task_id, {"assigned_to": self._agent_id}, by=self._agent_id)
        return nexus.claim_task(
            self._task_id, self._agent_id, process=self._process, first_step=self._executor.first_step
        )

    async def _attempt(self, task: Task) -> Task:
        """One attempt; gives the task as it is afterwards, also when somebody else ended the claim meanwhile."""
        assert task.claim is not None
        token = task.claim.token
        running = asyncio.create_task(self._executor.run(task), name=task.task_id)
        holding = asyncio.create_task(self._hold(token), name="lease")
        try:
            await asyncio.wait((running, holding), return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                with suppress(StaleToken):  # the claim was ended before the result came: what the task is now counts
                    return running.result()
            await _end(running)
            return await self._desk.read(lambda nexus: nexus.get_task_by_id(self._task_id))
        except asyncio.CancelledError:
            await _end(running)
            await self._put_back(token)
            raise
        finally:
            await _end(holding)

    async def _hold(self, token: int) -> None:
        """Prolong the lease, until the claim is over: somebody cancelled, paused or took the task."""
        mark: int | None = None
        beat_at = time.monotonic() + self._heartbeat_seconds
        with suppress(Refused, NotFound):
            while True:
                await asyncio.sleep(min(LOOK_SECONDS, self._heartbeat_seconds))
                with suppress(BoardUnavailable):
                    if time.monotonic() >= beat_at:
                        await self._desk.write(lambda nexus: nexus.heartbeat(self._task_id, token=token))
                        beat_at = time.monotonic() + self._heartbeat_seconds
                    found = await self._desk.read(lambda nexus: nexus.store.change_mark())
                    if found != mark and not await self._desk.read(lambda nexus: self._is_held(nexus, token)):
                        return
                    mark = found

    def _is_held(self, nexus: TaskNexus, token: int) -> bool:
        claim = nexus.get_task_by_id(self._task_id).claim
        return claim is not None and claim.token == token

    async def _put_back(self, token: int) -> None:
        with suppress(Refused, NotFound):  # it was cancelled or taken over meanwhile: then nothing is ours to put back
            await self._desk.write(lambda nexus: self._pause(nexus, token))

    def _pause(self, nexus: TaskNexus, token: int) -> None:
        if self._is_held(nexus, token):
            nexus.pause_task(self._task_id, by=self._agent_id, reason=RELEASED)
            nexus.edit_task(self._task_id, {"assigned_to": None}, by=self._agent_id)  # resumed, it is anybody's

    async def _tell(self) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            await self._tell_new()

    async def _tell_new(self) -> None:
        events = await self._desk.read(lambda nexus: nexus.events(after=self._seq, task_id=self._task_id))
        for event in events:
            self._seq = event.seq
            self._on_event(event)


def _pause_seconds(nexus: TaskNexus, task: Task) -> float:
    if task.not_before is None:
        return SHORTEST_PAUSE_SECONDS
    now: datetime = nexus.clock.now()
    return max(SHORTEST_PAUSE_SECONDS, (task.not_before - now).total_seconds())


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancel it and wait until it has ended what it started."""
    task.cancel()
    await asyncio.wait((task,))
    if not task.cancelled():
        task.exception()  # it was on its way out already: nobody asks what for
