from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import time_machine
from loguru import logger

from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.config.settings import MonitoringSettings, Settings
from dreamos_tasks.errors import BoardUnavailable, ConfigError
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.task import Status, TaskDraft
from dreamos_tasks.monitoring import service as service_module
from dreamos_tasks.monitoring.monitor import MakeMonitor, check_board, monitors_of
from dreamos_tasks.monitoring.service import TaskMonitoringService, backoff_seconds
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.monitoring.fakes import ALIVE, DEADLINE_SECONDS, NOON, TIMEOUT_SECONDS, Board, until
from tests.monitoring.thread_desk import ThreadDesk

Result = TypeVar("Result")
A_LONG_TIME = 3600.0  # an interval that no test waits out


class CountingDesk(ThreadDesk):
    """A desk that counts the checks, can be made to fail, and can be held up in the middle of a call."""

    def __init__(self, nexus: TaskNexus) -> None:
        super().__init__(nexus)
        self.reads = 0
        self.read_at: list[float] = []
        self.trouble: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        self.reads += 1
        self.read_at.append(time.monotonic())
        if self.trouble is not None:
            raise self.trouble

        def behind_the_gate(nexus: TaskNexus) -> Result:
            self.gate.wait()
            return act(nexus)

        return await super().read(behind_the_gate)


def standard(**settings: Any) -> tuple[MakeMonitor, ...]:
    return tuple(
        monitors_of(
            Settings(monitoring=MonitoringSettings(**settings)),
            is_alive=lambda process: process == ALIVE,
            time_of_day=lambda: NOON,
        )
    )


@pytest.fixture
def fake() -> Board:
    return Board(MemoryStore())


