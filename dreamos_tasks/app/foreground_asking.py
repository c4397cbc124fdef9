"""Asks the person at the terminal what a task in the foreground asks people, while its other steps go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import InvalidInput, NotFound, Refused
from dreamos_tasks.execution.attempt import Desk
from dreamos_tasks.model.request import Request, RequestKind
from dreamos_tasks.model.task import Task

LOOK_SECONDS = 0.5  # how soon it is seen that somebody else has decided

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the person said: whether a step may run, or the answer to a question."""

    by: str
    approves: bool = True
    answer: str = ""
    reason: str = ""


Ask = Callable[[Task, Request], Awaitable[Decision | None]]  # None: later


class PersonAtHand:
    """The loop that asks. What the person puts off is not asked again; it stays open for others to decide."""

    def __init__(self, task_id: str, desk: Desk, ask: Ask, *, on_decided: Callable[[], None]) -> None:
        self._task_id = task_id
        self._desk = desk
        self._ask = ask
        self._on_decided = on_decided
        self._put_off: set[str] = set()
        self._asked = asyncio.Event()

    def may_decide(self, task: Task) -> bool:
        """Whether there is a request that the person has not put off."""
        return self._next(task) is not None

    def wake(self) -> None:
        """Something is asked."""
        self._asked.set()

    async def work(self) -> None:
        """Ask whatever is asked, until cancelled."""
        while True:
            task = await self._task()
            request = self._next(task)
            if request is not None:
                await self._see_to(task, request)
                continue
            await self._asked.wait()
            self._asked.clear()

    async def _see_to(self, task: Task, request: Request) -> None:
        asking = asyncio.ensure_future(self._ask(task, request))
        try:
            while not asking.done():
                await asyncio.wait((asking,), timeout=LOOK_SECONDS)
                if not asking.done() and not await self._is_open(request):
                    return  # decided elsewhere, or too late
        finally:
            asking.cancel()
            await asyncio.wait((asking,))
        decision = asking.result()
        if decision is None:
            self._put_off.add(request.request_id)
            return
        try:
            await self._desk.write(lambda nexus: _decide(nexus, request, decision))
        except (Refused, NotFound, InvalidInput):
            return  # somebody was faster, or it is asked again
        self._on_decided()

    def _next(self, task: Task) -> Request | None:
        if task.is_final:
            return None
        return next((one for one in task.requests if one.is_open and one.request_id not in self._put_off), None)

    async def _is_open(self, request: Request) -> bool:
        """Whether it still waits for a decision, once what has lasted its time has been ended."""
        await self._desk.write(lambda nexus: nexus.lapse_overdue(by="board"))
        task = await self._task()
        return any(one.is_open and one.request_id == request.request_id for one in task.requests)

    async def _task(self) -> Task:
        return await self._desk.read(lambda nexus: nexus.get_task_by_id(self._task_id))


def _decide(nexus: TaskNexus, request: Request, decision: Decision) -> Task:
    if request.kind is RequestKind.QUESTION:
        return nexus.answer(request.request_id, decision.answer, by=decision.by)
    verb = nexus.approve if decision.approves else nexus.reject
    return verb(request.request_id, by=decision.by, reason=decision.reason)
