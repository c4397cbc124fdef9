"""WebServer: the HTTP face of a daemon, in its own event loop: on a TCP port, and beside it on a unix socket.

It binds the sockets itself (`bind`, before the daemon takes up work) and hands them to uvicorn, which is kept from signals
and logs: both are the daemon's.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import uvicorn
from loguru import logger

from dreamos_tasks.errors import ConfigError
from dreamos_tasks.interfaces.http.addresses import BACKLOG, bind_tcp, bind_unix
from dreamos_tasks.interfaces.http.application import build_application
from dreamos_tasks.interfaces.http.context import WebContext
from dreamos_tasks.interfaces.http.guard import AsgiApp, Guard, GuardRules, rules_for
from dreamos_tasks.interfaces.http.live_frames import FrameProtocol
from dreamos_tasks.interfaces.http.request_head import HeadProtocol

if TYPE_CHECKING:
    import socket
    from pathlib import Path

STOP_SECONDS = 3  # requests that are under way may take so long yet
KEEP_ALIVE_SECONDS = 75  # longer than the pause between two looks of a program that polls each minute
MOST_HEADER_BYTES = 32_768
MOST_SAID_BYTES = 65_536  # in a message of a WebSocket's client: who follows the board has nothing to say


class WebServer:
    """Serves one context. `bind`, `start`, `stop`; the last may be called twice."""

    def __init__(self, context: WebContext) -> None:
        self.context = context
        self._settings = context.settings.server
        self._most_bytes = context.settings.inbox.max_bytes
        self._bound: list[tuple[socket.socket, GuardRules, bool]] = []
        self._unix_path: Path | None = None
        self._listeners: list[_Listener] = []

    def bind(self) -> None:
        """Take the addresses. Raises ConfigError."""
        settings = self._settings
        scheme = "http" if settings.certfile is None else "https"
        if scheme == "https":
            self._check_certificate()
        try:
            tcp = self._bind_tcp()
            port: int = tcp.getsockname()[1]
            rules = rules_for(
                host=settings.host, port=port, scheme=scheme, others=settings.hosts, most_bytes=self._most_bytes
            )
            self._bound.append((tcp, rules, scheme == "https"))
            shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
            self.context.urls["http"] = (
                f"{scheme}://{f'[{shown}]' if shown.count(':') > 1 and '[' not in shown else shown}:{port}"
            )
            self.context.sign_in.serve(port=port, is_secure=scheme == "https")
            if settings.socket is not None:
                self._unix_path = self.context.home.below(settings.socket)
                unix = bind_unix(self._unix_path)
                self._bound.append((unix, GuardRules(hosts=None, most_bytes=self._most_bytes), False))
                self.context.urls["socket"] = str(self._unix_path)
        except BaseException:
            self._unbind()
            raise

    async def start(self) -> None:
        """Answer requests."""
        self.context.sign_in.tokens.owner_token()
        app = build_application(self.context)
        for listening, rules, over_tls in self._bound:
            listener = _Listener(
                self._config(Guard(app, rules, require_known=self.context.sign_in.who), over_tls=over_tls), listening
            )
            self._listeners.append(listener)
            await listener.start()
        self._bound = []
        logger.info("the dashboard and the HTTP interface are at {}", self.context.base_url)

    async def stop(self) -> None:
        """Take no more requests, let those under way end, and give the addresses back."""
        self.context.closing.set()
        self.context.wake.ring()
        await self.context.live.stop()
        await asyncio.gather(*(listener.stop() for listener in reversed(self._listeners)))
        self._listeners = []
        await self.context.aside.stop()
        self._unbind()
        if self._unix_path is not None:
            self._unix_path.unlink(missing_ok=True)
            self._unix_path = None

    def _unbind(self) -> None:
        while self._bound:
            self._bound.pop()[0].close()

    def _config(self, app: AsgiApp, *, over_tls: bool) -> uvicorn.Config:
        certfile = self._file(self._settings.certfile) if over_tls else None
        keyfile = self._file(self._settings.keyfile) if over_tls else None
        return uvicorn.Config(
            app,
            http=HeadProtocol,
            ws=FrameProtocol,
            ws_per_message_deflate=False,  # halves what can be delivered, and nothing leaves this machine
            ws_max_size=MOST_SAID_BYTES,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,  # the guard writes it
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            backlog=BACKLOG,
            timeout_graceful_shutdown=STOP_SECONDS,
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            ssl_certfile=certfile,
            ssl_keyfile=keyfile,
        )

    def _file(self, setting: str | None) -> str | None:
        return None if setting is None else str(self.context.home.below(setting))

    def _check_certificate(self) -> None:
        certfile, keyfile = self._file(self._settings.certfile), self._file(self._settings.keyfile)
        assert certfile is not None
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(
                f"the certificate {certfile} cannot be used",
                cause=str(error),
                fix="server.certfile and server.keyfile name PEM files that belong together",
            ) from error

    def _bind_tcp(self) -> socket.socket:
        host, port = self._settings.host, self._settings.port
        try:
            return bind_tcp(host, port, by_hand=True)
        except ConfigError:
            if self._port_is_set():
                raise
            return bind_tcp(host, port, by_hand=False)

    def _port_is_set(self) -> bool:
        """Whether somebody has set the port, be it to what is the default anyway."""
        from dreamos_tasks.config.loading import DEFAULT, load

        with suppress(ConfigError):  # the settings that are served were right when they were read
            return load(self.context.home).origins["server.port"] != DEFAULT
        return True


class _Listener:
    """uvicorn on one socket, started and stopped by us."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket) -> None:
        self._server = _Server(config)
        self._listening = listening
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._serving = asyncio.create_task(self._server.serve([self._listening]), name="http")
        started = asyncio.create_task(self._server.is_serving.wait())
        await asyncio.wait((self._serving, started), return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if self._serving.done():
            self._serving.result()

    async def stop(self) -> None:
        self._server.ends.set()
        if self._serving is not None:
            await asyncio.wait((self._serving,))


class _Server(uvicorn.Server):
    """Waits for its end instead of looking ten times a second whether it has come."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_serving = asyncio.Event()
        self.ends = asyncio.Event()

    async def main_loop(self) -> None:
        self.is_serving.set()
        await self.ends.wait()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
