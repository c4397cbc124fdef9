"""StatusSocket: answers whoever connects with one JSON document about the daemon, and proves that its loop is alive."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamos_tasks.board.doorbell import short_path

if TYPE_CHECKING:
    import asyncio

ANSWER_TIMEOUT_SECONDS = 2.0


class StatusSocket:
    """The daemon's side."""

    def __init__(self, path: Path, report: Callable[[], Mapping[str, Any]]) -> None:
        self._path = path
        self._report = report
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket left by an earlier daemon is replaced."""
        import asyncio  # here, because those who only ask do without it

        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path.unlink(missing_ok=True)
        with short_path(str(self._path)) as reachable:
            listener.bind(reachable)
        os.chmod(self._path, 0o600)
        self._server = await asyncio.start_unix_server(self._answer, sock=listener)

    async def stop(self) -> None:
        """May be called twice."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)

    async def _answer(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(self._report()).encode() + b"\n")
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()


def ask_status(path: Path) -> Mapping[str, Any] | None:
    """The running daemon's report; None when it does not answer in time."""
    received = b""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asker, short_path(str(path)) as reachable:
            asker.settimeout(ANSWER_TIMEOUT_SECONDS)
            asker.connect(reachable)
            while chunk := asker.recv(65536):
                received += chunk
        report: Mapping[str, Any] = json.loads(received)
    except (OSError, ValueError):
        return None
    return report
