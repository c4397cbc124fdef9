"""Fault 24, second half: a hundred clients follow the board and never read; claims go on, memory stays, others are told all."""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from dreamos_tasks.model.live_message import live_message
from dreamos_tasks.model.task import TaskDraft
from tests.torture.rig import Daemon, Rig

pytestmark = pytest.mark.torture

SILENT_CLIENTS = 100
TASKS = 400
MIB = 1024 * 1024
MOST_GROWTH_BYTES = 60 * MIB  # the ring, and what each connection may hold: about a quarter of a MiB
SLOWER_AT_MOST = 3.0  # claims with them than without: the machine has other things to do as well
SLACK_SECONDS = 0.02
MOST_TRIES = 3


def test_a_hundred_clients_that_never_read_hold_up_nobody(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(server={"enabled": True})
    daemon = rig.start_daemon()
    base, token = address(rig)
    alone = claims_of(rig)
    with ExitStack() as stack:
        for _ in range(SILENT_CLIENTS):
            stack.enter_context(silent_client(base, token))
        before = memory_bytes(daemon)
        with_them = claims_of(rig)
        assert memory_bytes(daemon) - before < MOST_GROWTH_BYTES
        with connect(
            f"{base.replace('http', 'ws', 1)}/api/v1/live?after=0",
            origin=Origin(base),
            additional_headers={"Authorization": f"Bearer {token}"},
            proxy=None,
        ) as reader:
            expected = [live_message(event) for event in rig.nexus.events(limit=100_000)]
            told: list[object] = []
            while len(told) < len(expected):
                message = json.loads(reader.recv(timeout=60))
                if message["type"] != "heartbeat":
                    told.append(message)
            assert told == expected
        assert rig.dt("status", "--json").code == 0
    tries = 1
    while with_them >= SLOWER_AT_MOST * alone + SLACK_SECONDS:  # perhaps the machine was busier than before, just then
        tries += 1
        assert tries <= MOST_TRIES, (alone, with_them)
        with ExitStack() as stack:
            for _ in range(SILENT_CLIENTS):
                stack.enter_context(silent_client(base, token))
            with_them = claims_of(rig)
        alone = max(alone, claims_of(rig))
    assert daemon.process.poll() is None


def claims_of(rig: Rig) -> float:
    """Add and claim tasks as agents do; gives the seconds that a claim takes."""
    seconds = []
    for number in range(TASKS):
        rig.nexus.add_task(TaskDraft(title=f"task {number} " + "x" * 450))
        begin = time.perf_counter()
        assert rig.nexus.get_next_task("ada") is not None
        seconds.append(time.perf_counter() - begin)
    return median(seconds)


def address(rig: Rig) -> tuple[str, str]:
    """Where the daemon's HTTP interface is, and the owner's token."""
    return rig.http_address(), (rig.home.runtime / "token").read_text().strip()


def silent_client(base: str, token: str) -> socket.socket:
    """Follows, and reads no more than the answer to its handshake."""
    host = base.partition("://")[2]
    name, port = host.split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((name, int(port)))
    client.sendall(
        f"GET /api/v1/live?after=0 HTTP/1.1\r\nHost: {host}\r\nOrigin: {base}\r\nAuthorization: Bearer {token}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
    )
    assert client.recv(12) == b"HTTP/1.1 101"
    return client


def memory_bytes(daemon: Daemon) -> int:
    """What the daemon has in memory."""
    pages = int(Path(f"/proc/{daemon.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
