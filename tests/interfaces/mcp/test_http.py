"""The daemon's /mcp: the same server, by tokens: what each lets in, as whom, and what it costs a daemon that nobody asks."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import Implementation

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.http.tokens import Scope
from dreamos_tasks.model.task import TaskDraft
from tests.interfaces.http.serving import Served, serve
from tests.interfaces.mcp.clients import BoardClient, text_of
from tests.waiting import PATIENCE_SECONDS

CLIENTS = 8
ROUNDS = 10
ACCEPT = {"Accept": "application/json, text/event-stream"}
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "old", "version": "1"},
    },
}
IDLE = """
import sys
import dreamos_tasks.interfaces.cli.mcp, dreamos_tasks.interfaces.daemon, dreamos_tasks.interfaces.http.application
print(sorted({name.partition(".")[0] for name in sys.modules} & {"mcp", "mcp_types", "httpx2"}))
"""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path / "home") as here:
        yield here


@asynccontextmanager
async def client_of(served: Served, bearer: Mapping[str, str], *, mode: Any = "auto") -> AsyncIterator[BoardClient]:
    async with httpx2.AsyncClient(headers=dict(bearer), timeout=60) as http:
        transport = streamable_http_client(f"{served.url}/mcp", http_client=http)
        async with Client(transport, client_info=Implementation(name="web", version="1"), mode=mode) as client:
            yield BoardClient(client)


async def test_an_agents_token_says_who_it_is_in_both_protocols(served: Served) -> None:
    for mode in ("auto", "legacy"):
        async with client_of(served, served.bearer(Scope.AGENT, "ada"), mode=mode) as call:
            await call("add_task", title="Something")
            task = (await call("get_next_task"))["task"]
            as_bob = await call.error("complete_task", task_id=task["task_id"], agent="bob")
            steering = await call.error("cancel_task", task_id=task["task_id"])
            done = await call("complete_task", task_id=task["task_id"])

        assert (task["claim"]["agent_id"], task["created_by"], done["status"]) == ("ada", "ada", "completed")
        assert (as_bob["code"], steering["code"]) == ("not_allowed", "not_allowed")


async def test_a_token_for_reading_reads_and_an_operators_steers(served: Served) -> None:
    async with client_of(served, served.bearer(Scope.OPERATOR)) as call:
        task_id = (await call("add_task", title="Something"))["task_id"]
        unnamed = await call.error("get_next_task")
        await call("pause_task", task_id=task_id)
        await call("resume_task", task_id=task_id)
        claimed = (await call("get_next_task", agent="ada"))["task"]
    async with client_of(served, served.bearer(Scope.READ)) as call:
        refused = await call.result("claim_task", task_id=task_id)
        read = await call("get_task", task_id=task_id)

    assert (unnamed["code"], claimed["claim"]["agent_id"]) == ("agent_not_named", "ada")
    assert "not_allowed" in text_of(refused)
    assert read["claim"]["agent_id"] == "ada"


async def test_without_a_token_or_from_elsewhere_nothing_is_told(served: Served) -> None:
    async with httpx2.AsyncClient(base_url=served.url, timeout=PATIENCE_SECONDS) as stranger:
        wrong = {**ACCEPT, "Authorization": "Bearer dt_" + "x" * 43}
        unknown = await stranger.post("/mcp", json=INITIALIZE, headers=wrong)
    owner = {**ACCEPT, **served.bearer(Scope.OPERATOR)}
    async with httpx2.AsyncClient(base_url=served.url, headers=owner, timeout=PATIENCE_SECONDS) as known:
        elsewhere = await known.post("/mcp", json=INITIALIZE, headers={"Origin": "http://evil.test"})
        renamed = await known.post("/mcp", json=INITIALIZE, headers={"Host": "evil.test"})
        as_form = await known.post("/mcp", content="{}", headers={"Content-Type": "text/plain"})

    answers = (unknown, elsewhere, renamed, as_form)
    assert [answer.status_code for answer in answers] == [401, 403, 421, 415]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)


async def test_a_session_is_for_the_token_that_began_it(served: Served) -> None:
    ada, bob = served.bearer(Scope.AGENT, "ada"), served.bearer(Scope.AGENT, "bob")
    async with httpx2.AsyncClient(base_url=served.url, headers=ACCEPT, timeout=PATIENCE_SECONDS) as client:
        begun = await client.post("/mcp", json=INITIALIZE, headers=ada)
        session = {"Mcp-Session-Id": begun.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        mine = await client.post("/mcp", json=ping, headers={**ada, **session})
        others = await client.post("/mcp", json=ping, headers={**bob, **session})

    assert (begun.status_code, mine.status_code, others.status_code) == (200, 200, 404)


async def test_of_eight_clients_that_claim_one_task_exactly_one_gets_it(served: Served) -> None:
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(client_of(served, served.bearer(Scope.AGENT, f"agent-{number}")))
            for number in range(CLIENTS)
        ]
        for number in range(ROUNDS):
            add = partial(TaskNexus.add_task, draft=TaskDraft(title=f"round {number}"))
            added = await served.daemon.desk.write(add)
            answers = await asyncio.gather(*(one.result("claim_task", task_id=added.task_id) for one in clients))
            assert [answer.is_error for answer in answers].count(False) == 1


async def test_where_the_extra_is_missing_it_is_said_what_installs_it(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamos_tasks.interfaces.mcp.find_spec", lambda _name: None)

    answer = await served.client.post("/mcp", json=INITIALIZE, headers=ACCEPT)

    assert (answer.status_code, answer.json()["code"]) == (501, "extra_missing")
    assert "pip install 'dreamos-tasks[mcp]'" in answer.json()["fix"]


def test_a_daemon_that_nobody_asks_has_not_loaded_the_library() -> None:
    done = subprocess.run([sys.executable, "-c", IDLE], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


async def test_the_server_stops_while_clients_are_connected(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        async with serve(tmp_path / "home") as served:
            owner = {**ACCEPT, **served.bearer(Scope.OPERATOR)}
            client = await stack.enter_async_context(httpx2.AsyncClient(base_url=served.url, headers=owner, timeout=60))
            begun = await client.post("/mcp", json=INITIALIZE)
            session = {"Mcp-Session-Id": begun.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}
            listening = client.stream("GET", "/mcp", headers={**session, "Accept": "text/event-stream"})
            answer = await stack.enter_async_context(listening)
            assert answer.status_code == 200
        async with asyncio.timeout(60):
            assert not [line async for line in answer.aiter_lines() if line.startswith("data: {")]
