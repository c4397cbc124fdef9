"""Those who follow are told everything, once, in order, however the connection goes; who is too slow is told of a gap."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.http.live_hub import LiveHub, LiveLimits
from dreamos_tasks.model.event import Event
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.fakes import FakeClock
from tests.interfaces.http.live_pipe import ROOM_BYTES, PretendPipe
from tests.waiting import until

SMALL = LiveLimits(ring_bytes=200_000, heartbeat_seconds=3600, stuck_seconds=3600, replay_events=7)


class Board:
    """A board with a desk, and a hub that is told what happens on it."""

    def __init__(self, path: Path, limits: LiveLimits) -> None:
        self.path = path
        self.desk = BoardDesk(self.nexus, on_commit=self._committed)
        self.hub = LiveHub(self.desk, limits=limits)

    def nexus(self) -> TaskNexus:
        return TaskNexus(SqliteStore.create(self.path, durability="normal"), FakeClock())

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            self.hub.publish(event)

    async def add(self, count: int = 1, *, title: str = "a task") -> list[str]:
        """Add tasks one by one; gives their ids."""
        return [
            (await self.desk.write(lambda nexus: nexus.add_task(TaskDraft(title=title)))).task_id for _ in range(count)
        ]

    async def ids(self) -> list[int]:
        """The seqs of all events on the board."""
        return [event.seq for event in await self.desk.read(lambda nexus: nexus.events(limit=100_000))]


async def opened(path: Path, limits: LiveLimits = SMALL) -> Board:
    board = Board(path, limits)
    await board.desk.start()
    await board.hub.begin()
    return board


async def closed(board: Board) -> None:
    await board.hub.stop()
    await board.desk.stop()


@pytest.fixture
async def board(tmp_path: Path) -> AsyncIterator[Board]:
    made = await opened(tmp_path / "nexus.db")
    yield made
    await closed(made)


async def test_who_follows_is_told_what_happened_after_its_last_id_then_what_happens(board: Board) -> None:
    await board.add(30)
    pipe = PretendPipe()
    async with board.hub.follow(pipe, after=10, task_id=None):
        await until(lambda: len(pipe.messages) == 21)
        assert pipe.ids == list(range(11, 31))
        assert pipe.messages[-1]["type"] == "heartbeat"
        assert pipe.messages[-1]["id"] == 30
        await board.add(5)
        await until(lambda: len(pipe.ids) == 25)
    assert pipe.ids == list(range(11, 36))


async def test_without_an_id_only_what_happens_from_now_on_is_told(board: Board) -> None:
    await board.add(3)
    pipe = PretendPipe()
    async with board.hub.follow(pipe, after=None, task_id=None):
        await until(lambda: pipe.messages)
        await board.add()
        await until(lambda: pipe.ids)
    assert [(message["type"], message["id"]) for message in pipe.messages] == [("heartbeat", 3), ("queue_update", 4)]


async def test_of_one_task_only_its_own_events_are_told_and_the_heartbeat_has_the_boards_id(board: Board) -> None:
    first, *_ = await board.add(20)
    pipe = PretendPipe()
    async with board.hub.follow(pipe, after=0, task_id=first):
        await until(lambda: len(pipe.messages) == 2)
        assert pipe.ids == [1]
        assert pipe.messages[-1]["id"] == 20
        await board.add(2)
        await board.desk.write(lambda nexus: nexus.claim_task(first, "ada"))
        await until(lambda: len(pipe.ids) == 2)
    assert {message["data"]["task_id"] for message in pipe.messages if message["data"]} == {first}
    assert pipe.ids == [1, 23]


@pytest.mark.parametrize("seed", range(8))
async def test_however_the_connection_is_cut_nothing_is_missed_and_nothing_is_told_twice(
    board: Board, seed: int
) -> None:
    chance = random.Random(seed)
    seen: list[int] = []
    writing = asyncio.create_task(board.add(150))
    while not writing.done() or len(seen) < 150:
        pipe = PretendPipe(reads=chance.random() < 0.5)
        async with board.hub.follow(pipe, after=seen[-1] if seen else 0, task_id=None):
            for _ in range(chance.randrange(6)):
                await asyncio.sleep(chance.choice((0, 0.001, 0.003)))
                if chance.random() < 0.5:
                    pipe.read()
            if not pipe.reads:
                pipe.read()
            pipe.cut(at=chance.randrange(len(pipe.received) + 1))  # in the middle of a message, as a rule
        assert not any(message["type"] == "gap" for message in pipe.messages)
        seen += pipe.ids
    await writing
    assert seen == await board.ids()


async def test_a_hundred_clients_are_told_the_same_and_each_event_is_encoded_once(board: Board) -> None:
    pipes = [PretendPipe() for _ in range(100)]
    async with AsyncExitStack() as stack:
        for pipe in pipes:
            await stack.enter_async_context(board.hub.follow(pipe, after=0, task_id=None))
        await board.add(60)
        await until(lambda: all(len(pipe.ids) == 60 for pipe in pipes))
        assert board.hub.clients == 100
    assert {tuple(pipe.ids) for pipe in pipes} == {tuple(range(1, 61))}
    assert board.hub.clients == 0


async def test_a_client_that_does_not_read_is_cut_to_a_snapshot_and_the_others_are_told_everything(
    board: Board,
) -> None:
    slow, quick = PretendPipe(reads=False), PretendPipe()
    async with AsyncExitStack() as stack:
        for pipe in (slow, quick):
            await stack.enter_async_context(board.hub.follow(pipe, after=0, task_id=None))
        (first,) = await board.add()
        await board.desk.write(lambda nexus: nexus.claim_task(first, "ada"))
        await board.add(500, title="x" * 400)
        await until(lambda: len(quick.ids) == 502)
        assert slow.most_waiting <= 2 * ROOM_BYTES + 4096
        slow.read()
        await until(lambda: any(message["type"] == "gap" for message in _all_of(slow)))
        slow.reads = True
        slow.read()
        await board.add(2)
        await until(lambda: slow.ids and slow.ids[-1] == 504)
    assert quick.ids == list(range(1, 505))
    told = slow.messages
    cut = next(index for index, message in enumerate(told) if message["type"] == "gap")
    message = told[cut]
    before = [each["id"] for each in told[:cut] if each["type"] != "heartbeat"]
    after = [each["id"] for each in told[cut + 1 :] if each["type"] != "heartbeat"]
    assert message["data"]["after"] == before[-1]
    assert before == list(range(1, before[-1] + 1))
    assert after == list(range(message["id"] + 1, 505))
    assert message["data"]["reason"] == "slow"
    assert message["data"]["snapshot"]["status"] == {"pending": 500, "in_progress": 1}
    assert [row["task_id"] for row in message["data"]["snapshot"]["tasks"]] == [first]


def _all_of(pipe: PretendPipe) -> Sequence[dict[str, object]]:
    pipe.read()
    return pipe.messages


def is_up_to_date(pipe: PretendPipe) -> bool:
    return any(message["type"] == "heartbeat" for message in pipe.messages)


async def test_who_comes_back_after_its_id_has_left_the_ring_is_told_from_the_board(board: Board) -> None:
    stays = PretendPipe()
    async with board.hub.follow(stays, after=0, task_id=None):
        await board.add(500, title="x" * 400)
        await until(lambda: len(stays.ids) == 500)
        assert board.hub._ring.floor > 20
        for after in (0, 3, board.hub._ring.floor - 1, board.hub._ring.floor, board.hub._ring.floor + 1, 499, 500):
            back = PretendPipe()
            async with board.hub.follow(back, after=after, task_id=None):
                await until(partial(is_up_to_date, back))
            assert back.ids == list(range(after + 1, 501))


async def test_a_client_that_never_reads_is_dropped_after_a_while_and_the_others_stay(tmp_path: Path) -> None:
    board = await opened(
        tmp_path / "nexus.db", LiveLimits(ring_bytes=200_000, heartbeat_seconds=3600, stuck_seconds=0.2)
    )
    dead, alive = PretendPipe(reads=False), PretendPipe()
    async with board.hub.follow(dead, after=0, task_id=None), board.hub.follow(alive, after=0, task_id=None):
        await board.add(300, title="x" * 400)
        await until(lambda: dead.is_closed)
        assert not alive.is_closed
        await until(lambda: len(alive.ids) == 300)
    await closed(board)


async def test_an_id_that_the_board_does_not_know_is_answered_with_how_things_stand(board: Board) -> None:
    await board.add(4)
    pipe = PretendPipe()
    async with board.hub.follow(pipe, after=1000, task_id=None):
        await until(lambda: pipe.messages)
        await board.add()
        await until(lambda: pipe.ids == [5])
    message = pipe.messages[0]
    assert (message["type"], message["id"]) == ("gap", 4)
    assert message["data"]["reason"] == "unknown_id"
    assert message["data"]["snapshot"]["status"] == {"pending": 4}


async def test_heartbeats_come_while_nothing_happens(tmp_path: Path) -> None:
    board = await opened(tmp_path / "nexus.db", LiveLimits(heartbeat_seconds=0.02, stuck_seconds=3600))
    await board.add(2)
    pipe = PretendPipe()
    async with board.hub.follow(pipe, after=None, task_id=None):
        await until(lambda: len(pipe.messages) > 3)
    assert {(message["type"], message["id"]) for message in pipe.messages} == {("heartbeat", 2)}
    await closed(board)


async def test_an_event_that_is_on_the_board_before_the_hub_is_told_of_it_is_told_once(board: Board) -> None:
    await board.add(2)
    events = await board.desk.read(lambda nexus: nexus.events())
    behind = LiveHub(board.desk, limits=SMALL)
    await behind.begin()
    behind.seq = 1
    pipe = PretendPipe()
    async with behind.follow(pipe, after=2, task_id=None):
        for event in events:
            behind.publish(event)
        await until(lambda: pipe.messages)
        await board.add()
        behind.publish((await board.desk.read(lambda nexus: nexus.events(after=2)))[0])
        await until(lambda: pipe.ids)
    assert pipe.ids == [3]
    await behind.stop()


async def test_after_a_restart_a_client_that_comes_back_with_its_last_id_is_told_what_lay_between(
    tmp_path: Path,
) -> None:
    first = await opened(tmp_path / "nexus.db")
    pipe = PretendPipe()
    async with first.hub.follow(pipe, after=0, task_id=None):
        await first.add(10)
        await until(lambda: len(pipe.ids) == 10)
    await closed(first)
    with_no_daemon = first.nexus()
    for _ in range(10):
        with_no_daemon.add_task(TaskDraft(title="meanwhile"))
    with_no_daemon.close()
    second = await opened(tmp_path / "nexus.db")
    again = PretendPipe()
    async with second.hub.follow(again, after=pipe.ids[-1], task_id=None):
        await second.add(10)
        await until(lambda: again.ids and again.ids[-1] == 30)
    await closed(second)
    assert pipe.ids + again.ids == list(range(1, 31))


async def test_while_nobody_follows_nothing_is_kept(board: Board) -> None:
    await board.add(50)
    assert board.hub._ring.end == board.hub._ring.first


async def test_publishing_to_those_who_do_not_read_takes_no_longer_than_to_nobody(board: Board) -> None:
    """The desk's thread goes on writing while clients are full: its commits are not held up by them."""
    threads = threading.active_count()
    async with AsyncExitStack() as stack:
        for _ in range(100):
            await stack.enter_async_context(board.hub.follow(PretendPipe(reads=False), after=0, task_id=None))
        await asyncio.wait_for(board.add(400, title="y" * 400), 60)
    assert threading.active_count() < threads + 10
    assert len(await board.ids()) == 400


async def test_waiting_ends_with_the_next_event_or_with_the_time(board: Board) -> None:
    await board.hub.wait(0, seconds=0.01)
    assert board.hub.seq == 0
    waiting = asyncio.create_task(board.hub.wait(0, seconds=60))
    await board.add()
    await waiting
    assert board.hub.seq == 1
