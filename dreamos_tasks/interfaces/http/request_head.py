"""HeadProtocol: HTTP connections on which somebody is soon asked for something; one that is only held open is closed.

There are at most so many at a time: they take the daemon's open files, which its claims and its children need. A new one
takes the place of the one that has been idle for longest.
"""

from __future__ import annotations

import asyncio
import resource

import h11
from loguru import logger
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from dreamos_tasks.interfaces.http.problems import problem_body, problem_headers
from dreamos_tasks.interfaces.http.refusals import TooManyConnections

HEAD_SECONDS = 30.0  # for the head of a request, from the connection or from the head's first byte

MOST_CONNECTIONS = 512  # of plain HTTP on one address; who follows the board is counted apart


def most_connections() -> int:
    """How many there may be: the files that this process may open are for more than them."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(MOST_CONNECTIONS, soft // 4))


class HeadProtocol(H11Protocol):
    """uvicorn's own gives whoever begins a request and never ends its head all the time there is, and a place among the
    open files of the daemon. Bodies have a limit of their own, and so has a connection between two requests.
    """

    idle_since = 0.0  # on the loop's clock
    _head: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Nobody waits for an answer on it."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn says that there is always one
        return cycle is None or cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.idle_since = self.loop.time()
        self._expect_head()
        self._make_room()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        self.idle_since = self.loop.time()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE or not self.conn.trailing_data[0]:
            self._forget_head()
        elif self._head is None:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._forget_head()
        super().connection_lost(exc)

    def _make_room(self) -> None:
        """Where there are too many now: the one that has been idle for longest goes, or else this one."""
        open_ones = [
            one for one in self.connections if isinstance(one, HeadProtocol) and not one.transport.is_closing()
        ]
        if len(open_ones) <= most_connections():
            return
        idle = [one for one in open_ones if one is not self and one.is_idle]
        if idle:
            min(idle, key=lambda one: one.idle_since).transport.abort()
            return
        error = TooManyConnections(most=most_connections())
        logger.warning(error.message)
        body = problem_body(error)
        headers = problem_headers(error) | {"content-length": str(len(body)), "connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(f"HTTP/1.1 {error.status} Service Unavailable\r\n{head}\r\n".encode("latin-1") + body)
        self.transport.close()

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None
