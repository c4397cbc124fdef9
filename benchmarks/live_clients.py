"""A process of many WebSocket clients that cost little: raw sockets that count frames, and note when some of them came.

`python -m benchmarks.live_clients URL ORIGIN TOKEN CLIENTS EXPECTED` says `ready` when all are connected, and when each has
had so many frames (or a minute has passed): `{"frames", "first_ns", "last_ns", "arrivals": {number: [ns, ...]}}`.
"""

from __future__ import annotations

import base64
import json
import os
import re
import selectors
import socket
import sys
import time
from collections import defaultdict

NUMBER = re.compile(rb'"title":"(\d{9})')
MARK = b'"title":"'
SAMPLED = 10  # every so manieth client notes when each frame came; the others only count
PATIENCE_SECONDS = 60.0


def main() -> None:
    """See above."""
    url, origin, token, clients, expected = sys.argv[1:]
    sockets = [_connected(url, origin, token) for _ in range(int(clients))]
    print("ready", flush=True)
    selector = selectors.DefaultSelector()
    for number, client in enumerate(sockets):
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ, [number % SAMPLED == 0, b""])
    arrivals: dict[int, list[int]] = defaultdict(list)
    frames = first = last = 0
    total = int(expected) * len(sockets)
    end = time.monotonic() + PATIENCE_SECONDS
    while frames < total and time.monotonic() < end:
        for key, _ in selector.select(0.5):
            client = key.fileobj
            assert isinstance(client, socket.socket)
            chunk = client.recv(262_144)
            if not chunk:
                selector.unregister(client)
                continue
            now = time.monotonic_ns()
            text = key.data[1] + chunk
            count = text.count(MARK)
            # What may be the beginning of a mark, or of the number behind it, is looked at with what comes next.
            cut = max(text.rfind(MARK), 0)
            if count and len(text) - cut < len(MARK) + 9:
                count -= 1
                key.data[1] = text[cut:]
            else:
                key.data[1] = text[-len(MARK) + 1 :]
            frames += count
            if count:
                first, last = first or now, now
            if key.data[0]:
                for found in NUMBER.finditer(text):
                    arrivals[int(found[1])].append(now)
    print(json.dumps({"frames": frames, "first_ns": first, "last_ns": last, "arrivals": arrivals}), flush=True)


def _connected(url: str, origin: str, token: str) -> socket.socket:
    host, _, path = url.partition("://")[2].partition("/")
    name, port = host.split(":")
    client = socket.create_connection((name, int(port)))
    client.sendall(
        f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nAuthorization: Bearer {token}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += client.recv(1)
    if b" 101 " not in head:
        raise SystemExit(f"not let in: {head.decode()}")
    return client


if __name__ == "__main__":
    main()
