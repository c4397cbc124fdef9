"""A process with a plain WebSocket server: what this machine can deliver at most, by the frame and by the `websockets` library.

`python -m benchmarks.live_servers KIND CLIENTS EVENTS RATE` prints its port, waits for so many clients, sends so many events
(RATE a second; 0: as fast as the clients take them), and prints `{number: ns}`: when each was sent.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable

from websockets.asyncio.server import ServerConnection, broadcast, serve

# As long as the message of a task that was added.
MESSAGE = (
    '{"id":%d,"type":"queue_update","timestamp":"2026-01-01T00:00:00.000000Z","data":{"task_id":"dt-00000",'
    '"event":"task_added","by":"api","changes":{"title":"%09d"},"detail":{}}}'
)
ACCEPTING = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MOST_WAITING_BYTES = 262_144  # of one client, before the flood waits


async def feed(
    send: Callable[[str], None], transports: Callable[[], Iterable[asyncio.WriteTransport]], events: int, rate: float
) -> dict[int, int]:
    """Send them all; gives when."""
    sent: dict[int, int] = {}
    begin = time.monotonic()
    for number in range(events):
        if rate:
            await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
        sent[number] = time.monotonic_ns()
        send(MESSAGE % (number, number))
        if not rate:
            await asyncio.sleep(0)
            while any(each.get_write_buffer_size() > MOST_WAITING_BYTES for each in transports()):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
    return sent


async def plain(clients: int, events: int, rate: float) -> dict[int, int]:
    """The limit: the handshake by hand, one frame for all, written to each."""
    writers: set[asyncio.StreamWriter] = set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        (key,) = [line.split(b": ")[1] for line in head.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key")]
        accept = base64.b64encode(hashlib.sha1(key + ACCEPTING).digest())
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        writers.add(writer)
        await reader.read()

    def send(text: str) -> None:
        payload = text.encode()
        frame = bytes([0x81, 126]) + len(payload).to_bytes(2, "big") + payload
        for writer in writers:
            writer.transport.write(frame)

    server = await asyncio.start_server(client, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await _until(lambda: len(writers) == clients)
    return await feed(send, lambda: [writer.transport for writer in writers], events, rate)


async def library(clients: int, events: int, rate: float) -> dict[int, int]:
    """`websockets.broadcast`, without compression."""
    connections: set[ServerConnection] = set()

    async def client(connection: ServerConnection) -> None:
        connections.add(connection)
        await connection.wait_closed()

    async with serve(client, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await _until(lambda: len(connections) == clients)
        transports = [connection.transport for connection in connections]
        sent = await feed(lambda text: broadcast(connections, text), lambda: transports, events, rate)
        await asyncio.sleep(2)
    return sent


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)


async def main() -> None:
    """See above."""
    kind, clients, events, rate = sys.argv[1:]
    sent = await {"plain": plain, "library": library}[kind](int(clients), int(events), float(rate))
    print(json.dumps(sent), flush=True)
    await asyncio.to_thread(sys.stdin.read)  # the clients are to be the first to go


if __name__ == "__main__":
    asyncio.run(main())
