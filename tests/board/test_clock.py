"""Board time: it goes on evenly, whatever is done to the wall clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dreamos_tasks.board.clock import BoardClock, read_machine
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import StaleToken
from dreamos_tasks.model.task import Status, TaskDraft
from dreamos_tasks.stores.memory import MemoryStore
from tests.fakes import START, FakeMachine
from tests.kinds import board_path, make_store, open_store

YEAR_SECONDS = 365 * 86_400
Open = Callable[[], TaskNexus]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    made = FakeMachine()
    monkeypatch.setattr("dreamos_tasks.board.clock.read_machine", made.read)
    return made


@pytest.fixture(params=["json", "sqlite"])
def open_board(request: pytest.FixtureRequest, tmp_path: Path, machine: FakeMachine) -> Iterator[Open]:
    """Opens the board once more, as another process would."""
    make_store(request.param, tmp_path).close()
    with ExitStack() as stack:

        def open_() -> TaskNexus:
            store = stack.enter_context(closing(open_store(request.param, board_path(request.param, tmp_path))))
            return TaskNexus(store, BoardClock(store))

        yield open_


def with_a_claim(nexus: TaskNexus) -> TaskNexus:
    nexus.add_task(TaskDraft(title="x", task_id="a"))
    nexus.claim_task("a", "ada")
    return nexus


def test_board_time_is_the_wall_clocks_until_somebody_sets_that(machine: FakeMachine) -> None:
    clock = BoardClock(MemoryStore())

    assert clock.now() == START
    machine.advance(10)
    assert clock.now() == START + timedelta(seconds=10)
    machine.set_wall_clock(-3600)
    machine.advance(10)
    assert clock.now() == START + timedelta(seconds=20)
    assert clock.drift_seconds() == -3600


@pytest.mark.parametrize("jump", [YEAR_SECONDS, -3600, 3600, -YEAR_SECONDS], ids=["+1 year", "-1 h", "+1 h", "-1 year"])
def test_a_wall_clock_that_jumps_expires_no_lease_and_prolongs_none(
    open_board: Open, machine: FakeMachine, jump: int
) -> None:
    nexus = with_a_claim(open_board())
    machine.set_wall_clock(jump)
    machine.advance(10)
    other = open_board()  # a command started after the jump

    for board in (nexus, other):
        assert board.get_task_by_id("a").status is Status.IN_PROGRESS
        assert board.expire_leases() == []
        assert board.get_next_task("ben") is None
    machine.advance(880)
    assert other.heartbeat("a", "ada").claim is not None
    machine.advance(899)
    assert nexus.get_task_by_id("a").status is Status.IN_PROGRESS
    machine.advance(1)
    for board in (nexus, other):
        assert board.get_task_by_id("a").status is Status.PENDING
    with pytest.raises(StaleToken):
        nexus.mark_task_completed("a", "ada")


def test_a_jump_neither_hastens_nor_delays_what_is_scheduled(open_board: Open, machine: FakeMachine) -> None:
    nexus = open_board()
    nexus.add_task(TaskDraft(title="x", task_id="later", not_before=START + timedelta(seconds=60)))
    nexus.get_next_task("ada")  # somebody has used the board in this boot
    machine.set_wall_clock(YEAR_SECONDS)
    assert nexus.get_next_task("ada") is None
    machine.set_wall_clock(-2 * YEAR_SECONDS)
    machine.advance(61)

    task = open_board().get_next_task("ada")
    assert task is not None
    assert task.task_id == "later"


def test_a_refused_first_verb_does_not_lose_the_boards_time(open_board: Open, machine: FakeMachine) -> None:
    nexus = open_board()
    nexus.clock.now()
    with_a_claim(nexus)
    machine.set_wall_clock(YEAR_SECONDS)

    assert open_board().get_task_by_id("a").status is Status.IN_PROGRESS


def test_time_goes_on_by_the_wall_clock_after_a_boot(open_board: Open, machine: FakeMachine) -> None:
    with_a_claim(open_board())
    machine.advance(600)
    machine.boot("boot-2")

    nexus = open_board()
    assert nexus.clock.now() == START + timedelta(seconds=600)
    assert nexus.get_task_by_id("a").status is Status.IN_PROGRESS
    machine.advance(300)
    assert nexus.get_task_by_id("a").status is Status.PENDING


def test_board_time_follows_the_wall_clock_only_while_nobody_holds_a_lease(
    open_board: Open, machine: FakeMachine
) -> None:
    nexus = with_a_claim(open_board())
    clock = nexus.clock
    assert isinstance(clock, BoardClock)
    machine.set_wall_clock(3600)

    assert clock.follow_wall_clock() is False
    assert clock.now() == START
    nexus.mark_task_completed("a", "ada")
    assert clock.follow_wall_clock() is True
    assert clock.now() == START + timedelta(hours=1)
    assert clock.follow_wall_clock() is False  # there is nothing to follow any more
    assert open_board().clock.now() == START + timedelta(hours=1)


def test_a_wall_clock_that_is_nudged_is_not_followed(open_board: Open, machine: FakeMachine) -> None:
    nexus = open_board()
    nexus.add_task(TaskDraft(title="x"))
    clock = nexus.clock
    assert isinstance(clock, BoardClock)
    machine.set_wall_clock(1.9)

    assert clock.follow_wall_clock() is False
    assert clock.now() == START


def test_others_learn_within_a_second_that_the_time_was_set(open_board: Open, machine: FakeMachine) -> None:
    here, there = open_board(), open_board()
    assert isinstance(there.clock, BoardClock)
    here.add_task(TaskDraft(title="x"))
    there.clock.now()
    machine.set_wall_clock(3600)
    assert there.clock.follow_wall_clock()

    machine.advance(1.001)
    assert here.clock.now() == there.clock.now() == START + timedelta(seconds=3601.001)


def test_a_lease_that_ran_out_does_not_keep_the_clock_from_being_set(open_board: Open, machine: FakeMachine) -> None:
    nexus = with_a_claim(open_board())
    machine.advance(901)
    machine.set_wall_clock(3600)

    assert isinstance(nexus.clock, BoardClock)
    assert nexus.clock.follow_wall_clock() is True


def test_the_machines_own_reading_is_sound() -> None:
    reading = read_machine()

    assert reading.boot_id
    wall = datetime.fromtimestamp(reading.wall_us / 1e6, UTC)
    assert abs(wall - datetime.now(UTC)) < timedelta(minutes=1)
    assert read_machine().since_boot_us >= reading.since_boot_us > 0
