"""Orchestrator: claims what a daemon may run, as much as there is room for, and sees each task through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from loguru import logger

from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import BoardUnavailable, DreamosError, NotFound, Refused
from dreamos_tasks.execution.executor import TaskExecutor
from dreamos_tasks.model.task import ProcessIdentity, Task

LONGEST_SLEEP_SECONDS = 3600.0  # nothing is due: the bell wakes us; this only bounds the arithmetic
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # between tries while the board cannot be used


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How busy the orchestrator is. `trouble` is why it could not claim or prolong leases, "" when all is well."""

    running: tuple[str, ...]
    capacity: int
    draining: bool
    trouble: str


class Orchestrator:
    """One daemon's share of the work."""

    def __init__(
        self,
        desk: BoardDesk,
        executor: TaskExecutor,
        *,
        agent_id: str,
        capabilities: Sequence[str],
        process: ProcessIdentity,
        capacity: int,
        heartbeat_seconds: float,
        on_settled: Callable[[Task], None] = lambda _task: None,
    ) -> None:
        self._desk = desk
        self._executor = executor
        self._agent_id = agent_id
        self._capabilities = tuple(capabilities)
        self._process = process
        self._capacity = capacity
        self._heartbeat_seconds = heartbeat_seconds
        self._on_settled = on_settled
        self._wake = asyncio.Event()
        self._others_wrote = False
        self._draining = False
        self._trouble = self._lease_trouble = ""
        self._loop: asyncio.Task[None] | None = None
        self._running: dict[str, tuple[Task, asyncio.Task[None]]] = {}

    def wake(self, *, others_wrote: bool = False) -> None:
        """Look at the board again. `others_wrote`: another process did, which may have ended a claim of ours."""
        self._others_wrote = self._others_wrote or others_wrote
        self._wake.set()

    def load(self) -> Load:
        """How busy it is now."""
        return Load(
            running=tuple(self._running),
            capacity=self._capacity,
            draining=self._draining,
            trouble=self._trouble or self._lease_trouble,
        )

    def start(self) -> None:
        """Begin to claim. A second start changes nothing."""
        if self._loop is None:
            self._loop = asyncio.create_task(self._work(), name="orchestrator")

    async def _work(self) -> None:
        """Work until drained. Errors of the board are survived: said once, tried again with growing pauses."""
        heartbeats = asyncio.create_task(self._keep_leases(), name="heartbeats")
        failures = 0
        try:
            while not self._draining:
                self._wake.clear()
                try:
                    await self._drop_ended_claims()
                    pause = await self._claim()
                    failures, self._trouble = 0, ""
                except BoardUnavailable as error:
                    pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
                    failures += 1
                    if self._trouble != error.message:
                        logger.error("claiming stopped: {} ({})", error.message, error.cause)
                    self._trouble = error.message
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)
        finally:
            heartbeats.cancel()
            with suppress(asyncio.CancelledError):
                await heartbeats

    async def drain(self, grace_seconds: float) -> None:
        """Claim nothing more, give running tasks `grace_seconds` to end, then put the rest back. May be called twice."""
        self._draining = True
        self._wake.set()
        if self._loop is not None:
            await self._loop
        runs = [run for _, run in self._running.values()]
        if runs:
            await asyncio.wait(runs, timeout=grace_seconds)
        for task_id in list(self._running):
            task, run = self._running[task_id]
            run.cancel()
            await asyncio.wait([run])
            await self._put_back(task)

    async def _claim(self) -> float:
        """Claim up to capacity and start what was claimed. Gives the seconds until there may be more to do."""
        free = self._capacity - len(self._running)
        tasks, next_at, now = await self._desk.write(lambda nexus: self._take(nexus, free))
        for task in tasks:
            run = asyncio.create_task(self._see_through(task), name=task.task_id)
            self._running[task.task_id] = (task, run)
        if next_at is None:
            return LONGEST_SLEEP_SECONDS
        # A lease of somebody else that ran out, or a waiting task without room, gives no new instant: not before a second.
        seconds = (next_at - now).total_seconds()
        return min(LONGEST_SLEEP_SECONDS, seconds if seconds > 0 else 1.0)

    def _take(self, nexus: TaskNexus, free: int) -> tuple[list[Task], datetime | None, datetime]:
        taken = []
        now = nexus.clock.now()  # before looking: what is reached meanwhile is still to come
        for _ in range(free):
            task = nexus.get_next_task(
                self._agent_id, capabilities=self._capabilities, runs_plans=True, process=self._process
            )
            if task is None:
                break
            taken.append(self._executor.begin(nexus, task))
        return taken, nexus.store.next_instant(now=now), now

    async def _see_through(self, task: Task) -> None:
        """Run one task; whatever happens, its slot is free afterwards."""
        try:
            settled = await self._executor.run(task)
            self._on_settled(settled)
        except (Refused, NotFound) as error:
            logger.warning("{}: run ended without a result: {}", task.task_id, error.message)
        except DreamosError as error:
            logger.error("{}: {} ({})", task.task_id, error.message, error.cause)
        except Exception:  # noqa: BLE001  one task's trouble is not the others'
            logger.exception("{}: the run broke off; its lease will run out", task.task_id)
        finally:
            self._running.pop(task.task_id, None)
            self._wake.set()

    async def _drop_ended_claims(self) -> None:
        """End the runs whose claim somebody else has ended: cancelled, paused, or lost."""
        if not self._others_wrote:
            return
        self._others_wrote = False
        mine = [task for task, _ in self._running.values()]
        if mine:
            await self._end_runs(await self._desk.read(lambda nexus: [t for t in mine if not _is_held(nexus, t)]))

    async def _keep_leases(self) -> None:
        """Prolong the leases of what runs. A lease that is lost ends its run before it can write again."""
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            mine = [task for task, _ in self._running.values()]
            if not mine:
                self._lease_trouble = ""
                continue
            try:
                lost = await self._desk.write(lambda nexus, mine=mine: _beat(nexus, mine))  # type: ignore[misc]
            except BoardUnavailable as error:
                if self._lease_trouble != error.message:
                    logger.error("leases could not be prolonged: {} ({})", error.message, error.cause)
                self._lease_trouble = error.message
                continue
            self._lease_trouble = ""
            await self._end_runs(lost)

    async def _end_runs(self, tasks: Sequence[Task]) -> None:
        for task in tasks:
            _, run = self._running.get(task.task_id, (task, None))
            if run is not None:
                logger.info("{}: its claim is over; the run is ended", task.task_id)
                run.cancel()

    async def _put_back(self, task: Task) -> None:
        token = task.claim.token if task.claim else None
        try:
            await self._desk.write(
                lambda nexus: nexus.release_task(task.task_id, token=token, reason="the daemon was stopped")
            )
        except DreamosError as error:
            logger.warning("{} could not be put back: {}", task.task_id, error.message)


def _is_held(nexus: TaskNexus, task: Task) -> bool:
    current = nexus.store.get(task.task_id)
    return (
        current is not None
        and current.claim is not None
        and task.claim is not None
        and current.claim.token == task.claim.token
    )


def _beat(nexus: TaskNexus, tasks: Sequence[Task]) -> list[Task]:
    """Prolong each lease; gives the tasks whose lease is lost."""
    lost = []
    for task in tasks:
        try:
            nexus.heartbeat(task.task_id, token=task.claim.token if task.claim else None)
        except (Refused, NotFound):
            lost.append(task)
    return lost
