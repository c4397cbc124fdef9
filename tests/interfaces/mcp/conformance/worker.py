"""The worker of the fixture server: an agent that does what the suite's task tools have put on the board."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import Refused
from dreamos_tasks.model.request import Request, RequestKind
from dreamos_tasks.model.task import Task

WORK = "conformance"
AGENT = "worker"
LOOK_SECONDS = 0.05
BEAT_SECONDS = 0.5


class Worker:
    """Does many tasks side by side."""

    def __init__(self, desk: BoardDesk) -> None:
        self._desk = desk
        self._doing: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            task = await self._desk.write(_next)
            if task is None:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            doing = asyncio.create_task(self._do(task))
            self._doing.add(doing)
            doing.add_done_callback(self._doing.discard)

    async def _do(self, task: Task) -> None:
        arguments = task.context["arguments"]
        with suppress(Refused):  # it was cancelled
            match task.title:
                case "slow_compute":
                    await self._work_for(task, float(arguments.get("seconds", 0)))
                    await self._complete(task, f"computed {arguments.get('label')}")
                case "failing_job":
                    await self._work_for(task, 1.0)
                    await self._write(
                        lambda nexus: nexus.mark_task_failed(task.task_id, AGENT, error="it always fails")
                    )
                case "protocol_error_job":
                    return  # falls silent: whoever waits for it is told by the lease that runs out
                case "confirm_delete":
                    await self._ask_first(task, "Delete it?")
                case "multi_input":
                    await self._ask_first(task, "Your name?", "Sure?")
                case _:
                    await self._complete(task, f"done for {arguments}")

    async def _ask_first(self, task: Task, *questions: str) -> None:
        if task.requests:
            await self._complete(task, [request.answer for request in task.requests])
            return

        def ask(nexus: TaskNexus) -> Task:
            now = nexus.clock.now()
            asked = [
                Request(request_id="", kind=RequestKind.QUESTION, asked_by="", asked_at=now, text=text)
                for text in questions
            ]
            return nexus.ask(task.task_id, asked, agent_id=AGENT, park=True)

        await self._write(ask)

    async def _work_for(self, task: Task, seconds: float) -> None:
        ends_at = asyncio.get_running_loop().time() + seconds
        while (left := ends_at - asyncio.get_running_loop().time()) > 0:
            await self._write(lambda nexus: nexus.heartbeat(task.task_id, AGENT))
            await asyncio.sleep(min(BEAT_SECONDS, left))

    async def _complete(self, task: Task, result: Any) -> None:
        await self._write(lambda nexus: nexus.mark_task_completed(task.task_id, AGENT, result=result))

    async def _write(self, act: Callable[[TaskNexus], Task]) -> Task:
        writing: Awaitable[Task] = self._desk.write(act)
        return await writing


def _next(nexus: TaskNexus) -> Task | None:
    """The next task; and what others let lapse is written down, as the daemon's monitor does less often."""
    nexus.expire_leases(by=AGENT)
    return nexus.get_next_task(AGENT, tags=[WORK])