@pytest.fixture
def desk(fake: Board) -> Iterator[CountingDesk]:
    desk = CountingDesk(fake.nexus)
    yield desk
    desk.gate.set()


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged."""
    seen: list[str] = []
    sink = logger.add(lambda message: seen.append(message.record["message"]), level="DEBUG")
    yield seen
    logger.remove(sink)


@pytest.fixture
async def run(desk: CountingDesk) -> AsyncIterator[Callable[..., TaskMonitoringService]]:
    """Makes services over the desk; all are stopped in the end."""
    made: list[TaskMonitoringService] = []

    def make(interval_seconds: float = A_LONG_TIME, **settings: Any) -> TaskMonitoringService:
        service = TaskMonitoringService(desk, standard(**settings), interval_seconds=interval_seconds)
        made.append(service)
        return service

    yield make
    desk.gate.set()
    for service in made:
        await service.stop()


async def checked(service: TaskMonitoringService) -> None:
    await until(lambda: service.report()["next_check_at"] is not None and service.last_check is not None)


async def test_it_checks_at_once_when_it_starts(fake: Board, run: Callable[..., TaskMonitoringService]) -> None:
    task = fake.add()
    fake.later(TIMEOUT_SECONDS + 1)
    service = run(escalation_strategy="mark_stalled")

    assert await service.start() is True
    await checked(service)

    assert fake.get(task).status is Status.STALLED
    assert service.is_running


async def test_it_checks_again_after_each_interval(
    fake: Board, desk: CountingDesk, run: Callable[..., TaskMonitoringService]
) -> None:
    await run(interval_seconds=0.02).start()

    await until(lambda: desk.reads > 20)
    task = fake.add()
    fake.later(TIMEOUT_SECONDS + 1)
    await until(lambda: fake.events(task, EventType.TASK_STALL_NOTED))


async def test_a_second_start_changes_nothing_and_says_so(
    desk: CountingDesk, run: Callable[..., TaskMonitoringService], lines: list[str]
) -> None:
    service = run()
    await service.start()
    await checked(service)
    before, reads = service.report(), desk.reads

    assert await service.start() is False

    assert "monitoring runs already; it is not started twice" in lines
    assert service.report() == before
    assert desk.reads == reads


async def test_it_stops_at_once_in_the_middle_of_a_sleep(run: Callable[..., TaskMonitoringService]) -> None:
    service = run(interval_seconds=A_LONG_TIME)
    await service.start()
    await checked(service)

    began = time.monotonic()
    await service.stop()

    assert time.monotonic() - began < DEADLINE_SECONDS
    assert not service.is_running
    assert service.report()["next_check_at"] is None


async def test_after_a_stop_nothing_is_checked(desk: CountingDesk, run: Callable[..., TaskMonitoringService]) -> None:
    service = run(interval_seconds=0.01)
    await service.start()
    await until(lambda: desk.reads > 5)
    await service.stop()
    last, reads = service.last_check, desk.reads

    other = run(interval_seconds=0.01)  # its checks are the measure of time
    await other.start()
    await until(lambda: desk.reads > reads + 20)

    assert last is not None
    assert service.last_check is last


async def test_stop_may_be_called_twice_and_before_a_start(run: Callable[..., TaskMonitoringService]) -> None:
    service = run()

    await service.stop()
    await service.start()
    await service.stop()
    await service.stop()

    assert not service.is_running


async def test_a_stop_right_after_the_start_is_quiet(
    run: Callable[..., TaskMonitoringService], caplog: pytest.LogCaptureFixture
) -> None:
    for turns in range(6):
        service = run()
        await service.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        await service.stop()

    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_stop_does_not_wait_for_a_board_that_hangs(
    desk: CountingDesk,
    run: Callable[..., TaskMonitoringService],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(service_module, "STOP_SECONDS", 0.05)
    service = run()
    desk.gate.clear()
    await service.start()
    await until(lambda: desk.reads)

    began = time.monotonic()
    await service.stop()

    assert time.monotonic() - began < DEADLINE_SECONDS
    assert not service.is_running
    await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


async def test_a_check_under_way_finishes_its_call_before_the_stop_returns(
    desk: CountingDesk, run: Callable[..., TaskMonitoringService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "STOP_SECONDS", A_LONG_TIME)
    service = run()
    desk.gate.clear()
    await service.start()
    await until(lambda: desk.reads)

    stopping = asyncio.create_task(service.stop())
    desk.gate.set()
    await stopping

    assert service.last_check is not None


async def test_it_can_be_started_again(desk: CountingDesk, run: Callable[..., TaskMonitoringService]) -> None:
    service = run()
    await service.start()
    await checked(service)
    await service.stop()
    reads = desk.reads

    assert await service.start() is True
    await until(lambda: desk.reads > reads)


async def test_a_single_check_needs_no_start(fake: Board, run: Callable[..., TaskMonitoringService]) -> None:
    task = fake.add()
    now = fake.later(TIMEOUT_SECONDS + 1)
    service = run()

    report = await service.check_once()

    assert [line.task_id for line in report.stalled] == [task.task_id]
    assert report.checked_at == now
    assert not service.is_running
    assert service.last_check is not None
    assert (service.last_check.report, service.last_check.error) == (report, "")


async def test_a_lease_that_ran_out_is_written_back_before_stalls_are_looked_for(
    fake: Board, run: Callable[..., TaskMonitoringService]
) -> None:
    task = fake.add()
    fake.nexus.claim_task(task.task_id, "ada")
    fake.later(fake.rules.lease_seconds + TIMEOUT_SECONDS + 1)

    report = await run().check_once()

    assert [claim.agent_id for claim in report.expired] == ["ada"]
    assert [line.task_id for line in report.stalled] == [task.task_id]
    assert report.pending == 1


async def test_single_checks_at_the_same_time_take_turns(
    fake: Board, run: Callable[..., TaskMonitoringService]
) -> None:
    fake.add()
    fake.later(TIMEOUT_SECONDS + 1)
    service = run(escalation_strategy="escalate")

    reports = await asyncio.gather(*(service.check_once() for _ in range(5)))

    assert sum(line.action == "escalated" for report in reports for line in report.stalled) == 1
    assert len(fake.escalations()) == 1


async def test_a_single_check_tells_its_caller_what_went_wrong(
    desk: CountingDesk, run: Callable[..., TaskMonitoringService]
) -> None:
    service = run()
    desk.trouble = BoardUnavailable("the disk is full", cause="ENOSPC")

    with pytest.raises(BoardUnavailable, match="the disk is full"):
        await service.check_once()

    assert service.last_check is not None
    assert service.last_check.error == "the disk is full (ENOSPC)"
    assert service.report()["failures"] == 1


@pytest.mark.parametrize(
    "trouble", [BoardUnavailable("the disk is full"), ValueError("not foreseen")], ids=["of the board", "of ours"]
)
async def test_errors_are_survived_with_growing_pauses_and_forgotten_after_a_success(
    trouble: Exception,
    fake: Board,
    desk: CountingDesk,
    run: Callable[..., TaskMonitoringService],
    lines: list[str],
) -> None:
    service = run(interval_seconds=0.05)
    desk.trouble = trouble
    await service.start()
    await until(lambda: service.failures >= 4)
    assert str(trouble) in service.report()["error"]

    first, second, third = (after - before for before, after in zip(desk.read_at[:3], desk.read_at[1:4], strict=True))
    assert first >= 0.05
    assert second >= 0.1
    assert third >= 0.2

    desk.trouble = None
    await until(lambda: service.failures == 0)
    assert service.report()["error"] == ""
    since = desk.reads
    took = await until(lambda: desk.reads >= since + 40)
    assert took < DEADLINE_SECONDS / 2  # back to the interval: at the pace of the back-off ten checks take minutes
    assert sum("next try in" in line for line in lines) >= 4


def test_the_pauses_double_up_to_five_minutes_or_the_interval() -> None:
    assert [backoff_seconds(failures, interval_seconds=300) for failures in range(1, 5)] == [1, 2, 4, 8]
    assert backoff_seconds(50, interval_seconds=300) == 300
    assert backoff_seconds(10_000, interval_seconds=3600) == 3600
    assert backoff_seconds(1, interval_seconds=0.5) == 0.5


async def test_one_monitors_trouble_is_not_the_others(fake: Board, desk: CountingDesk) -> None:
    def broken(_nexus: TaskNexus) -> Any:
        raise ValueError("this monitor is broken")

    task = fake.add()
    fake.later(TIMEOUT_SECONDS + 1)
    service = TaskMonitoringService(desk, (broken, *standard()), interval_seconds=A_LONG_TIME)

    with pytest.raises(ValueError, match="this monitor is broken"):
        await service.check_once()

    assert len(fake.events(task, EventType.TASK_STALL_NOTED)) == 1
    assert service.last_check is not None
    assert service.last_check.report is not None
    assert len(service.last_check.report.stalled) == 1


def real_board(lease_seconds: float) -> TaskNexus:
    store = MemoryStore()
    return TaskNexus(store, BoardClock(store), rules=BoardRules(lease_seconds=lease_seconds))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks ahead and wakes early sooner than in earnest."""
    monkeypatch.setattr(service_module, "SHORTEST_WAIT_SECONDS", 0.02)
    monkeypatch.setattr(service_module, "LOOK_AHEAD_SECONDS", 0.02)


