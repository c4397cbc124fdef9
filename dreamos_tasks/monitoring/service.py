"""TaskMonitoringService: checks the board regularly, and earlier when a lease runs out or an agent falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from apscheduler.executors.asyncio import AsyncIOExecutor
from apscheduler.jobstores.memory import MemoryJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from loguru import logger

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import DreamosError
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.monitoring.desk import Desk
from dreamos_tasks.monitoring.monitor import Found, MakeMonitor
from dreamos_tasks.monitoring.report import MonitorReport, joined

if TYPE_CHECKING:
    from loguru import Logger

    from dreamos_tasks.monitoring.telling import Teller

FIRST_BACKOFF_SECONDS = 1.0  # most trouble with a board (a lock, a full disk) is over soon
LONGEST_BACKOFF_SECONDS = 300.0  # and trouble that lasts is not worth more than a line each five minutes
SHORTEST_WAIT_SECONDS = 1.0  # between two checks when the second comes early
LOOK_AHEAD_SECONDS = 1.0  # what is written within this is looked at once
STOP_SECONDS = 1.0  # how long a stop waits for a check under way: one call at the board takes milliseconds
OVERDUE_SECONDS = 2.0  # a check that is so late was held up by a wall clock that was set back


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCheck:
    """When a check began, and what it found; `error` says why it found nothing, "" when all is well."""

    began_at: datetime
    report: MonitorReport | None
    error: str = ""


class TaskMonitoringService:
    """Checks the board at once when it starts, then every `interval_seconds`, for as long as it runs.

    A failing check is survived: it is tried again after a second, then after twice as long each time, up to five minutes (or
    the interval, where that is longer); after a check that worked the interval holds again.
    """

    def __init__(
        self,
        desk: Desk,
        monitors: Sequence[MakeMonitor],
        *,
        interval_seconds: float,
        teller: Teller | None = None,
        log: Logger = logger,
    ) -> None:
        self.interval_seconds = interval_seconds
        self.last_check: LastCheck | None = None
        self.failures = 0  # checks that failed, in a row
        self._desk = desk
        self._monitors = tuple(monitors)
        self._teller = teller
        self._telling: asyncio.Task[None] | None = None
        self._log = log
        self._one_at_a_time = asyncio.Lock()
        self._scheduler: Any = None  # APScheduler has no types
        self._next_check: Any = None
        self._look_ahead_job: Any = None
        self._under_way: set[asyncio.Task[Any]] = set()
        self._overdue: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        """Whether checks are being made."""
        return self._scheduler is not None

    async def start(self) -> bool:
        """Begin to check. False: it runs already, and nothing was changed."""
        if self._scheduler is not None:
            self._log.info("monitoring runs already; it is not started twice")
            return False
        self._scheduler = AsyncIOScheduler(
            jobstores={"default": MemoryJobStore()},
            executors={"default": AsyncIOExecutor()},
            # However late it is, a check is made (a laptop was asleep), and one stands for all that were missed.
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        self._scheduler.start()
        self._plan(0.0)
        return True

    async def stop(self) -> None:
        """End at once, even between two checks; a check under way may finish its call at the board. May be called twice."""
        scheduler, self._scheduler = self._scheduler, None
        if scheduler is None:
            return
        self._forget_plan(scheduler)
        self._look_ahead_job = None
        await asyncio.sleep(0)  # what the scheduler has just begun begins, and sees that there is nothing to do
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_SECONDS)
        if self._telling is not None:  # what it has not told others tell, or we do when we are back
            self._telling.cancel()
            await asyncio.wait((self._telling,), timeout=STOP_SECONDS)
        scheduler.shutdown(wait=False)
        await asyncio.sleep(0)  # it shuts down in the loop's next turn, and cuts off what is still under way
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=STOP_SECONDS)

    def wake(self) -> None:
        """Somebody wrote to the board: if a lease now runs out before the next check, check then. Costs nothing."""
        if self._scheduler is not None and self._look_ahead_job is None:
            self._look_ahead_job = self._at(LOOK_AHEAD_SECONDS, self._look_ahead)

    async def check_once(self) -> MonitorReport:
        """One check now; one after another when several are asked for. Every monitor has its turn, whatever befalls another.

        Raises the first error of a monitor, BoardUnavailable as a rule.
        """
        async with self._one_at_a_time:
            began_at = _wall_now()
            errors: list[Exception] = []
            report: MonitorReport | None = None
            try:
                report = await self._check(errors)
            except Exception as error:  # noqa: BLE001  kept, and raised below
                errors.append(error)
            self.last_check = LastCheck(began_at=began_at, report=report, error=_said(errors[0]) if errors else "")
            self.failures = self.failures + 1 if errors else 0
        if errors:
            raise errors[0]
        assert report is not None
        return report

    def report(self) -> Mapping[str, Any]:
        """What `dt status` shows, in JSON types."""
        last = self.last_check
        found = last.report if last else None
        return {
            "running": self.is_running,
            "check_interval_seconds": self.interval_seconds,
            "last_check_at": to_json(last.began_at) if last else None,
            "next_check_at": to_json(self._next_check.next_run_time) if self._next_check is not None else None,
            "pending": found.pending if found else None,
            "stalled": len(found.stalled) if found else None,
            "expired": len(found.expired) if found else None,
            "silent_agents": [agent.agent_id for agent in found.silent_agents] if found else None,
            "error": last.error if last else "",
            "failures": self.failures,
        }

    # -- one check

    async def _check(self, errors: list[Exception]) -> MonitorReport:
        now = await self._desk.read(lambda nexus: nexus.clock.now())
        reports: list[MonitorReport] = []
        for make in self._monitors:
            try:
                await self._run(make, now, reports)
            except Exception as error:  # noqa: BLE001  one monitor's trouble is not the others'
                errors.append(error)
        return joined(reports, checked_at=now)

    async def _run(self, make: MakeMonitor, now: datetime, reports: list[MonitorReport]) -> None:
        """Look in a read, deal in a write, and so on while there is more: no call keeps the desk from others for long."""
        found = await self._desk.read(lambda nexus: make(nexus).look(now))
        while True:
            call = self._desk.write if found.asks_for_action else self._desk.read
            part = await call(_dealing(make, found))
            reports.append(part)
            if not (found.has_more and part.stalled):
                return
            found = await self._desk.read(lambda nexus: make(nexus).look(now, again=True))

    # -- when

    async def _tick(self) -> None:
        self._forget_plan(self._scheduler)
        wait = await self._watched_check()
        self._plan(wait)

    async def _watched_check(self) -> float:
        """Check, say what came of it, and give the seconds until the next check."""
        try:
            report = await self.check_once()
            self._log.debug(
                "checked the board: {} pending, {} stalled, {} leases expired, {} agents silent",
                report.pending,
                len(report.stalled),
                len(report.expired),
                len(report.silent_agents),
            )
            self._tell_people()
            return await self._until_next()
        except DreamosError as error:
            wait = self._backoff_seconds()
            self._log.error("the board could not be checked, next try in {:g} s: {}", wait, _said(error))
        except Exception:  # noqa: BLE001  the service outlives whatever goes wrong in a check
            wait = self._backoff_seconds()
            self._log.exception("a check broke off, next try in {:g} s", wait)
        return wait

    def _tell_people(self) -> None:
        """Beside the checks: a mail server that is slow to answer must not hold them up."""
        if self._teller is not None and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._told(self._teller), name="telling")

    async def _told(self, teller: Teller) -> None:
        try:
            while await teller.tell():
                pass  # as long as there is more
        except DreamosError as error:
            self._log.error("people could not be told of incidents: {}", _said(error))
        except Exception:  # noqa: BLE001  the service outlives whatever goes wrong in telling
            self._log.exception("telling people of incidents broke off")

    async def _look_ahead(self) -> None:
        self._look_ahead_job = None
        if self._next_check is None:
            return  # a check is under way, and looks ahead itself when it is done
        try:
            wait = await self._until_next()
        except DreamosError as error:
            self._log.warning("the next lease could not be looked up: {}", _said(error))
            return
        if self._next_check is not None and _from_now(wait) < self._next_check.next_run_time:
            self._plan(wait)

    async def _until_next(self) -> float:
        """The interval, or less when the board tells that something is due before."""
        instants, now = await self._desk.read(self._due_instants)
        due = min((instant for instant in instants if instant is not None), default=None)
        if due is None:
            return self.interval_seconds
        return min(self.interval_seconds, max((due - now).total_seconds(), SHORTEST_WAIT_SECONDS))

    def _due_instants(self, nexus: TaskNexus) -> tuple[list[datetime | None], datetime]:
        now = nexus.clock.now()
        return [make(nexus).next_at(now) for make in self._monitors], now

    def _backoff_seconds(self) -> float:
        return backoff_seconds(max(self.failures, 1), interval_seconds=self.interval_seconds)

    # -- APScheduler goes by the wall clock, and so do the instants here: the board's clock is the monitors'

    def _plan(self, wait_seconds: float) -> None:
        if self._scheduler is None:
            return
        self._forget_plan(self._scheduler)
        self._next_check = self._at(wait_seconds, self._tick)
        loop = asyncio.get_running_loop()
        self._overdue = loop.call_later(wait_seconds + OVERDUE_SECONDS, self._plan, 0.0)

    def _forget_plan(self, scheduler: Any) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        if self._next_check is not None and scheduler.get_job(self._next_check.id) is not None:
            self._next_check.remove()
        self._overdue = self._next_check = None

    def _at(self, wait_seconds: float, act: Callable[[], Awaitable[None]]) -> Any:
        return self._scheduler.add_job(
            self._watched, "date", args=(act,), run_date=_from_now(wait_seconds), timezone=UTC
        )

    async def _watched(self, act: Callable[[], Awaitable[None]]) -> None:
        """What the scheduler runs: known to `stop`, and quiet when that cuts it off."""
        if self._scheduler is None:
            return
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            await act()
        except asyncio.CancelledError:
            if self.is_running:
                raise
        finally:
            self._under_way.discard(task)


def backoff_seconds(failures: int, *, interval_seconds: float) -> float:
    """How long to wait after the `failures`-th failed check in a row."""
    policy = RetryPolicy(
        base_seconds=min(FIRST_BACKOFF_SECONDS, interval_seconds),
        max_seconds=max(LONGEST_BACKOFF_SECONDS, interval_seconds),
        jitter="none",
    )
    return policy.delay(failures, roll=1.0).total_seconds()


def _dealing(make: MakeMonitor, found: Found) -> Callable[[TaskNexus], MonitorReport]:
    return lambda nexus: make(nexus).deal(found)


def _said(error: Exception) -> str:
    if not isinstance(error, DreamosError):
        return f"{type(error).__name__}: {error}"
    return f"{error.message} ({error.cause})" if error.cause else error.message


def _wall_now() -> datetime:
    return datetime.now(UTC)


def _from_now(seconds: float) -> datetime:
    return _wall_now() + timedelta(seconds=seconds)
