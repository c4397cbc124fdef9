from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import stat
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.settings import ServerSettings, Settings
from dreamos_tasks.errors import ConfigError
from dreamos_tasks.interfaces.http.addresses import bind_tcp
from dreamos_tasks.interfaces.http.tokens import Scope
from tests.interfaces.http.serving import Served, serve
from tests.ports import lasting_port
from tests.waiting import PATIENCE_SECONDS


async def test_whoever_has_a_token_is_answered_and_nobody_else(served: Served) -> None:
    assert (await served.client.get("/api/v1/stats")).json()["status"] == {}
    async with httpx2.AsyncClient(base_url=served.url, timeout=PATIENCE_SECONDS) as stranger:
        refused = await stranger.get("/api/v1/stats")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Bearer")
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.json()["code"] == "not_signed_in"
        wrong = await stranger.get("/api/v1/stats", headers={"Authorization": "Bearer dt_" + "x" * 43})
        assert wrong.status_code == 401
        assert (await stranger.get("/healthz")).json()["status"] == "ok"


async def test_the_unix_socket_needs_a_token_too_and_is_its_owners_alone(served: Served) -> None:
    path = served.context.urls["socket"]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    transport = httpx2.AsyncHTTPTransport(uds=path)
    async with httpx2.AsyncClient(transport=transport, base_url="http://dreamos", timeout=PATIENCE_SECONDS) as beside:
        assert (await beside.get("/api/v1/stats")).status_code == 401
        answer = await beside.get("/api/v1/stats", headers=served.bearer(Scope.READ))
        assert answer.status_code == 200


async def test_a_link_signs_one_browser_in_once(served: Served) -> None:
    async with httpx2.AsyncClient(base_url=served.url, timeout=PATIENCE_SECONDS) as browser:
        link = served.context.new_sign_in_url()
        assert (await browser.head(link)).status_code == 204, "whoever only looks ahead does not use it up"
        answer = await browser.get(link + "&to=/tasks/dt-1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/tasks/dt-1")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith(f"dreamos_session_{served.host.rpartition(':')[2]}=")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert (await browser.get("/api/v1/stats")).status_code == 200
        assert (await browser.get(link)).status_code == 401
        own = {"Origin": served.url}
        assert (await browser.post("/logout", headers=own)).status_code == 204
        assert (await browser.get("/api/v1/stats")).status_code == 401


@pytest.mark.parametrize("page", ["//evil.test", "/\\evil.test", "https://evil.test", "javascript:alert(1)", ""])
async def test_a_link_leads_to_no_other_site(served: Served, page: str) -> None:
    answer = await served.client.get("/login", params={"code": served.context.sign_in.new_link(), "to": page})
    assert answer.headers["location"] == "/"


async def test_a_link_that_was_used_leads_a_person_to_the_page_and_lets_nobody_in(served: Served) -> None:
    code = served.context.sign_in.new_link()
    first, second = [
        await served.client.get("/login", params={"code": code}, headers={"Accept": "text/html,*/*;q=0.8"})
        for _ in range(2)
    ]
    assert [("set-cookie" in answer.headers, answer.headers["location"]) for answer in (first, second)] == [
        (True, "/"),
        (False, "/"),
    ]
    assert (await served.client.get("/login", params={"code": code})).status_code == 401


async def test_only_an_operator_gets_links(served: Served) -> None:
    answer = await served.client.post("/login/links")
    assert answer.status_code == 201
    assert answer.json()["url"].startswith(f"{served.url}/login?code=")
    refused = await served.client.post("/login/links", headers=served.bearer(Scope.AGENT, "ada"))
    assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")


async def test_what_is_not_there_is_a_problem_document(served: Served) -> None:
    for method, path, status, code in (
        ("GET", "/nowhere", 404, "no_such_path"),
        ("GET", "/api/v1/nowhere", 404, "no_such_path"),
        ("DELETE", "/api/v1/stats", 405, "method_not_allowed"),
        ("DELETE", "/healthz", 405, "method_not_allowed"),
    ):
        answer = await served.client.request(method, path)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == f"urn:dreamos-tasks:problem:{code}"
        assert ("allow" in answer.headers) == (status == 405)


async def test_a_wrong_method_is_told_every_right_one(served: Served) -> None:
    answer = await served.client.request("TRACE", "/api/v1/tasks")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, POST")


