"""Pulse: how the daemon learns that the board was written, and reads what happened: doorbell, and a slow poll below it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from loguru import logger

from dreamos_tasks.background import Background
from dreamos_tasks.board.desk import MOST_EVENTS, BoardDesk
from dreamos_tasks.board.doorbell import hang_doorbell
from dreamos_tasks.errors import BoardUnavailable
from dreamos_tasks.model.event import Event


class Pulse:
    """Calls `on_others` when another process may have written, and `on_event` for every event, in order.

    A ring carries nothing: events are read from the board after the last seq seen, so a lost ring costs at most
    `poll_seconds` and never an event.
    """

    def __init__(
        self,
        desk: BoardDesk,
        bell_path: Path,
        *,
        poll_seconds: float,
        on_others: Callable[[], None],
        on_event: Callable[[Event], None],
    ) -> None:
        self._desk = desk
        self._bell_path = bell_path
        self._poll_seconds = poll_seconds
        self._on_others = on_others
        self._on_event = on_event
        self._bell: socket.socket | None = None
        self._written = asyncio.Event()
        self._loops = (Background(self._poll, name="poll"), Background(self._read, name="events"))
        self.seq = 0
        self.trouble = ""

    async def start(self) -> None:
        """Hang the bell and begin at the board's newest event."""
        self.seq = await self._desk.read(lambda nexus: nexus.store.last_seq())
        self._bell = hang_doorbell(self._bell_path)
        asyncio.get_running_loop().add_reader(self._bell, self._rung)
        for loop in self._loops:
            loop.start()

    async def stop(self) -> None:
        """Read what is left and take the bell down. May be called twice."""
        for loop in self._loops:
            await loop.stop()
        if self._bell is not None:
            asyncio.get_running_loop().remove_reader(self._bell)
            self._bell.close()
            self._bell = None
            self._bell_path.unlink(missing_ok=True)
            with suppress(BoardUnavailable):
                await self._read_new()

    def committed(self, events: Sequence[Event]) -> None:
        """This daemon's desk has seen these events, in order. Told at once, unless there are others before them."""
        if events[0].seq > self.seq + 1:
            self._written.set()
            return
        self._tell(events)
        if len(events) >= MOST_EVENTS:
            self._written.set()

    def _rung(self) -> None:
        if self._bell is None:
            return
        with suppress(BlockingIOError):
            while self._bell.recv(16):
                pass
        self._written.set()  # first: whoever follows is told before the daemon looks for work, which may take a commit
        self._on_others()

    async def _poll(self) -> None:
        mark = None
        while True:
            try:
                found = await self._desk.read(lambda nexus: nexus.store.change_mark())
                if self.trouble:
                    logger.info("the board can be read again")
                self.trouble = ""
                if mark is not None and found != mark:
                    self._on_others()
                    self._written.set()
                mark = found
            except BoardUnavailable as error:
                if self.trouble != error.message:
                    logger.critical("{} ({}) {}", error.message, error.cause, error.fix)
                    self._on_others()
                self.trouble = error.message
            await asyncio.sleep(self._poll_seconds)

    async def _read(self) -> None:
        while True:
            await self._written.wait()
            self._written.clear()
            try:
                await self._read_new()
            except BoardUnavailable as error:
                logger.error("events cannot be read: {}", error.message)
                await asyncio.sleep(self._poll_seconds)
                self._written.set()

    async def _read_new(self) -> None:
        while True:
            events = await self._desk.read(lambda nexus: nexus.events(after=self.seq, limit=MOST_EVENTS))
            self._tell(events)
            if len(events) < MOST_EVENTS:
                return

    def _tell(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.seq > self.seq:  # another way was faster
                self.seq = event.seq
                self._on_event(event)
