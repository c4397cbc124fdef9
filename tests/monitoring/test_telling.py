"""Telling people: each incident once at each severity, by every target; what fails is tried again, it alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import time, timedelta
from pathlib import Path

from loguru import logger

from dreamos_tasks.errors import BoardUnavailable
from dreamos_tasks.model.incident import EscalationRule
from dreamos_tasks.model.task import Priority
from dreamos_tasks.monitoring.incidents import IncidentMonitor
from dreamos_tasks.monitoring.service import TaskMonitoringService
from dreamos_tasks.monitoring.telling import AT_ONCE, Notice, NotTold, Teller
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.monitoring.fakes import DEADLINE_SECONDS, NOON, TIMEOUT_SECONDS, Board, until
from tests.monitoring.thread_desk import ThreadDesk

RULE = EscalationRule(raise_after_seconds=7200)


@dataclass
class Phone:
    """A target that a test can look at. `dead`: what it says when it is called; `rings`: it takes that long."""

    name: str = "phone"
    dead: Exception | None = None
    rings: asyncio.Event | None = None
    heard: list[Notice] = field(default_factory=list)

    async def tell(self, notice: Notice) -> None:
        if self.rings is not None:
            await self.rings.wait()
        if self.dead is not None:
            raise self.dead
        self.heard.append(notice)

    @property
    def tasks(self) -> list[list[str]]:
        return [[incident.task_id or "" for incident in notice.incidents] for notice in self.heard]


def teller(board: Board, *phones: Phone, rule: EscalationRule = RULE, at: time = NOON) -> Teller:
    return Teller(ThreadDesk(board.nexus), phones, rule, time_of_day=lambda: at)


def check(board: Board) -> None:
    monitor = IncidentMonitor(board.nexus, rule=RULE, timeout_seconds=TIMEOUT_SECONDS, time_of_day=lambda: NOON)
    monitor.run_once(board.clock.now())


def stalled(board: Board, count: int = 1, **fields: object) -> list[str]:
    ids = [board.add(f"task {number}", **fields).task_id for number in range(count)]
    board.later(TIMEOUT_SECONDS + 1)
    check(board)
    return ids


async def test_several_incidents_are_one_message_and_each_is_told_once(board: Board) -> None:
    ids = stalled(board, 3)
    phone, radio = Phone(), Phone("radio")

    assert await teller(board, phone, radio).tell() == 3
    assert await teller(board, phone, radio).tell() == 0

    assert phone.tasks == radio.tasks
    assert sorted(phone.tasks[0]) == sorted(ids)
    (notice,) = phone.heard
    assert notice.subject.startswith("[medium] ")
    assert notice.subject.endswith("(and 2 more)")
    assert all(task_id in notice.body for task_id in ids)
    assert "dt incidents ack" in notice.body


async def test_the_most_severe_is_named_first(board: Board) -> None:
    stalled(board)
    (urgent,) = stalled(board, priority=Priority.CRITICAL)
    phone = Phone()
    await teller(board, phone).tell()
    assert phone.heard[0].incidents[0].task_id == urgent
    assert phone.heard[0].severity is Priority.CRITICAL


async def test_what_has_risen_is_told_again_and_what_was_acknowledged_is_not(board: Board) -> None:
    first, second = stalled(board, 2)
    phone = Phone()
    await teller(board, phone).tell()
    board.nexus.incidents.acknowledge(first, by="eva")
    board.later(7200)
    check(board)
    await teller(board, phone).tell()
    assert (sorted(phone.tasks[0]), phone.tasks[1:]) == (sorted((first, second)), [[second]])
    assert phone.heard[1].severity is Priority.HIGH


async def test_a_target_that_fails_is_tried_again_later_it_alone(board: Board) -> None:
    ids = stalled(board)
    phone, radio = Phone(), Phone("radio", dead=NotTold("no answer", cause="connection refused"))

    assert await teller(board, phone, radio).tell() == 0
    (incident,) = board.nexus.incidents.all()
    assert incident.telling_error == "radio: no answer (connection refused)"
    assert await teller(board, phone, radio).tell() == 0, "not at once"

    radio.dead = None
    board.later(61)
    assert await teller(board, phone, radio).tell() == 1
    assert (phone.tasks, radio.tasks) == ([ids], [ids])
    assert board.nexus.incidents.all()[0].told_severity is Priority.MEDIUM


async def test_a_target_with_a_fault_of_its_own_holds_up_nobody(board: Board) -> None:
    ids = stalled(board)
    broken, phone = Phone("broken", dead=KeyError("oops")), Phone()
    assert await teller(board, broken, phone).tell() == 0
    assert phone.tasks == [ids]
    assert "KeyError" in board.nexus.incidents.all()[0].telling_error


async def test_in_quiet_hours_nobody_is_told_but_of_what_is_critical(board: Board) -> None:
    (asleep,) = stalled(board)
    (awake,) = stalled(board, priority=Priority.CRITICAL)
    rule = EscalationRule(quiet=(time(22), time(7)))
    phone = Phone()
    assert await teller(board, phone, rule=rule, at=time(3)).tell() == 1
    assert await teller(board, phone, rule=rule, at=time(7)).tell() == 1
    assert phone.tasks == [[awake], [asleep]]


async def test_very_many_are_told_in_parts(board: Board) -> None:
    stalled(board, AT_ONCE + 5)
    phone = Phone()
    assert [await teller(board, phone).tell() for _ in range(3)] == [AT_ONCE, 5, 0]


async def test_without_targets_nothing_is_marked_as_told(board: Board) -> None:
    stalled(board)
    assert await teller(board).tell() == 0
    assert board.nexus.incidents.all()[0].told_severity is None


async def test_two_tellers_on_one_board_tell_it_once(file: Path) -> None:
    boards = [Board(SqliteStore.create(file)) for _ in range(2)]
    ids = stalled(boards[0], 20)
    boards[1].clock.at = boards[0].clock.at
    phones = [Phone(), Phone()]

    await asyncio.gather(*(teller(board, phone).tell() for board, phone in zip(boards, phones, strict=True)))

    assert sorted(task_id for phone in phones for told in phone.tasks for task_id in told) == sorted(ids)
    for board in boards:
        board.store.close()


async def test_a_teller_that_was_killed_is_followed_by_another(board: Board) -> None:
    ids = stalled(board)
    phone = Phone(rings=asyncio.Event())
    killed = asyncio.create_task(teller(board, phone).tell())
    await until(lambda: board.nexus.incidents.all()[0].telling_until is not None)
    killed.cancel()
    await asyncio.wait((killed,))

    other = Phone()
    assert await teller(board, other).tell() == 0
    board.later(121)
    assert await teller(board, other).tell() == 1
    assert (phone.tasks, other.tasks) == ([], [ids])


async def test_the_service_tells_beside_its_checks_and_stops_at_once(board: Board) -> None:
    board.add()
    board.later(TIMEOUT_SECONDS + 1)
    phone = Phone(rings=asyncio.Event())

    def make(nexus: object) -> IncidentMonitor:
        return IncidentMonitor(board.nexus, rule=RULE, timeout_seconds=TIMEOUT_SECONDS, time_of_day=lambda: NOON)

    service = TaskMonitoringService(
        ThreadDesk(board.nexus), [make], interval_seconds=0.05, teller=teller(board, phone), log=logger
    )
    await service.start()
    await until(lambda: board.nexus.incidents.all() and board.nexus.incidents.all()[0].telling_until is not None)
    first = service.last_check
    await until(lambda: service.last_check is not first)
    await asyncio.wait_for(service.stop(), timeout=DEADLINE_SECONDS)
    assert phone.heard == []

    board.clock.at += timedelta(seconds=121)
    phone.rings = None
    await service.start()
    await until(lambda: phone.heard)
    await service.stop()
    assert service.failures == 0


async def test_trouble_with_the_board_while_telling_is_survived(board: Board) -> None:
    board.add()
    board.later(TIMEOUT_SECONDS + 1)

    class NoBoard(Teller):
        asked = 0

        async def tell(self) -> int:
            NoBoard.asked += 1
            raise BoardUnavailable("the disk is full")

    broken = NoBoard(ThreadDesk(board.nexus), [Phone()], RULE, time_of_day=lambda: NOON)
    service = TaskMonitoringService(ThreadDesk(board.nexus), [], interval_seconds=0.05, teller=broken)
    await service.start()
    await until(lambda: NoBoard.asked > 1)
    assert service.is_running
    await service.stop()