@pytest.mark.usefixtures("quick")
async def test_it_wakes_earlier_for_the_next_lease_to_run_out() -> None:
    nexus = real_board(lease_seconds=0.3)
    task = nexus.add_task(TaskDraft(title="Fix the parser"))
    nexus.claim_task(task.task_id, "ada")
    service = TaskMonitoringService(ThreadDesk(nexus), standard(), interval_seconds=A_LONG_TIME)

    await service.start()
    await until(lambda: nexus.store.get(task.task_id).claim is None)  # type: ignore[union-attr]
    await service.stop()


@pytest.mark.usefixtures("quick")
async def test_it_wakes_earlier_for_an_agent_that_falls_silent() -> None:
    nexus = real_board(lease_seconds=900)
    task = nexus.add_task(TaskDraft(title="Fix the parser"))
    nexus.claim_task(task.task_id, "ada")
    monitors = standard(silent_agent_seconds=0.3, escalation_strategy="reassign")
    service = TaskMonitoringService(ThreadDesk(nexus), monitors, interval_seconds=A_LONG_TIME)

    await service.start()
    await until(lambda: nexus.get_task_by_id(task.task_id).status is Status.PENDING)
    await service.stop()


@pytest.mark.usefixtures("quick")
async def test_woken_by_a_write_it_looks_when_the_new_lease_runs_out() -> None:
    nexus = real_board(lease_seconds=0.2)
    task = nexus.add_task(TaskDraft(title="Fix the parser"))
    service = TaskMonitoringService(ThreadDesk(nexus), standard(), interval_seconds=A_LONG_TIME)
    await service.start()
    await checked(service)

    nexus.claim_task(task.task_id, "ada")
    service.wake()
    service.wake()

    await until(lambda: nexus.store.get(task.task_id).claim is None)  # type: ignore[union-attr]
    await service.stop()


