"""HeadProtocol: HTTP connections on which somebody is soon asked for something; one that is only held open is closed.

There are at most so many at a time: they take the daemon's open files, which its claims and its children need. A new one
takes the place of the one that has been idle for longest.
"""

from __future__ import annotations

import asyncio
import resource
from collections import OrderedDict
from weakref import WeakKeyDictionary

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from dreamos_tasks.interfaces.http.problems import problem_body, problem_headers
from dreamos_tasks.interfaces.http.refusals import TooManyConnections

HEAD_SECONDS = 30.0  # for the head of a request, from the connection or from the head's first byte

MOST_CONNECTIONS = 512  # of plain HTTP on one address; who follows the board is counted apart


def most_connections() -> int:
    """How many there may be: the files that this process may open are for more than them."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(16, min(MOST_CONNECTIONS, soft // 4))


class Places:
    """The connections of one address. Each step costs the same, however many there are: a flood costs no more than it sends."""

    def __init__(self) -> None:
        self._taken = 0
        self._idle: OrderedDict[HeadProtocol, None] = (
            OrderedDict()
        )  # the one that has been idle for longest comes first

    def take(self, connection: HeadProtocol) -> bool:
        """A place for a new connection, if need be another's; False where nobody can go."""
        if self._taken >= most_connections():
            if not self._idle:
                return False
            longest = next(iter(self._idle))
            longest.leave()
            longest.transport.abort()
        self._taken += 1
        self._idle[connection] = None
        return True

    def note(self, connection: HeadProtocol) -> None:
        """Whether somebody waits for an answer on it has changed, perhaps."""
        if not connection.is_idle:
            self._idle.pop(connection, None)
        elif connection not in self._idle:
            self._idle[connection] = None

    def give_back(self, connection: HeadProtocol) -> None:
        """It is no connection of plain HTTP any more."""
        self._taken -= 1
        self._idle.pop(connection, None)


PLACES: WeakKeyDictionary[ServerState, Places] = WeakKeyDictionary()


class HeadProtocol(H11Protocol):
    """uvicorn's own gives whoever begins a request and never ends its head all the time there is, and a place among the
    open files of the daemon. Bodies have a limit of their own, and so has a connection between two requests.
    """

    _head: asyncio.TimerHandle | None = None
    _has_place = False

    @property
    def is_idle(self) -> bool:
        """Nobody waits for an answer on it."""
        cycle: RequestResponseCycle | None = self.cycle  # uvicorn says that there is always one
        return cycle is None or cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._has_place = self._places.take(self)
        if self._has_place:
            self._expect_head()
        else:
            self._refuse()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        super().data_received(data)
        self._note()
        if self.conn.their_state is not h11.IDLE or not self.conn.trailing_data[0]:
            self._forget_head()
        elif self._head is None:
            self._expect_head()

    def on_response_complete(self) -> None:
        """See uvicorn, which begins with the next request here if that has come already."""
        super().on_response_complete()
        self._note()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """See uvicorn."""
        self.leave()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._forget_head()
        self.leave()
        super().connection_lost(exc)

    def leave(self) -> None:
        """Give the place back, if this has one."""
        if self._has_place:
            self._has_place = False
            self._places.give_back(self)

    @property
    def _places(self) -> Places:
        return PLACES.setdefault(self.server_state, Places())

    def _note(self) -> None:
        if self._has_place:
            self._places.note(self)

    def _refuse(self) -> None:
        error = TooManyConnections(most=most_connections())
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
