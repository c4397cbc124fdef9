"""LiveHub: tells all who follow the board what happens on it: from the last id they have seen, then as it happens.

What happens is encoded once, kept for a while in one ring for all, and written to each client as fast as it reads. A slow
client is never waited for: when what it has not read yet has left the ring, it is told of the gap and of how things stand.
One that has stopped reading is dropped. What is older than the ring is read from the board.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol, TypeVar

from loguru import logger

from dreamos_tasks.background import Background
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import DreamosError
from dreamos_tasks.interfaces.http.live_client import LiveClient, Pipe
from dreamos_tasks.interfaces.http.live_frames import text_frame
from dreamos_tasks.interfaces.http.live_ring import LiveRing
from dreamos_tasks.interfaces.http.live_snapshot import snapshot
from dreamos_tasks.model.event import Event
from dreamos_tasks.model.live_message import encoded, gap, heartbeat, live_message
from dreamos_tasks.model.value import frozen_value

Found = TypeVar("Found")
Standing = tuple[int, Mapping[str, Any]]  # how things stand, and the seq from which on the ring tells what came after


@frozen_value
class LiveLimits:
    """How much is kept for those who follow, and for how long."""

    ring_bytes: int = 8 * 1024 * 1024  # some 20,000 messages: a client may be so far behind before it is told of a gap
    heartbeat_seconds: float = 15.0  # the dashboard calls itself stale when it has heard nothing for longer
    stuck_seconds: float = 30.0  # who has not taken anything for so long is dropped
    replay_events: int = 200  # read and encoded at once: a few milliseconds of the desk's time
    replays_at_once: int = 4  # when all come back after a restart, the board has other things to do as well


class Desk(Protocol):
    """Where the board is read."""

    def read(self, act: Callable[[TaskNexus], Found]) -> Awaitable[Found]:
        """Run a call that only reads."""
        ...


class LiveHub:
    """Give it every event of the board, in order: `publish`. Runs in one event loop, and does nothing before `begin`."""

    def __init__(self, desk: Desk, *, limits: LiveLimits | None = None) -> None:
        self._desk = desk
        self._limits = limits or LiveLimits()
        self._ring = LiveRing(self._limits.ring_bytes)
        self._clients: set[LiveClient] = set()
        self._replays = asyncio.Semaphore(self._limits.replays_at_once)
        self._reading: asyncio.Task[Standing] | None = None
        self._is_flushing = False
        self._is_stopped = False
        self._moved = asyncio.Event()
        self._care = Background(self._look_after_clients, name="live")
        self.seq = 0

    @property
    def clients(self) -> int:
        """How many follow."""
        return len(self._clients)

    async def begin(self) -> None:
        """At the board's newest event, as soon as somebody wants to follow. Raises BoardUnavailable kinds."""
        if self._care.is_running:
            return
        seq = await self._desk.read(lambda nexus: nexus.store.last_seq())
        if not self._care.is_running:
            self.seq = max(self.seq, seq)
            self._ring.clear(self.seq)
            self._care.start()

    async def stop(self) -> None:
        """Let go whoever waits, and those who do not read: closing their connections would take for ever.

        May be called twice.
        """
        self._is_stopped = True
        self._moved.set()
        await self._care.stop()
        for client in tuple(self._clients):
            if client.full_since is not None:
                client.pipe.abort()

    def publish(self, event: Event) -> None:
        """Tell all who follow. Takes a moment, however many they are: what is written is written afterwards."""
        if event.seq <= self.seq:
            return
        self.seq = event.seq
        self._moved.set()
        if not self._clients:
            self._ring.clear(event.seq)  # nobody needs to be kept a copy of what is on the board
            return
        self._ring.add(event.seq, event.task_id, text_frame(encoded(live_message(event))))
        if not self._is_flushing:
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    async def wait(self, after: int, *, seconds: float) -> None:
        """Wait until something has happened after this seq, so long at most."""
        try:
            async with asyncio.timeout(seconds):
                while self.seq <= after and not self._is_stopped:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            return

    @asynccontextmanager
    async def follow(
        self,
        pipe: Pipe,
        *,
        after: int | None,
        task_id: str | None,
        is_welcome: Callable[[], bool] = lambda: True,
    ) -> AsyncIterator[None]:
        """Tell this connection what comes after the id `after` (None: from now on), as long as the block lasts.

        `begin` has been called. Who is not welcome any more is let go.
        """
        client = LiveClient(pipe, self._ring, task_id=task_id, on_lost=self._cut, is_welcome=is_welcome)
        self._clients.add(client)
        client.work = asyncio.create_task(self._bring_up_to_date(client, after), name="replay")
        try:
            yield
        finally:
            self._clients.discard(client)
            await client.close()
            if not self._clients:
                self._ring.clear(self.seq)

    def _flush(self) -> None:
        self._is_flushing = False
        for client in tuple(self._clients):
            client.pump()

    async def _bring_up_to_date(self, client: LiveClient, after: int | None) -> None:
        """Tell the client what has happened already; from then on it is told with all the others."""
        try:
            if after is None:
                after = self.seq
            elif after > self.seq and not await self._comes_to_know(after):
                await self._tell_gap(
                    client, after, reason="unknown_id"
                )  # another board's, or this one's before a restore
                return
            after = await self._replay(client, after)
            client.begin(self._ring.behind(after))
            _tell_heartbeat(client)
        except DreamosError as error:
            _give_up(client, error)

    async def _comes_to_know(self, seq: int) -> bool:
        """Whether there is an event of this seq, of which the hub has been told. (The board can be ahead of what is told.)"""
        if seq > await self._desk.read(lambda nexus: nexus.store.last_seq()):
            return False
        await self.wait(seq - 1, seconds=self._limits.heartbeat_seconds)
        return self.seq >= seq

    async def _replay(self, client: LiveClient, after: int) -> int:
        """Tell what only the board knows; gives the seq up to which the client has been told everything."""
        while after < self._ring.floor and not client.pipe.is_closed:
            floor, most = self._ring.floor, self._limits.replay_events
            async with self._replays:
                read = await self._desk.read(partial(_frames, after=after, task_id=client.task_id, limit=most))
            frames = [frame for seq, frame in read if seq <= floor]  # those behind it come from the ring
            after = read[-1][0] if len(frames) == most else floor
            await client.room()
            client.write(b"".join(frames))
        return after

    def _cut(self, client: LiveClient) -> None:
        """The client has been too slow: what it has not read yet is gone from the ring."""
        client.work = asyncio.create_task(self._tell_gap(client, client.seq, reason="slow"), name="gap")

    async def _tell_gap(self, client: LiveClient, after: int, *, reason: str) -> None:
        try:
            seq, standing = await self._standing(client.task_id)
        except DreamosError as error:
            _give_up(client, error)
            return
        client.write(text_frame(encoded(gap(seq, _now(), after=after, reason=reason, snapshot=standing))))
        client.begin(self._ring.behind(seq))

    async def _standing(self, task_id: str | None) -> Standing:
        """How things stand. Those who are cut while the board is being read share what is found."""
        if task_id is not None:
            return await self._read_standing(task_id)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_standing(None), name="snapshot")
        return await asyncio.shield(self._reading)

    async def _read_standing(self, task_id: str | None) -> Standing:
        while True:
            seq = self.seq  # before the board is read: what happens meanwhile is told besides
            standing = await self._desk.read(lambda nexus: snapshot(nexus, task_id))
            if seq >= self._ring.floor:
                return seq, standing

    async def _look_after_clients(self) -> None:
        """Heartbeats; and those who have stopped reading are dropped."""
        limits, loop = self._limits, asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(limits.heartbeat_seconds, limits.stuck_seconds) / 2)
            now = loop.time()
            for client in tuple(self._clients):
                if not client.is_welcome():
                    client.pipe.abort()
                elif client.full_since is not None and now - client.full_since > limits.stuck_seconds:
                    logger.warning("somebody who follows has not read for {:g} s: dropped", limits.stuck_seconds)
                    client.pipe.abort()
                elif now - client.told_at >= limits.heartbeat_seconds / 2:
                    _tell_heartbeat(client)


def _frames(nexus: TaskNexus, *, after: int, task_id: str | None, limit: int) -> list[tuple[int, bytes]]:
    """The next events on the board: the seq and the frame of each. Made in the desk's thread: the loop has others to serve."""
    events = nexus.events(after=after, task_id=task_id, limit=limit)
    return [(event.seq, text_frame(encoded(live_message(event)))) for event in events]


def _tell_heartbeat(client: LiveClient) -> None:
    if client.is_up_to_date:
        client.write(text_frame(encoded(heartbeat(client.seq, _now()))))


def _give_up(client: LiveClient, error: DreamosError) -> None:
    """It comes back, with the last id that it has seen."""
    logger.error("a client cannot be told what it has missed: {}", error.message)
    client.pipe.abort()


def _now() -> datetime:
    return datetime.now(UTC)
