"""Guard: what is refused before anything else looks at a request, and what every answer says to browsers.

A page of another site can make a browser send requests here, by its own name for this machine (DNS rebinding) or across
origins. So the host must be one of ours, the origin exactly ours where there is one, and bodies must be JSON, which no form
can send. Nothing has happened when a request is refused here. On the unix socket, which no browser reaches, host and origin
are not asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from email.utils import formatdate
from time import time
from typing import Any

from loguru import logger

from dreamos_tasks.errors import DreamosError
from dreamos_tasks.interfaces.http.problems import problem_body, problem_headers, status_of, unexpected
from dreamos_tasks.interfaces.http.refusals import (
    BrokenRequest,
    NotSignedIn,
    TooLarge,
    TooSlow,
    WrongHost,
    WrongMediaType,
    WrongOrigin,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

READING_METHODS = frozenset({"GET", "HEAD"})
FOREIGN_SITES = frozenset({b"cross-site", b"same-site"})
DEFAULT_PORTS = {"http": 80, "https": 443}
ANSWER_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (
        b"content-security-policy",
        b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
RawHeaders = Iterable[tuple[bytes, bytes]]
SHORT_BYTES = 65_536  # a stranger's body may be so long: it is read, and then refused by the route
BODY_TIMEOUT_SECONDS = 30.0  # between two parts of a body
BREAKS_OFF = 1008  # the WebSocket's code for a violated policy


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRules:
    """By which names this server is reached (`host:port`, all lower case), and how large a body may be.

    `hosts` None: they are not asked, and no more is the origin.
    """

    hosts: frozenset[str] | None
    origins: frozenset[str] = frozenset()
    most_bytes: int = 10_485_760


def rules_for(*, host: str, port: int, scheme: str, others: tuple[str, ...], most_bytes: int) -> GuardRules:
    """The rules of a server that listens on this host and port. `others`: more names, with or without a port."""
    names = {"127.0.0.1", "localhost", "[::1]"}
    if host not in ("0.0.0.0", "::"):  # noqa: S104  nobody may be asked for by these
        names.add(f"[{host}]" if ":" in host else host)
    hosts = {f"{name}:{port}" for name in names}
    for other in others:
        name, _, own_port = other.rpartition(":")
        hosts.add(other if own_port.isdigit() and name else f"{other}:{port}")
    hosts = {name.lower() for name in hosts}
    hosts |= {name.rpartition(":")[0] for name in hosts if name.endswith(f":{DEFAULT_PORTS[scheme]}")}
    return GuardRules(
        hosts=frozenset(hosts), origins=frozenset(f"{scheme}://{name}" for name in hosts), most_bytes=most_bytes
    )


class Guard:
    """The outermost of all that a request comes through."""

    def __init__(self, app: AsgiApp, rules: GuardRules, *, require_known: Callable[[RawHeaders], object]) -> None:
        """`require_known` refuses requests of strangers; it is asked before room is made for a body."""
        self._app = app
        self._rules = rules
        self._require_known = require_known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            return
        answer = _Answer(send)
        try:
            headers = _Headers(scope["headers"])
            _check_sender(scope, headers, self._rules)
            if scope["type"] == "http":
                _check_body(headers, self._rules)
                if headers.may_be_long:
                    self._require_known(scope["headers"])
                receive = await _whole_body(headers, receive, most_bytes=self._rules.most_bytes)
        except DreamosError as error:
            await _refuse(scope, answer, error)
            return
        except _Gone:
            return
        try:
            await self._app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001  whatever a request meets, the others go on
            logger.opt(exception=error).error("a request could not be answered: {} {}", _verb(scope), scope["path"])
            if not answer.begun:
                await _refuse(scope, answer, unexpected())


class _Answer:
    """What is sent, with what every answer says."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        self.begun = True
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            said = {name.lower() for name, _ in message.get("headers", ())}
            more = [header for header in ANSWER_HEADERS if header[0] not in said]
            if b"cache-control" not in said:
                more.append((b"cache-control", b"no-store"))
            if b"date" not in said:
                more.append((b"date", formatdate(time(), usegmt=True).encode()))
            message = {**message, "headers": [*message.get("headers", ()), *more]}
        await self._send(message)


