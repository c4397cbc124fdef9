"""LocalServer: a real HTTP server on a free port of this machine, that answers as a test tells it."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.tools.listening import listening

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived; header names in lower case, `body` as sent."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class LocalServer:
    """Answers by path, without its query; what is not there is answered with 404. All requests are kept in `seen`."""

    answers: dict[str, Answer]
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)  # a client went away while it was waited for

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.seen]


@contextmanager
def serving(answers: dict[str, Answer], *, certificate: Path | None = None) -> Iterator[LocalServer]:
    """A server, until the block ends; with TLS when it is given a certificate with its key."""
    server = LocalServer(answers)
    listener = _Listener(("127.0.0.1", 0), _handler_for(server))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        listener.socket = context.wrap_socket(listener.socket, server_side=True)
    with listening(listener) as server.port:  # its end waits for the threads that answer
        yield server


class _Listener(ThreadingHTTPServer):
    daemon_threads = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is nothing to report."""


def _handler_for(server: LocalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def __getattr__(self, name: str) -> Callable[[], None]:
            if name.startswith("do_"):
                return self.answer
            raise AttributeError(name)

        def answer(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            server.seen.append(Seen(self.command, self.path, headers, body))
            server.answers.get(self.path.partition("?")[0], text("nothing here", status=404))(self)
            if self.path.startswith("/slow"):
                server.closed.set()

        def log_message(self, *_: object) -> None:
            """Tests look at `seen`."""

    return Handler


def text(content: str | bytes, *, status: int = 200, **headers: str) -> Answer:
    """A whole answer; `content_type` and other headers by their names with underscores."""
    body = content.encode() if isinstance(content, str) else content
    named = {"content_type": "text/plain; charset=utf-8", "content_length": str(len(body)), **headers}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in named.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return answer


def document(content: object, *, status: int = 200, **headers: str) -> Answer:
    """A JSON answer."""
    return text(json.dumps(content), status=status, **{"content_type": "application/json", **headers})


def redirect(to: str, *, status: int = 302) -> Answer:
    """A redirect."""
    return text("", status=status, location=to)


def raw(content: bytes) -> Answer:
    """These bytes on the wire, and the end of the connection."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(content)
        handler.close_connection = True

    return answer


def endless(handler: BaseHTTPRequestHandler) -> None:
    """A body that goes on until the client has enough."""
    handler.send_response(200)
    handler.send_header("content-type", "text/plain")
    handler.end_headers()
    while True:
        handler.wfile.write(b"more and more\n" * 1000)


def silent(handler: BaseHTTPRequestHandler) -> None:
    """No answer: it waits until the client goes away."""
    handler.connection.recv(1)
    handler.close_connection = True


def echo(handler: BaseHTTPRequestHandler) -> None:
    """Says what it was sent: headers, as a server in trouble may do."""
    said = "".join(f"{name}: {value}\n" for name, value in handler.headers.items())
    text(said)(handler)
