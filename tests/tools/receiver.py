"""A web server on this machine that keeps what is posted to it, and answers as a test wants it to."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import trustme

from tests.tools.listening import listening


@dataclass
class Request:
    """What came, header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """`silent`: requests are taken, and never answered. `echoes`: what was posted is answered."""

    status: int = 204
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    silent: bool = False
    echoes: bool = False
    requests: list[Request] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


@contextmanager
def receiver(*, ca: trustme.CA | None = None, **settings: Any) -> Iterator[Receiver]:
    """One that listens while the block runs; with an authority it has a certificate of it for 127.0.0.1."""
    found = Receiver(**settings)
    listener = _Listener(found)
    if ca is not None:
        found.scheme = "https"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
    with listening(listener) as found.port:
        yield found


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, found: Receiver) -> None:
        self.receiver = found
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Listener

    def do_POST(self) -> None:
        found = self.server.receiver
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        found.requests.append(Request(self.command, self.path, headers, body))
        if found.silent:
            self.rfile.read(1)  # until the client hangs up
            return
        answer = body if found.echoes else found.body
        with suppress(OSError):
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""