async def test_a_stopped_server_gives_its_addresses_back(tmp_path: Path) -> None:
    port = lasting_port()
    async with serve(tmp_path / "home", Settings(server=ServerSettings(port=port))) as served:
        path = served.context.urls["socket"]
    assert not os.path.lexists(path)  # noqa: ASYNC240  a look at a local disk
    bind_tcp("127.0.0.1", port, by_hand=True).close()


async def test_a_session_outlives_the_daemon(tmp_path: Path) -> None:
    port = lasting_port()
    settings = Settings(server=ServerSettings(port=port))
    async with serve(tmp_path / "home", settings) as served:
        secret = served.context.sign_in.begin_session(served.context.sign_in.new_link())
    async with serve(tmp_path / "home", settings) as again:
        cookies = {f"dreamos_session_{port}": secret or ""}
        async with httpx2.AsyncClient(base_url=again.url, cookies=cookies, timeout=PATIENCE_SECONDS) as browser:
            assert (await browser.get("/api/v1/stats")).status_code == 200


def test_a_port_that_is_taken_and_was_set_by_hand_is_told_with_who_has_it() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match="it is taken") as refused:
            bind_tcp("127.0.0.1", port, by_hand=True)
        assert "pid" in refused.value.cause
        assert "server.port" in refused.value.fix
        with closing(bind_tcp("127.0.0.1", port, by_hand=False)) as ours:
            assert ours.getsockname()[1] != port


async def test_tls_is_served_with_a_certificate_and_a_broken_one_is_told_of(tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    home = tmp_path / "home"
    home.mkdir()
    issued.cert_chain_pems[0].write_to_path(str(home / "cert.pem"))
    issued.private_key_pem.write_to_path(str(home / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    secured = Settings(server=ServerSettings(port=0, certfile="cert.pem", keyfile="key.pem"))
    async with serve(home, secured) as served:
        assert served.url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        async with httpx2.AsyncClient(base_url=served.url, verify=trusting, timeout=PATIENCE_SECONDS) as client:
            assert (await client.get("/healthz")).status_code == 200
            cookie = (await client.get(served.context.new_sign_in_url())).headers["set-cookie"]
            assert "Secure" in cookie
    broken = replace(secured, server=replace(secured.server, keyfile="cert.pem"))
    with pytest.raises(ConfigError, match="cannot be used"):
        async with serve(home, broken):
            raise AssertionError("it must not be served")


async def test_an_unexpected_fault_is_told_without_its_words(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    read = served.daemon._desk.read

    def broken(act: Callable[[TaskNexus], Any]) -> Awaitable[Any]:
        if act.__module__.startswith("dreamos_tasks.interfaces.http"):
            raise RuntimeError("c4nary")
        return read(act)

    monkeypatch.setattr(served.daemon._desk, "read", broken)
    answer = await served.client.get("/api/v1/stats")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "c4nary" not in answer.text
    assert json.loads(answer.text)["fix"]


@pytest.mark.parametrize("beginning", [b"", b"GET /healthz HTTP/1.1\r\nHost: "], ids=["nothing", "half a head"])
async def test_a_connection_on_which_no_request_comes_is_closed(
    served: Served, monkeypatch: pytest.MonkeyPatch, beginning: bytes
) -> None:
    monkeypatch.setattr("dreamos_tasks.interfaces.http.request_head.HEAD_SECONDS", 0.2)
    host, _, port = served.host.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(beginning)
    try:
        assert await reader.read() == b""
    except ConnectionResetError:
        pass
    finally:
        writer.close()
    monkeypatch.undo()  # for this one has as long as it takes
    assert (await served.client.get("/healthz")).status_code == 200


async def test_a_connection_is_kept_between_requests_and_while_one_is_answered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamos_tasks.interfaces.http.request_head.HEAD_SECONDS", 0.8)
    host, _, port = served.host.rpartition(":")
    token = served.context.sign_in.tokens.owner_token()
    reader, writer = await asyncio.open_connection(host, int(port))
    ask = f"GET /api/v1/events?wait=1 HTTP/1.1\r\nHost: {served.host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    for _ in range(2):
        writer.write(ask.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        assert await reader.readexactly(int(length.partition(b":")[2])) == b"[]"
    writer.close()