@pytest.mark.usefixtures("quick")
async def test_woken_by_a_write_that_changes_nothing_it_sleeps_on(
    desk: CountingDesk, run: Callable[..., TaskMonitoringService]
) -> None:
    service = run()
    await service.start()
    await checked(service)
    next_check, reads = service.report()["next_check_at"], desk.reads

    service.wake()
    await until(lambda: desk.reads == reads + 1)

    assert service.report()["next_check_at"] == next_check


def test_waking_a_stopped_service_does_nothing() -> None:
    service = TaskMonitoringService(ThreadDesk(real_board(900)), standard(), interval_seconds=A_LONG_TIME)

    service.wake()

    assert not service.is_running


@pytest.mark.usefixtures("quick")
async def test_a_wall_clock_that_is_set_back_does_not_hold_up_the_checks(
    desk: CountingDesk, run: Callable[..., TaskMonitoringService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "OVERDUE_SECONDS", 0.1)
    service = run(interval_seconds=0.3)
    await service.start()
    await checked(service)
    reads = desk.reads

    with time_machine.travel(time.time() - 3600, tick=True):
        await until(lambda: desk.reads > reads + 5)
        await service.stop()


async def test_a_wall_clock_that_is_set_forward_makes_one_check_and_not_many(
    desk: CountingDesk, run: Callable[..., TaskMonitoringService]
) -> None:
    service = run(interval_seconds=0.5)
    await service.start()
    await checked(service)
    reads = desk.reads

    with time_machine.travel(time.time() + 365 * 86_400, tick=True):
        began = time.monotonic()
        await until(lambda: desk.reads > reads + 12)  # four reads a check
        assert time.monotonic() - began >= 0.5  # of four checks, two at most come late and close together
        await service.stop()


async def test_it_works_at_the_daemons_desk(file: Path) -> None:
    store = SqliteStore.create(file)
    Board(store).nexus.add_tasks([TaskDraft(title=f"task {number}") for number in range(450)])
    store.close()

    def open_later() -> TaskNexus:
        board = Board(SqliteStore(file))
        board.later(TIMEOUT_SECONDS + 1)
        return board.nexus

    desk = BoardDesk(open_later)
    await desk.start()
    service = TaskMonitoringService(desk, standard(escalation_strategy="mark_stalled"), interval_seconds=A_LONG_TIME)

    report = await service.check_once()
    again = await service.check_once()

    assert [line.action for line in report.stalled] == ["marked_stalled"] * 450
    assert {line.action for line in again.stalled} == {None}
    assert await desk.read(lambda nexus: len(nexus.get_all_tasks(status="stalled"))) == 450
    await desk.stop()


async def test_what_is_shown_of_it_has_a_json_form(fake: Board, run: Callable[..., TaskMonitoringService]) -> None:
    fake.add()
    fake.nexus.claim_task(fake.add().task_id, "ada")
    service = run()
    assert service.report()["last_check_at"] is None

    fake.later(600)
    await service.check_once()

    form = json.loads(json.dumps(service.report()))
    assert form.pop("last_check_at").endswith("Z")
    assert form == {
        "running": False,
        "check_interval_seconds": A_LONG_TIME,
        "next_check_at": None,
        "pending": 1,
        "stalled": 0,
        "expired": 0,
        "silent_agents": ["ada"],
        "error": "",
        "failures": 0,
    }


def test_one_check_without_a_loop_gives_the_same_report(fake: Board) -> None:
    task = fake.add()
    now = fake.later(TIMEOUT_SECONDS + 1)

    report = check_board(fake.nexus, standard())

    assert (report.checked_at, report.pending) == (now, 1)
    assert [(line.task_id, line.action) for line in report.stalled] == [(task.task_id, "logged")]


def test_an_unknown_strategy_is_refused_before_anything_is_checked() -> None:
    settings = MonitoringSettings(escalation_strategy="ignore")  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match="'ignore' is not a strategy"):
        monitors_of(Settings(monitoring=settings), is_alive=lambda _process: True, time_of_day=lambda: NOON)
