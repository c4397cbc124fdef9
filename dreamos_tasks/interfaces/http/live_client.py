"""LiveClient: one who follows the board: up to where it has been told, and what it can take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from dreamos_tasks.interfaces.http.live_ring import LiveRing


class Pipe(Protocol):
    """The connection to a client, for whoever writes whole frames: see FramePipe."""

    on_room: Callable[[], None]

    @property
    def is_full(self) -> bool:
        """More is waiting to be sent than need be; `on_room` is called when that is over."""
        ...

    @property
    def is_closed(self) -> bool:
        """Nothing more can be written."""
        ...

    def write(self, frames: bytes) -> None:
        """Send whole frames. Never waits."""
        ...

    def abort(self) -> None:
        """End the connection at once."""
        ...


class LiveClient:
    """Takes frames from the ring as long as its connection has room, and goes on when there is room again.

    Nothing is queued for it: it has a position in the ring. `begin` says where; before, and while it is told how things
    stand after a gap, the ring does not concern it. `on_lost` is called when its position has left the ring.
    """

    def __init__(
        self,
        pipe: Pipe,
        ring: LiveRing,
        *,
        task_id: str | None,
        on_lost: Callable[[LiveClient], None],
        is_welcome: Callable[[], bool] = lambda: True,
    ) -> None:
        self.pipe = pipe
        self.task_id = task_id
        self.is_welcome = is_welcome  # asked now and then: a token can be revoked
        self.seq = 0  # it has been told all that concerns it up to here
        self.told_at = 0.0
        self.full_since: float | None = None
        self.work: asyncio.Task[None] | None = None  # what is being prepared for it
        self._ring = ring
        self._on_lost = on_lost
        self._position: int | None = None
        self._loop = asyncio.get_running_loop()
        self._has_room = asyncio.Event()
        self._has_room.set()
        pipe.on_room = self._go_on

    @property
    def is_up_to_date(self) -> bool:
        """It has been told everything."""
        return self._position == self._ring.end

    def begin(self, position: int) -> None:
        """From here on it is told what is in the ring."""
        self._position = position
        self.seq = self._ring.seq_before(position)
        self.pump()

    def pump(self) -> None:
        """Tell what there is to tell, as far as there is room."""
        while self._position is not None and self.full_since is None and not self.pipe.is_closed:
            if self._position < self._ring.first:
                self._position = None
                self._on_lost(self)
            elif self._position == self._ring.end:
                return
            else:
                frames, self._position = self._ring.chunk(self._position, self.task_id)
                self.seq = self._ring.seq_before(self._position)
                self.write(frames)

    def write(self, frames: bytes) -> None:
        """Send frames that are not in the ring, or that have been taken from it."""
        if not frames or self.pipe.is_closed:
            return
        self.told_at = self._loop.time()
        self.pipe.write(frames)
        if self.pipe.is_full and self.full_since is None:
            self.full_since = self.told_at
            self._has_room.clear()

    async def room(self) -> None:
        """Wait until the connection has room, or is closed."""
        await self._has_room.wait()

    async def close(self) -> None:
        """It follows no more."""
        self._position = None
        self._has_room.set()
        self.pipe.on_room = lambda: None
        if self.work is not None:
            self.work.cancel()
            with suppress(asyncio.CancelledError):
                await self.work

    def _go_on(self) -> None:
        self.full_since = None
        self._has_room.set()
        self.pump()
