"""Requests that a page of another site can have a browser send are refused before anything happens, whatever they bring along.

Each is made on a connection of its own, as raw bytes, with a credential that would be let in: the same request with the right
headers works, which is made as well.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from dreamos_tasks.interfaces.http.guard import GuardRules, rules_for
from tests.interfaces.http.serving import Served

TASK = b'{"title": "from a page"}'


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request. `{host}` and `{port}` stand for the server's; `headers` of None are left out."""

    what: str
    method: str = "POST"
    path: str = "/api/v1/tasks"
    headers: dict[str, str | None] = field(default_factory=dict)
    by: str = "cookie"
    body: bytes = TASK
    status: int = 403

    def head(self, served: Served, **right: str | None) -> bytes:
        port = served.host.rpartition(":")[2]
        headers: dict[str, str | None] = {"Host": "{host}", "Origin": "http://{host}"}
        if self.body:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(self.body))}
        if self.path.startswith("/api/v1/live"):
            headers |= {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            }
        elif "Connection" not in headers:
            headers["Connection"] = "close"
        headers |= right or self.headers
        written = [f"{name}: {value}" for name, value in headers.items() if value is not None]
        text = "\r\n".join([f"{self.method} {self.path} HTTP/1.1", *written, "", ""])
        return text.replace("{host}", served.host).replace("{port}", port).encode("latin-1")


LIVE: dict[str, Any] = {"method": "GET", "path": "/api/v1/live?after=0", "body": b""}
REBOUND: dict[str, Any] = {"status": 421}
REFUSED = [
    # DNS rebinding: another's name leads to this machine
    Ask(what="rebound post", headers={"Host": "evil.test"}, **REBOUND),
    Ask(what="rebound post with its port", headers={"Host": "evil.test:{port}"}, **REBOUND),
    Ask(what="rebound read", method="GET", body=b"", headers={"Host": "evil.test:{port}", "Origin": None}, **REBOUND),
    Ask(what="rebound head", method="HEAD", body=b"", headers={"Host": "evil.test", "Origin": None}, **REBOUND),
    Ask(what="rebound delete", method="DELETE", body=b"", headers={"Host": "evil.test"}, **REBOUND),
    Ask(what="rebound live feed", headers={"Host": "evil.test", "Origin": "http://evil.test"}, **LIVE, **REBOUND),
    Ask(what="rebound dashboard", method="GET", path="/", body=b"", headers={"Host": "evil.test"}, **REBOUND),
    Ask(what="rebound sign-in link", path="/login/links", body=b"", headers={"Host": "evil.test"}, **REBOUND),
    Ask(what="0.0.0.0", headers={"Host": "0.0.0.0:{port}", "Origin": "http://0.0.0.0:{port}"}, **REBOUND),
    Ask(what="another port in the host", headers={"Host": "127.0.0.1:1"}, **REBOUND),
    Ask(what="a name that begins like ours", headers={"Host": "localhost.evil.test:{port}"}, **REBOUND),
    Ask(what="no host", headers={"Host": None}, status=400),
    Ask(what="an empty host", headers={"Host": ""}, **REBOUND),
    # pages of other origins
    Ask(what="cross-origin post", headers={"Origin": "https://evil.test"}),
    Ask(what="cross-origin patch", method="PATCH", headers={"Origin": "https://evil.test"}),
    Ask(what="cross-origin put", method="PUT", headers={"Origin": "https://evil.test"}),
    Ask(what="cross-origin delete", method="DELETE", body=b"", headers={"Origin": "https://evil.test"}),
    Ask(what="preflight", method="OPTIONS", body=b"", headers={"Origin": "https://evil.test"}),
    Ask(what="cross-origin read", method="GET", body=b"", headers={"Origin": "https://evil.test"}),
    Ask(what="another port of this machine", headers={"Origin": "http://127.0.0.1:1"}),
    Ask(what="another scheme", headers={"Origin": "https://{host}"}),
    Ask(what="an origin that begins like ours", headers={"Origin": "http://{host}.evil.test"}),
    Ask(what="origin null", headers={"Origin": "null"}),
    Ask(what="origin null with a token", headers={"Origin": "null"}, by="token"),
    Ask(what="no origin with a cookie", headers={"Origin": None}),
    Ask(what="cross-site by Sec-Fetch-Site", headers={"Sec-Fetch-Site": "cross-site"}),
    Ask(what="same-site, another port", headers={"Sec-Fetch-Site": "same-site", "Origin": None}, by="token"),
    Ask(what="cross-site image", method="GET", body=b"", headers={"Sec-Fetch-Site": "cross-site", "Origin": None}),
    # what forms can send
    Ask(what="form as text", headers={"Content-Type": "text/plain"}, status=415),
    Ask(what="form", headers={"Content-Type": "application/x-www-form-urlencoded"}, status=415),
    Ask(what="form with files", headers={"Content-Type": "multipart/form-data; boundary=x"}, status=415),
    Ask(what="no type", headers={"Content-Type": None}, status=415),
    Ask(what="json in disguise", headers={"Content-Type": "text/plain; application/json"}, status=415),
    Ask(
        what="form verb without a body",
        path="/api/v1/undo",
        body=b"",
        headers={"Content-Type": "text/plain"},
        status=415,
    ),
    # the live feed
    Ask(what="live without origin", headers={"Origin": None}, **LIVE),
    Ask(what="live without origin, with a token", headers={"Origin": None}, by="token", **LIVE),
    Ask(what="live cross-origin", headers={"Origin": "https://evil.test"}, **LIVE),
    Ask(what="live origin null", headers={"Origin": "null"}, **LIVE),
    Ask(what="live from another port", headers={"Origin": "http://localhost:3000"}, **LIVE),
]


