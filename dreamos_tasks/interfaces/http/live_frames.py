"""WebSocket frames that are made once and written as they are to any number of connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

if TYPE_CHECKING:
    from starlette.types import Scope
    from uvicorn._types import ASGISendEvent
    from websockets.http11 import Request

EXTENSION = "dreamos_tasks.frames"  # in the ASGI scope
KERNEL_BYTES = 131_072  # of what is sent and not read; left to itself the kernel keeps megabytes for who never reads


def text_frame(text: str) -> bytes:
    """A whole message in one frame, as a server sends it: unmasked and not compressed, so the same for every client."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def pipe_of(scope: Scope) -> FramePipe:
    """The way past ASGI to the connection. The server has to be started with FrameProtocol."""
    pipe: FramePipe = scope["extensions"][EXTENSION]
    return pipe


class FramePipe:
    """One connection, for whoever writes whole frames to it. Use it between accepting the connection and closing it."""

    def __init__(self, protocol: FrameProtocol) -> None:
        self._protocol = protocol
        self.on_room: Callable[[], None] = lambda: None

    @property
    def is_full(self) -> bool:
        """More is waiting to be sent than need be: the client reads too slowly. `on_room` is called when that is over."""
        return not self._protocol.writable.is_set()

    @property
    def is_closed(self) -> bool:
        """Nothing more can be written."""
        transport: asyncio.Transport = self._protocol.transport
        return self._protocol.close_sent or transport.is_closing()

    def write(self, frames: bytes) -> None:
        """Send whole frames. Never waits."""
        self._protocol.transport.write(frames)

    def abort(self) -> None:
        """End the connection without waiting until what is written has been read."""
        self._protocol.transport.abort()


class FrameProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol, with a FramePipe in the scope; for `uvicorn.Config(ws=FrameProtocol)`.

    What ASGI has for a message is a call for each client: encoded, framed and awaited a hundred times. Here it is one write
    of the same bytes, four times as many messages a second.
    """

    pipe: FramePipe | None = None

    def handle_connect(self, event: Request) -> None:
        """See uvicorn. The application begins to run after this."""
        super().handle_connect(event)
        if self.handshake_complete:  # refused
            return
        self.pipe = FramePipe(self)
        connection = self.transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
        extensions = self.scope.get("extensions")
        assert extensions is not None, "uvicorn gives every scope its extensions"
        extensions[EXTENSION] = self.pipe  # type: ignore[assignment]

    async def send(self, message: ASGISendEvent) -> None:
        """See uvicorn, which takes a handshake that was refused with a whole answer for one that was forgotten, and logs it."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            self.handshake_complete = True

    def resume_writing(self) -> None:
        """See asyncio."""
        super().resume_writing()
        if self.pipe is not None:
            self.pipe.on_room()

    def keepalive_timeout(self) -> None:
        """See uvicorn, which would wait until a client that does not even answer a ping has read what is left for it."""
        super().keepalive_timeout()
        self.transport.abort()
