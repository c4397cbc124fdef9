"""A connection as the hub sees it, to a client that reads when it is told to; and what it has read, as messages."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

ROOM_BYTES = 65_536  # what asyncio's transports take before they say that they are full


class PretendPipe:
    """See FramePipe. `reads` False: what is written stays with the sender until `read`."""

    def __init__(self, *, reads: bool = True) -> None:
        self.on_room: Callable[[], None] = lambda: None
        self.is_closed = False
        self.reads = reads
        self.waiting = bytearray()
        self.most_waiting = 0
        self.received = bytearray()

    @property
    def is_full(self) -> bool:
        return len(self.waiting) > ROOM_BYTES

    def write(self, frames: bytes) -> None:
        assert not self.is_closed
        (self.received if self.reads else self.waiting).extend(frames)
        self.most_waiting = max(self.most_waiting, len(self.waiting))

    def read(self) -> None:
        """Take what waits, as a client does that was busy."""
        was_full = self.is_full
        self.received.extend(self.waiting)
        self.waiting.clear()
        if was_full:
            self.on_room()

    def cut(self, at: int) -> None:
        """The connection breaks: of what was received only so many bytes have arrived."""
        del self.received[at:]
        self.abort()

    def abort(self) -> None:
        self.is_closed = True

    @property
    def messages(self) -> Sequence[dict[str, Any]]:
        """The whole messages that were received."""
        return messages_in(bytes(self.received))

    @property
    def ids(self) -> list[int]:
        """The ids of those that tell an event."""
        return [message["id"] for message in self.messages if message["type"] not in ("heartbeat", "gap")]


def messages_in(stream: bytes) -> list[dict[str, Any]]:
    """The messages in a stream of unmasked text frames; a last one that is not whole is left aside."""
    found, at = [], 0
    while at + 2 <= len(stream):
        assert stream[at] == 0x81, "one whole text message a frame"
        size, head = stream[at + 1], 2
        if at + 10 > len(stream) and at + head + min(size, 8) > len(stream):
            break
        if size == 126:
            size, head = struct.unpack_from(">H", stream, at + 2)[0], 4
        elif size == 127:
            size, head = struct.unpack_from(">Q", stream, at + 2)[0], 10
        if at + head + size > len(stream):
            break
        found.append(json.loads(stream[at + head : at + head + size]))
        at += head + size
    return found
