"""Runs a task's verification for whoever completes it: the same checks from every door."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from dreamos_tasks.app.parts import build_steps
from dreamos_tasks.app.tool_shop import build_tools, children_of
from dreamos_tasks.background import Background
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import Refused
from dreamos_tasks.execution.verification import Verdict, Verifier
from dreamos_tasks.model.lifecycle import held
from dreamos_tasks.model.plan import Evidence
from dreamos_tasks.model.task import Task

if TYPE_CHECKING:
    from dreamos_tasks.board.desk import BoardDesk
    from dreamos_tasks.config.home import Home
    from dreamos_tasks.config.settings import Settings


def verify_now(nexus: TaskNexus, task: Task, *, token: int, home: Home, settings: Settings) -> Sequence[Evidence]:
    """Run the task's `verify` steps in its workspace; gives the evidence that they are green.

    Raises VerificationFailed (noted on the board; the claim goes on), StaleToken when the claim ended meanwhile.
    """

    async def beat() -> None:
        nexus.heartbeat(task.task_id, token=token)

    verdict = asyncio.run(_verdict(task, token=token, home=home, settings=settings, beat=beat))
    if verdict.error is not None:
        raise nexus.reject_verification(task.task_id, verdict.error, token=token)
    return verdict.evidence


async def evidence_at_desk(
    desk: BoardDesk,
    task_id: str,
    agent_id: str | None,
    *,
    token_of: Callable[[str], int | None],
    home: Home,
    settings: Settings,
) -> Sequence[Evidence]:
    """What proves the checks green of a task that is to be completed; nothing for a task without any.

    `token_of`: the claim's token, by the task's whole id; None where the agent alone says whose claim it is. Raises
    VerificationFailed, StaleToken, TaskNotFound.
    """

    def look(nexus: TaskNexus) -> tuple[Task, int | None]:
        task = nexus.get_task_by_id(task_id)
        if not task.verify:
            return task, None
        lease = held(task, "complete", agent_id=agent_id, token=token_of(task.task_id), now=nexus.clock.now())
        return task, lease.token

    task, token = await desk.read(look)
    if token is None:
        return ()
    verdict = await verdict_at_desk(desk, task, token=token, home=home, settings=settings)
    red = verdict.error
    if red is not None:
        raise await desk.write(lambda nexus: nexus.reject_verification(task.task_id, red, token=token))
    return verdict.evidence


async def verdict_at_desk(desk: BoardDesk, task: Task, *, token: int, home: Home, settings: Settings) -> Verdict:
    """What the checks say. Nothing of it is on the board: whoever asks ends the attempt by it."""

    async def beat() -> None:
        await desk.write(lambda nexus: nexus.heartbeat(task.task_id, token=token))

    return await _verdict(task, token=token, home=home, settings=settings, beat=beat)


async def _verdict(
    task: Task, *, token: int, home: Home, settings: Settings, beat: Callable[[], Awaitable[None]]
) -> Verdict:
    tools = build_tools(children_of(home, instance=os.urandom(8).hex()), home=home, settings=settings)
    verifier = Verifier(build_steps(tools, home=home, settings=settings))
    beating = Background(partial(_heartbeats, beat, every_seconds=settings.claims.heartbeat_seconds), name="heartbeats")
    beating.start()
    try:
        return await verifier.verify(task, token=token)
    finally:
        await beating.stop()


async def _heartbeats(beat: Callable[[], Awaitable[None]], *, every_seconds: float) -> None:
    """Keep the lease as long as the checks take. A claim that is over is noticed by whoever settles under it."""
    with suppress(Refused):
        while True:
            await asyncio.sleep(every_seconds)
            await beat()
