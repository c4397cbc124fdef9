"""Orchestrator: claims what a daemon may run, as much as there is room for, and sees each task through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from loguru import logger

from dreamos_tasks.background import Background
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import BoardUnavailable, DreamosError, NotFound, Refused
from dreamos_tasks.execution.attempt import AttemptEnd
from dreamos_tasks.execution.executor import TaskExecutor
from dreamos_tasks.model.task import ProcessIdentity, Task

LONGEST_SLEEP_SECONDS = 3600.0  # nothing is due: the bell wakes us; this only bounds the arithmetic
PRESSURE_SECONDS = 5.0  # while the machine bears fewer tasks than it might: it may have recovered
BREATH_SECONDS = 0.02  # from a look that found nothing to the next: others may write hundreds of times a second
BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # between tries while the board cannot be used

_ClaimKey = tuple[str, int]  # a task and the token of one claim of it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """What one write at the board has done: ends settled (or refused, or failed), tasks taken, and when to look again."""

    settled: Sequence[tuple[AttemptEnd, Task | Exception]]
    taken: Sequence[Task]
    look_again_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How busy the orchestrator is.

    `trouble` is why it could not claim or prolong leases, `pressure` why it runs fewer tasks than it might; "" when all is
    well.
    """

    running: tuple[str, ...]
    capacity: int
    draining: bool
    trouble: str
    pressure: str = ""


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
        room: Callable[[int], tuple[int, str]] = lambda capacity: (capacity, ""),
    ) -> None:
        self._desk = desk
        self._executor = executor
        self._agent_id = agent_id
        self._capabilities = tuple(capabilities)
        self._process = process
        self._capacity = capacity
        self._heartbeat_seconds = heartbeat_seconds
        self._on_settled = on_settled
        self._room = room  # how many of `capacity` tasks the machine can bear now, and why not all of them
        self._pressure = ""
        self._wake = asyncio.Event()
        self._others_wrote = False
        self._draining = self._stopped = False
        self._trouble = self._lease_trouble = ""
        self._loop: asyncio.Task[None] | None = None
        # By claim, until the end of the attempt is on the board: a task whose lease was lost may be claimed here again.
        self._running: dict[_ClaimKey, tuple[Task, asyncio.Task[None]]] = {}
        self._look_again_at = 0.0  # by the loop's clock
        self._next_at: datetime | None = None  # the next instant at which something on the board is due
        self._ended: list[AttemptEnd] = []  # of those that run: what is to be settled
        self._idle = asyncio.Event()
        self._hurry = asyncio.Event()  # there is something of ours to be seen to
        self._in_vain_until = 0.0  # by the loop's clock

    def wake(self, *, others_wrote: bool = False) -> None:
        """Look at the board again. `others_wrote`: another process did, which may have ended a claim of ours."""
        self._others_wrote = self._others_wrote or others_wrote
        self._wake.set()

    def load(self) -> Load:
        """How busy it is now."""
        return Load(
            running=tuple(dict.fromkeys(task_id for task_id, _ in self._running)),
            capacity=self._capacity,
            draining=self._draining,
            trouble=self._trouble or self._lease_trouble,
            pressure=self._pressure,
        )

    def start(self) -> None:
        """Begin to claim. A second start changes nothing."""
        if self._loop is None:
            self._loop = asyncio.create_task(self._work(), name="orchestrator")

    async def _work(self) -> None:
        """Work until stopped. Errors of the board are survived: said once, tried again with growing pauses."""
        heartbeats = Background(self._keep_leases, name="heartbeats")
        heartbeats.start()
        failures = 0
        try:
            while not self._stopped:
                self._wake.clear()
                try:
                    await self._drop_ended_claims()
                    pause = await self._take_turn()
                    failures, self._trouble = 0, ""
                except BoardUnavailable as error:
                    pause = BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)]
                    failures += 1
                    if self._trouble != error.message:
                        logger.error("claiming and settling stopped: {} ({})", error.message, error.cause)
                    self._trouble = error.message
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._in_vain_until):
                        await self._hurry.wait()
        finally:
            await heartbeats.stop()

    async def drain(self, grace_seconds: float) -> None:
        """Claim nothing more, give running tasks `grace_seconds` to end, then put the rest back. May be called twice."""
        self._draining = True
        if self._loop is not None and self._running:
            self._idle.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self._idle.wait()
        self._stopped = True
        self._wake.set()
        self._hurry.set()
        if self._loop is not None:
            await self._loop
        for claim in list(self._running):
            task, run = self._running[claim]
            await _cut_off([run])
            self._let_go(claim)
            await self._put_back(task)

    async def _take_turn(self) -> float:
        """Settle what has ended, claim up to capacity, and start it. Gives the seconds until there may be more to do."""
        ended = list(self._ended)
        self._hurry.clear()
        free = 0 if self._draining else max(0, self._slots() - len(self._running) + len(ended))
        if not ended and not free and (rest := self._rest_seconds()) > 0:
            return rest  # whoever ends wakes us
        turn = await self._desk.write(lambda nexus: self._at_board(nexus, ended, free))
        del self._ended[: len(ended)]
        for end, settled in turn.settled:
            self._let_go((end.task_id, end.token))
            self._tell(end, settled)
        for task in turn.taken:
            former = [run for (task_id, _), (_, run) in self._running.items() if task_id == task.task_id]
            run = asyncio.create_task(self._see_through(task, former), name=task.task_id)
            self._running[_claim_of(task)] = (task, run)
        now = asyncio.get_running_loop().time()
        self._look_again_at = now + turn.look_again_seconds
        if not turn.settled and not turn.taken:
            self._in_vain_until = now + BREATH_SECONDS
        return self._rest_seconds()

    def _rest_seconds(self) -> float:
        """How long nothing is due on the board, as far as the last look has shown."""
        rest = self._look_again_at - asyncio.get_running_loop().time()
        return min(rest, PRESSURE_SECONDS) if self._pressure else rest

    def _slots(self) -> int:
        """How many tasks may run at once now."""
        slots, pressure = self._room(self._capacity)
        if pressure != self._pressure:
            logger.log(
                "WARNING" if pressure else "INFO", pressure or "as many tasks may run again as the settings allow"
            )
        self._pressure = pressure
        return slots

    def _at_board(self, nexus: TaskNexus, ended: Sequence[AttemptEnd], free: int) -> _Turn:
        settled = [(end, _settled(nexus, end)) for end in ended]
        taken: list[Task] = []
        now = nexus.clock.now()  # before looking: what is reached meanwhile is still to come
        if self._next_at is not None and self._next_at <= now:
            nexus.lapse_overdue(by=self._agent_id)
            self._next_at = None
        while len(taken) < free:
            task = nexus.get_next_task(
                self._agent_id,
                capabilities=self._capabilities,
                runs_plans=True,
                process=self._process,
                first_step=self._executor.first_step,
            )
            if task is None:
                break
            taken.append(task)
        if len(taken) < free:  # otherwise whoever ends wakes us
            self._next_at = nexus.store.next_instant(now=now)
        pause = LONGEST_SLEEP_SECONDS
        if self._next_at is not None:
            # A lease of somebody else that ran out gives no new instant: not before a second.
            seconds = (self._next_at - now).total_seconds()
            pause = min(pause, seconds if seconds > 0 else 1.0)
        return _Turn(settled=settled, taken=taken, look_again_seconds=pause)

    def _tell(self, end: AttemptEnd, settled: Task | Exception) -> None:
        match settled:
            case Task():
                self._on_settled(settled)
            case Refused() | NotFound():
                logger.warning("{}: run ended without a result: {}", end.task_id, settled.message)
            case _:
                logger.opt(exception=settled).error(
                    "{}: its end cannot be recorded; its lease will run out", end.task_id
                )

    def _let_go(self, claim: _ClaimKey) -> None:
        self._running.pop(claim, None)
        if not self._running:
            self._idle.set()

    async def _see_through(self, task: Task, former: Sequence[asyncio.Task[None]]) -> None:
        """Run one task to its end, after the runs of its former claims. Whatever happens, its place is free afterwards."""
        end: AttemptEnd | None = None
        try:
            await _cut_off(former)
            end = await self._executor.attempt(task)
        except (Refused, NotFound) as error:
            logger.warning("{}: run ended without a result: {}", task.task_id, error.message)
        except DreamosError as error:
            logger.error("{}: {} ({})", task.task_id, error.message, error.cause)
        except Exception:  # noqa: BLE001  one task's trouble is not the others'
            logger.exception("{}: the run broke off; its lease will run out", task.task_id)
        finally:
            if end is not None:
                self._ended.append(end)
            else:
                self._let_go(_claim_of(task))
            self._hurry.set()
            self._wake.set()

    async def _drop_ended_claims(self) -> None:
        """End the runs whose claim somebody else has ended: cancelled, paused, or lost."""
        if not self._others_wrote:
            return
        self._others_wrote = False
        self._executor.look_again()
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
            _, run = self._running.get(_claim_of(task), (task, None))
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


async def _cut_off(runs: Sequence[asyncio.Task[None]]) -> None:
    """Cancel them, and wait until what they started is gone."""
    for run in runs:
        run.cancel()
    if runs:
        await asyncio.wait(runs)


def _claim_of(task: Task) -> _ClaimKey:
    assert task.claim is not None, "only what is claimed is run"
    return task.task_id, task.claim.token


def _settled(nexus: TaskNexus, end: AttemptEnd) -> Task | Exception:
    """The settled task, or why there is none. Of one that cannot be written nothing is left, and the others stand."""
    try:
        with nexus.store.transaction():
            return end.settle(nexus)
    except BoardUnavailable:
        raise
    except Exception as error:  # noqa: BLE001  a result may be anything; it is logged
        return error


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
