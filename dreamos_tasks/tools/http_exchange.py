"""HttpExchange: one request and the redirects it meets, over connections to checked addresses only."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from httpx2 import (
    URL,
    AsyncHTTPTransport,
    ConnectError,
    ConnectTimeout,
    InvalidURL,
    Request,
    Response,
    create_ssl_context,
)

from dreamos_tasks.tools.address_guard import AddressGuard, CallRefused, Checked, literal_address
from dreamos_tasks.tools.http_url import check_url, origin_of, port_of, shown

MOST_ADDRESSES = 8  # of a host that are tried: each may take connect_seconds
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_DEFAULT_HEADERS = {b"accept": b"*/*", b"accept-encoding": b"gzip, deflate", b"user-agent": b"dreamos-tasks"}

# What may go to another host than the step named; everything else a step sends may be a credential.
_HARMLESS = frozenset(["accept", "accept-language", "accept-encoding", "user-agent", "content-type", "range"])
_OF_A_BODY = frozenset(["content-type", "content-encoding", "content-language", "content-location"])


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """What to send. `kept` are the statuses of redirects that are wanted as they are."""

    url: URL
    method: str = "GET"
    headers: Mapping[str, str]
    content: bytes | None = None
    max_redirects: int = 5
    kept: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """What came back, its body still to be read. `request` is the last one made, after so many redirects."""

    request: HttpRequest
    response: Response
    redirects: int


class HttpExchange:
    """Makes requests. Uses no proxy, no cookies and no .netrc: nothing is sent but what the request says.

    `connect_seconds` is for each address of a host, `idle_seconds` how long a server may be silent. `ca_file` holds
    certificates of authorities to trust besides the system's.
    """

    def __init__(self, guard: AddressGuard, *, connect_seconds: float, idle_seconds: float, ca_file: str = "") -> None:
        self._guard = guard
        self._ca_file = ca_file
        self._trusted: ssl.SSLContext | None = None
        self._timeout = {
            "connect": connect_seconds,
            "read": idle_seconds,
            "write": idle_seconds,
            "pool": connect_seconds,
        }

    async def trusted(self) -> ssl.SSLContext:
        """Whose certificates are trusted. Raises OSError (ssl.SSLError) when `ca_file` holds none."""
        if self._trusted is None:
            self._trusted = await asyncio.to_thread(self._trust)  # it reads hundreds of certificates
        return self._trusted

    def _trust(self) -> ssl.SSLContext:
        context = create_ssl_context()
        if self._ca_file:
            context.load_verify_locations(self._ca_file)
        return context

    @asynccontextmanager
    async def open(self, request: HttpRequest) -> AsyncIterator[HttpAnswer]:
        """The answer, while it is being read; whatever ends the block closes the connection.

        Raises CallRefused, OSError (an unknown name), and the errors of httpx2.
        """
        from_public = False
        redirects = 0
        async with AsyncHTTPTransport(verify=await self.trusted(), trust_env=False) as transport:
            while True:
                response, reached = await self._send(transport, request, from_public=from_public)
                try:
                    if redirects == request.max_redirects or not _is_to_follow(response, request):
                        yield HttpAnswer(request=request, response=response, redirects=redirects)
                        return
                finally:
                    await response.aclose()
                redirects += 1
                from_public = from_public or reached.is_public
                request = redirected(request, response.status_code, response.headers["location"])

    async def _send(
        self, transport: AsyncHTTPTransport, request: HttpRequest, *, from_public: bool
    ) -> tuple[Response, Checked]:
        host = request.url.raw_host.decode("ascii")
        addresses = await self._guard.addresses_of(host, port_of(request.url), from_public=from_public)
        *others, last = addresses[:MOST_ADDRESSES]
        for address in (*others, last):
            try:
                return await transport.handle_async_request(self._to(address, request, host)), address
            except (ConnectError, ConnectTimeout):
                if address is last:
                    raise
        raise AssertionError("there is at least one address")

    def _to(self, address: Checked, request: HttpRequest, host: str) -> Request:
        """The request with the address in place of the name, so that nobody looks the name up again."""
        name = address.text if literal_address(host) is not None else host.rstrip(".")
        return Request(
            request.method,
            request.url.copy_with(host=address.text, fragment=None),
            headers={
                b"host": request.url.netloc,
                **_DEFAULT_HEADERS,
                **{name.lower().encode("ascii"): value.encode("utf-8") for name, value in request.headers.items()},
            },
            content=request.content,
            extensions={"timeout": self._timeout, "sni_hostname": name},
        )


def _is_to_follow(response: Response, request: HttpRequest) -> bool:
    return response.status_code in REDIRECTS - request.kept and "location" in response.headers


def redirected(request: HttpRequest, status: int, location: str) -> HttpRequest:
    """The request that a redirect asks for. Another host is sent no credentials and no body. Raises CallRefused."""
    url = _target(request.url, location)
    headers = request.headers
    if not _is_same_party(request.url, url):
        headers = {name: value for name, value in headers.items() if name.lower() in _HARMLESS}
    if (status == 303 and request.method != "HEAD") or (status in (301, 302) and request.method == "POST"):
        headers = {name: value for name, value in headers.items() if name.lower() not in _OF_A_BODY}
        return replace(request, url=url, method="GET", content=None, headers=headers)
    if request.content is not None and not _is_same_party(request.url, url):
        fix = "call that address itself, if it may be given the body"
        raise CallRefused(shown(url), "another host redirects a request with its body there", fix=fix)
    return replace(request, url=url, headers=headers)


def _target(url: URL, location: str) -> URL:
    try:
        target = url.join(location)
        check_url(target)
    except (InvalidURL, ValueError) as error:
        fix = "call the address that is meant"
        raise CallRefused("the target of a redirect", f"its address {error}", fix=fix) from None
    return target


def _is_same_party(one: URL, other: URL) -> bool:
    """The same origin, or the same host where it changes over to TLS."""
    if one.host == other.host and (origin_of(one)[::2], origin_of(other)[::2]) == (("http", 80), ("https", 443)):
        return True
    return origin_of(one) == origin_of(other)
