"""The way out for a browser: it leads to checked addresses only, and says why it leads nowhere else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address

import pytest

from dreamos_tasks.tools.address_guard import AddressGuard, CallRefused
from dreamos_tasks.tools.browser_proxy import GuardedProxy
from tests.tools.listening import nobody_listening

GREETING = b"\x05\x01\x00"
GRANTED, NOT_ALLOWED, UNREACHABLE, NO_SUCH_COMMAND = 0, 2, 4, 7
NAMES = {"public.test": "93.184.216.34", "inside.test": "127.0.0.1"}

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def resolve(host: str, _port: int) -> Sequence[str]:
    if host not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return (NAMES[host],)


@asynccontextmanager
async def proxy(named: Collection[tuple[str, int]] = ()) -> AsyncIterator[GuardedProxy]:
    async with GuardedProxy(AddressGuard(resolve=resolve), named=named) as found:
        yield found


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """The port of a server that says what it is told, and then that this was all."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read() + b" was all")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def line_to(found: GuardedProxy) -> Line:
    host, _, port = found.url.removeprefix("socks5://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def asked(line: Line, host: str, port: int, *, command: int = 1) -> int:
    """What the proxy replies."""
    reader, writer = line
    try:
        address = ip_address(host)
        place = (b"\x01" if address.version == 4 else b"\x04") + address.packed
    except ValueError:
        place = b"\x03" + bytes((len(host),)) + host.encode()
    writer.write(GREETING + bytes((5, command, 0)) + place + port.to_bytes(2, "big"))
    assert await reader.readexactly(2) == b"\x05\x00"
    return (await reader.readexactly(10))[1]


@pytest.mark.parametrize("host", ["inside.test", "127.0.0.1", "INSIDE.test"])
async def test_what_is_said_is_handed_on_both_ways_and_so_is_its_end(host: str) -> None:
    async with echo() as port, proxy({("inside.test", port), ("127.0.0.1", port)}) as found:
        line = reader, writer = await line_to(found)
        assert await asked(line, host, port) == GRANTED

        writer.write(b"x" * 1_000_000)
        writer.write_eof()

        assert await reader.read() == b"x" * 1_000_000 + b" was all"
        assert found.troubles == []
        writer.close()


@pytest.mark.parametrize("host", ["169.254.169.254", "::ffff:169.254.169.254", "0.0.0.0", "fd00:ec2::254"])
async def test_what_may_not_be_called_is_not_and_is_told(host: str) -> None:
    async with proxy() as found:
        line = await line_to(found)

        assert await asked(line, host, 80) == NOT_ALLOWED

        assert await line[0].read() == b""
        (trouble,) = found.troubles
        assert isinstance(trouble.error, CallRefused)
        assert found.refusals == [str(trouble.error)]
        line[1].close()


async def test_a_page_that_is_public_leads_to_no_private_address() -> None:
    async with echo() as port, proxy({("public.test", 443)}) as found:
        line = await line_to(found)

        assert await asked(line, "inside.test", port) == NOT_ALLOWED

        line[1].close()


async def test_a_step_that_names_a_private_host_may_reach_others() -> None:
    async with echo() as port, proxy({("public.test", 443), ("inside.test", 1)}) as found:
        line = await line_to(found)

        assert await asked(line, "127.0.0.1", port) == GRANTED

        line[1].close()


async def test_who_is_not_there_is_told_apart_from_who_is_not_known() -> None:
    with nobody_listening() as port:
        async with proxy({("127.0.0.1", port)}) as found:
            for host in ("127.0.0.1", "nowhere.test"):
                line = await line_to(found)
                assert await asked(line, host, port) == UNREACHABLE
                line[1].close()

            silent, unknown = (trouble.error for trouble in found.troubles)
            assert isinstance(silent, ConnectionRefusedError)
            assert isinstance(unknown, socket.gaierror)


async def test_other_commands_and_other_protocols_end_the_line() -> None:
    async with proxy() as found:
        line = await line_to(found)
        assert await asked(line, "127.0.0.1", 80, command=2) == NO_SUCH_COMMAND
        line[1].close()

        for said in (b"GET / HTTP/1.1\r\n\r\n", b"\x05\x01\x00\x05\x01\x00\x03\x03\xff\xff\xff\x00\x50", b"\x05"):
            reader, writer = await line_to(found)
            writer.write(said)
            writer.write_eof()
            assert await reader.read() in (b"", b"\x05\x00")
            writer.close()


async def test_when_the_visit_is_over_so_are_its_connections() -> None:
    async with echo() as port:
        async with proxy({("127.0.0.1", port)}) as found:
            line = reader, writer = await line_to(found)
            assert await asked(line, "127.0.0.1", port) == GRANTED
        assert await reader.read() == b""
        writer.close()
        assert not [task for task in asyncio.all_tasks() if "GuardedProxy" in repr(task) or "_relay" in repr(task)]