async def send(served: Served, ask: Ask, credential: dict[str, str], **right: str | None) -> tuple[int, str]:
    """The status and all of the answer."""
    host, _, port = served.host.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = ask.head(served, **right)
    added = "".join(f"{name}: {value}\r\n" for name, value in credential.items()).encode()
    writer.write(head[:-2] + added + b"\r\n" + ask.body)
    await writer.drain()
    first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    status = int(first.split()[1])
    rest = b"" if status == 101 or ask.method == "HEAD" else await asyncio.wait_for(reader.read(4096), 30)
    writer.close()
    await writer.wait_closed()
    return status, (first + rest).decode("utf-8", "replace")


def credentials(served: Served) -> dict[str, dict[str, str]]:
    secret = served.context.sign_in.begin_session(served.context.sign_in.new_link())
    token = served.context.sign_in.tokens.owner_token()
    return {
        "cookie": {"Cookie": f"{served.context.sign_in.cookie}={secret}"},
        "token": {"Authorization": f"Bearer {token}"},
    }


async def test_what_a_page_of_another_site_sends_is_refused_before_anything_happens(served: Served) -> None:
    assert len(REFUSED) >= 30
    known = credentials(served)
    seq = await served.daemon.desk.read(lambda nexus: nexus.store.last_seq())
    for ask in REFUSED:
        status, answer = await send(served, ask, known[ask.by])
        assert status == ask.status, f"{ask.what}: {answer}"
        if ask.what != "no host":  # which the protocol itself refuses
            assert "application/problem+json" in answer, ask.what
            assert "content-security-policy: default-src 'self'; frame-ancestors 'none'" in answer
        assert "access-control-allow" not in answer.lower(), ask.what
        assert "set-cookie" not in answer.lower(), ask.what
    assert (await served.stats())["status"] == {}
    assert await served.daemon.desk.read(lambda nexus: nexus.store.last_seq()) == seq
    assert served.context.sign_in._links == {}


@pytest.mark.parametrize("by", ["cookie", "token"])
async def test_the_same_requests_with_the_right_headers_work(served: Served, by: str) -> None:
    known = credentials(served)
    own = {"Host": "{host}", "Origin": "http://{host}", "Sec-Fetch-Site": "same-origin"}
    expected = {"POST": {201, 200, 409}, "GET": {200, 101}, "HEAD": {200}, "OPTIONS": {405}, "PUT": {405}}
    for ask in REFUSED:
        right: dict[str, str | None] = dict(own)
        if ask.body:
            right["Content-Type"] = "application/json"
        status, answer = await send(served, ask, known[by], **right)
        assert status in expected.get(ask.method, {405}), f"{ask.what}: {answer}"
    assert (await served.stats())["status"]["pending"] > 5, "the posts have added their tasks"


async def test_a_program_with_a_token_needs_no_origin(served: Served) -> None:
    ask = Ask(what="curl", headers={"Origin": None})
    status, answer = await send(served, ask, credentials(served)["token"])
    assert status == 201, answer


async def test_what_comes_twice_is_refused(served: Served) -> None:
    twice = credentials(served)["token"] | {"host": "evil.test"}
    status, _ = await send(served, Ask(what="two hosts"), twice)
    assert status == 400


async def test_a_strangers_long_body_is_refused_before_there_is_room_for_it(served: Served) -> None:
    for more in ({"Content-Length": "1000000"}, {"Content-Length": None, "Transfer-Encoding": "chunked"}):
        status, answer = await send(served, Ask(what="stranger", headers=dict(more), body=b" "), {})
        assert status == 401, answer


async def test_every_answer_tells_browsers_to_be_careful(served: Served) -> None:
    for path in ("/", "/healthz", "/api/v1/stats", "/nowhere", "/api/v1/nowhere"):
        headers = (await served.client.get(path)).headers
        assert headers["content-security-policy"].startswith("default-src 'self'; frame-ancestors 'none'"), path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert not [name for name in headers if name.startswith("access-control")]


def test_the_names_of_a_server_are_those_of_its_address_and_those_that_were_set() -> None:
    plain = rules_for(host="127.0.0.1", port=8765, scheme="http", others=(), most_bytes=1)
    assert plain.hosts == frozenset({"127.0.0.1:8765", "localhost:8765", "[::1]:8765"})
    assert plain.origins == {f"http://{name}" for name in plain.hosts}
    wide = rules_for(
        host="0.0.0.0", port=443, scheme="https", others=("Tasks.example", "proxy.example:8443"), most_bytes=1
    )
    assert wide.hosts is not None
    assert "0.0.0.0:443" not in wide.hosts
    assert {"tasks.example", "tasks.example:443", "proxy.example:8443"} <= wide.hosts
    assert "https://tasks.example" in wide.origins
    assert "proxy.example" not in wide.hosts
    six = rules_for(host="fd00::1", port=8765, scheme="https", others=(), most_bytes=1)
    assert "[fd00::1]:8765" in (six.hosts or ())


def test_on_the_unix_socket_hosts_are_not_asked() -> None:
    assert GuardRules(hosts=None).hosts is None