class _Headers:
    """The headers of a request, of which each that is asked for may come once."""

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    def one(self, name: bytes) -> bytes | None:
        found = [value for key, value in self._raw if key == name]
        if len(found) > 1:
            raise BrokenRequest(f"the header {name.decode()} comes {len(found)} times")
        return found[0] if found else None

    @property
    def may_be_long(self) -> bool:
        """Whether a body comes that is worth the room for friends only."""
        length = self.one(b"content-length")
        return self.one(b"transfer-encoding") is not None or (length is not None and int(length) > SHORT_BYTES)


class _Gone(Exception):
    """The client went away before its request was whole."""


def _check_sender(scope: Scope, headers: _Headers, rules: GuardRules) -> None:
    """Refuse what a page of another site may have sent. Raises WrongHost, WrongOrigin, NotSignedIn, BrokenRequest."""
    if rules.hosts is None:
        return
    host = (headers.one(b"host") or b"").decode("latin-1").lower()
    if host not in rules.hosts:
        raise WrongHost(host, known=tuple(sorted(rules.hosts)))
    site = headers.one(b"sec-fetch-site")
    if site in FOREIGN_SITES:
        raise WrongOrigin(f"the browser says it was sent from another site (Sec-Fetch-Site: {site.decode()})")
    origin = headers.one(b"origin")
    if origin is not None:
        if origin.decode("latin-1").lower() not in rules.origins:
            raise WrongOrigin(f"its origin is {origin.decode('latin-1')}")
    elif scope["type"] == "websocket":
        raise WrongOrigin("a WebSocket has to say its origin (the header Origin)")
    elif scope["method"] not in READING_METHODS and not headers.one(b"authorization"):
        if headers.one(b"cookie") is None:
            raise NotSignedIn("the request brings neither a token nor a session")  # a program that has forgotten it
        raise WrongOrigin("it changes something, and says neither its origin nor shows a token")


def _check_body(headers: _Headers, rules: GuardRules) -> None:
    """Refuse what is no JSON, or too long. Raises WrongMediaType, TooLarge, BrokenRequest."""
    length = headers.one(b"content-length")
    if length is not None and (not length.isdigit() or int(length) > rules.most_bytes):
        raise TooLarge(most=rules.most_bytes)
    encoding = headers.one(b"transfer-encoding")
    if length is not None and encoding is not None:
        raise BrokenRequest(
            "the body has two ends",
            cause="Content-Length and Transfer-Encoding say where it ends, and whoever stands between may believe the other",
            fix="send one of them",
        )
    kind = headers.one(b"content-type")
    has_body = encoding is not None or (length is not None and int(length) > 0)
    if has_body or kind is not None:
        essence = (kind or b"").decode("latin-1").partition(";")[0].strip().lower()
        if essence != "application/json" and not (essence.startswith("application/") and essence.endswith("+json")):
            raise WrongMediaType(essence)
    if headers.one(b"content-encoding") not in (None, b"identity"):
        raise WrongMediaType("a compressed one")


async def _whole_body(headers: _Headers, receive: Receive, *, most_bytes: int) -> Receive:
    """The body, all of it, before anybody acts on its beginning. Raises TooLarge."""
    if headers.one(b"content-length") in (None, b"0") and headers.one(b"transfer-encoding") is None:
        return receive
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECONDS):
                message = await receive()
        except TimeoutError:
            raise TooSlow from None
        if message["type"] != "http.request":
            raise _Gone
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > most_bytes:
            raise TooLarge(most=most_bytes)
        more = message.get("more_body", False)
    whole: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

    async def again() -> Message:
        return whole.pop() if whole else await receive()

    return again


async def _refuse(scope: Scope, send: Send, error: DreamosError) -> None:
    body, headers = problem_body(error), problem_headers(error)
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    raw.append((b"content-length", str(len(body)).encode()))
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": BREAKS_OFF, "reason": error.code})
            return
        kind = "websocket.http.response"
    await send({"type": f"{kind}.start", "status": status_of(error), "headers": raw})
    await send({"type": f"{kind}.body", "body": b"" if scope.get("method") == "HEAD" else body})


def _verb(scope: Scope) -> str:
    return str(scope.get("method", "WebSocket"))
