"""GuardedProxy: the only way out for a browser: a SOCKS5 server (RFC 1928) that connects to checked addresses alone.

So the rules hold for all that a page asks for: redirects, pictures, scripts, web sockets, whatever its name resolves to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from types import TracebackType

from dreamos_tasks.tools.address_guard import AddressGuard, CallRefused

CONNECT_SECONDS = 15.0  # for each address of a host
READ_BYTES = 65_536
MOST_TROUBLES = 1000  # that are remembered

_VERSION, _CONNECT, _NO_LOGIN = 5, 1, 0
_IPV4, _NAME, _IPV6 = 1, 3, 4
_GRANTED, _NOT_ALLOWED, _UNREACHABLE, _NO_SUCH_COMMAND = 0, 2, 4, 7

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why no connection was made to this host and port."""

    place: Place
    error: CallRefused | OSError


class GuardedProxy:
    """Listens on this machine while its block runs. `named` are the hosts and ports that the step itself names.

    A step that names public hosts only reaches no private address by way of them. `troubles` are the connections that were
    not made, in their order: the browser itself only learns that there was none.
    """

    def __init__(self, guard: AddressGuard, *, named: Collection[Place]) -> None:
        self.troubles: list[Trouble] = []
        self._guard = guard
        self._named = named
        self._visits_private = False
        self._talks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """What the browser is told."""
        assert self._server is not None
        return f"socks5://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def refusals(self) -> list[str]:
        """What was asked for and may not be called, in words."""
        texts = [str(trouble.error) for trouble in self.troubles if isinstance(trouble.error, CallRefused)]
        return list(dict.fromkeys(texts))

    async def __aenter__(self) -> GuardedProxy:
        for host, port in self._named:
            with suppress(CallRefused, OSError):  # it is told when it is gone to
                found = await self._guard.addresses_of(host, port)
                self._visits_private = self._visits_private or not all(address.is_public for address in found)
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.ensure_future(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the browser, from its greeting to its end."""
        try:
            place = await _asked(reader, writer)
            if place is not None:
                await self._connect(place, reader, writer)
        except (OSError, EOFError, ValueError):  # either side went away, or the browser speaks something else
            return
        finally:
            writer.close()

    async def _connect(self, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._reach(place)
        except (CallRefused, OSError) as error:
            if len(self.troubles) < MOST_TROUBLES:
                self.troubles.append(Trouble(place, error))
            writer.write(_reply(_NOT_ALLOWED if isinstance(error, CallRefused) else _UNREACHABLE))
            await writer.drain()
            return
        writer.write(_reply(_GRANTED))
        ways = (asyncio.ensure_future(_relay(reader, far_writer)), asyncio.ensure_future(_relay(far_reader, writer)))
        try:
            await asyncio.gather(*ways)
        finally:
            for way in ways:
                way.cancel()
            far_writer.close()

    async def _reach(self, place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, port = place
        from_public = not self._visits_private and place not in self._named
        trouble: OSError | None = None
        for address in await self._guard.addresses_of(host, port, from_public=from_public):
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(address.text, port)
            except OSError as error:  # TimeoutError is one
                trouble = error
        assert trouble is not None
        raise trouble


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Place | None:
    """Where the browser wants to be connected to; None when it wants something else."""
    version, methods = await reader.readexactly(2)
    await reader.readexactly(methods)
    if version != _VERSION:
        return None
    writer.write(bytes((_VERSION, _NO_LOGIN)))
    _, command, _, kind = await reader.readexactly(4)
    if kind == _NAME:
        (length,) = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode("ascii")
    else:
        host = str(ip_address(await reader.readexactly(4 if kind == _IPV4 else 16)))
    port = int.from_bytes(await reader.readexactly(2), "big")
    if command != _CONNECT or kind not in (_IPV4, _NAME, _IPV6):
        writer.write(_reply(_NO_SUCH_COMMAND))
        await writer.drain()
        return None
    return host.strip("[]").lower(), port


def _reply(code: int) -> bytes:
    return bytes((_VERSION, code, 0, _IPV4)) + bytes(6)


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Hand on all that comes, and its end."""
    while piece := await reader.read(READ_BYTES):
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
