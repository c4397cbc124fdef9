"""The live feed over a real connection: who may follow, what is refused, and that nobody is held up by who does not read."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from dreamos_tasks.interfaces.http.live_hub import LiveLimits
from dreamos_tasks.interfaces.http.tokens import Scope
from dreamos_tasks.model.live_message import live_message
from dreamos_tasks.model.task import TaskDraft
from tests.interfaces.http.serving import Served, serve
from tests.waiting import until


def following(served: Served, query: str = "", *, headers: dict[str, str] | None = None, **more: Any) -> connect:
    """A connection to the live feed, as a program makes it that shows the owner's token."""
    shown = headers if headers is not None else {"Authorization": served.client.headers["authorization"]}
    return connect(
        f"ws://{served.host}/api/v1/live{query}",
        origin=Origin(served.url),
        additional_headers=shown,
        proxy=None,
        **more,
    )


async def told(connection: ClientConnection, count: int) -> list[dict[str, Any]]:
    """The next messages that tell an event."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        message = json.loads(await connection.recv())
        if message["type"] not in ("heartbeat", "gap"):
            found.append(message)
    return found


async def add(served: Served, count: int, *, title: str = "a task") -> list[str]:
    write = served.daemon.desk.write
    return [(await write(lambda nexus: nexus.add_task(TaskDraft(title=title)))).task_id for _ in range(count)]


async def claim(served: Served, task_id: str) -> None:
    await served.daemon.desk.write(lambda nexus: nexus.claim_task(task_id, "ada"))


async def events_of(served: Served) -> list[dict[str, Any]]:
    """All messages, as the board alone would give them."""
    events = await served.daemon.desk.read(lambda nexus: nexus.events(limit=100_000))
    return [live_message(event) for event in events]


async def test_replay_and_what_follows_and_polling_are_the_same_messages(served: Served) -> None:
    (first, *_) = await add(served, 5)
    async with following(served, "?after=2") as connection:
        before = await told(connection, 3)
        await served.daemon.desk.write(lambda nexus: nexus.claim_task(first, "ada"))
        await served.daemon.desk.write(lambda nexus: nexus.mark_task_completed(first, "ada", result={"files": 3}))
        after = await told(connection, 2)
    every = await events_of(served)
    assert before + after == every[2:]
    assert (await served.client.get("/api/v1/events")).json() == every
    assert (await served.client.get("/api/v1/events", params={"after": 2, "limit": 3})).json() == every[2:5]


async def test_what_another_process_writes_is_told_too(served: Served) -> None:
    from dreamos_tasks.app.boards import open_board

    async with following(served) as connection:
        await connection.recv()
        home, settings = served.daemon.home, served.daemon.settings

        def write_as_a_command_does() -> None:
            nexus = open_board(home, settings)
            nexus.add_task(TaskDraft(title="from elsewhere"))
            nexus.close()

        await asyncio.to_thread(write_as_a_command_does)
        (message,) = await told(connection, 1)
    assert message["data"]["changes"]["title"] == "from elsewhere"


async def test_of_one_task_only_its_messages_are_sent_by_a_prefix_of_its_id_too(served: Served) -> None:
    mine, _ = await add(served, 2)
    async with following(served, f"?after=0&task={mine[:-1]}") as connection:
        assert [message["id"] for message in await told(connection, 1)] == [1]
        await add(served, 1)
        await served.daemon.desk.write(lambda nexus: nexus.cancel_task(mine, by="eve"))
        (message,) = await told(connection, 1)
    assert (message["type"], message["data"]["task_id"]) == ("cancelled", mine)
    polled = (await served.client.get("/api/v1/events", params={"task": mine})).json()
    assert [each["type"] for each in polled] == ["queue_update", "cancelled"]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("?after=-1", 422, "invalid_input"),
        ("?after=newest", 422, "invalid_input"),
        ("?after=99999999999999999999", 422, "invalid_input"),
        ("?after=", 422, "invalid_input"),
        ("?after=%EF%BC%91", 422, "invalid_input"),
        ("?task=dt-nope", 404, "task_not_found"),
        ("?aftre=5", 400, "usage"),
    ],
)
async def test_what_cannot_be_followed_is_refused_before_the_connection_is_made(
    served: Served, query: str, status: int, code: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await following(served, query)
    assert refused.value.response.status_code == status
    assert json.loads(refused.value.response.body or b"")["code"] == code
    assert served.context.live.clients == 0
    polled = await served.client.get(f"/api/v1/events{query}")
    assert polled.status_code == status
    assert polled.json()["code"] == code


async def test_an_id_that_is_given_twice_and_a_path_without_a_feed_are_refused(served: Served) -> None:
    for path, status in (("/api/v1/live?after=1&after=2", 400), ("/live", 404), ("/api/v1/stats", 404)):
        with pytest.raises(InvalidStatus) as refused:
            await connect(
                f"ws://{served.host}{path}",
                origin=Origin(served.url),
                additional_headers={"Authorization": served.client.headers["authorization"]},
                proxy=None,
            )
        assert refused.value.response.status_code == status, path
        assert json.loads(refused.value.response.body or b"")["fix"]


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer dt_unknown"}, {"Authorization": "Basic x"}, {"Cookie": "x=y"}]
)
async def test_who_is_not_known_is_told_nothing(served: Served, headers: dict[str, str]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await following(served, headers=headers)
    assert refused.value.response.status_code == 401
    assert served.context.live.clients == 0


async def test_every_scope_may_follow_and_a_browser_by_its_cookie(served: Served) -> None:
    secret = served.context.sign_in.begin_session(served.context.sign_in.new_link())
    cookie = {"Cookie": f"{served.context.sign_in.cookie}={secret}"}
    for headers in (*(served.bearer(scope, "ada" if scope is Scope.AGENT else None) for scope in Scope), cookie):
        async with following(served, headers=headers) as connection:
            assert json.loads(await connection.recv())["type"] == "heartbeat"


@pytest.mark.parametrize("origin", [None, "null", "http://evil.test", "http://127.0.0.1:1"])
async def test_pages_of_other_sites_cannot_follow(served: Served, origin: str | None) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(
            f"ws://{served.host}/api/v1/live",
            origin=origin,  # type: ignore[arg-type]
            additional_headers={"Authorization": served.client.headers["authorization"]},
            proxy=None,
        )
    assert refused.value.response.status_code == 403


async def test_whose_token_is_revoked_is_let_go(served: Served) -> None:
    give(served, LiveLimits(heartbeat_seconds=0.05))
    secret, facts = served.context.sign_in.tokens.create(Scope.READ)
    async with following(served, headers={"Authorization": f"Bearer {secret}"}) as connection:
        await connection.recv()
        served.context.sign_in.tokens.revoke(facts.token_id)
        with pytest.raises(ConnectionClosed):
            await keep(connection, [])
    await until(lambda: served.context.live.clients == 0)


def give(served: Served, limits: LiveLimits) -> None:
    """Other limits, before anybody follows."""
    served.context.live._limits = limits


async def test_a_client_that_never_reads_is_dropped_and_holds_up_nobody(served: Served) -> None:
    """Fault 24: a hundred clients follow, one of them never reads; claims go on, and all others are told everything."""
    give(served, LiveLimits(ring_bytes=300_000, stuck_seconds=1.0))
    served.context.live._ring._most_bytes = 300_000
    received: list[list[int]] = [[] for _ in range(99)]
    async with AsyncExitStack() as stack:
        stack.enter_context(closing(silent_client(served)))
        readers = []
        for ids in received:
            connection = await stack.enter_async_context(following(served, "?after=0"))
            readers.append(asyncio.create_task(keep(connection, ids)))
        await until(lambda: served.context.live.clients == 100)
        claims = 0
        for _ in range(40):
            added = await add(served, 10, title="x" * 490)
            await asyncio.gather(*(claim(served, task_id) for task_id in added))
            claims += len(added)
        last = (await events_of(served))[-1]["id"]
        await until(lambda: all(ids and ids[-1] == last for ids in received))
        await until(lambda: served.context.live.clients == 99)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    assert claims == 400
    assert all(ids == list(range(1, last + 1)) for ids in received)


def silent_client(served: Served) -> socket.socket:
    """Connects and never reads; its buffers are small, as those of a machine that has many are not."""
    host, port = served.host.split(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((host, int(port)))
    client.sendall(
        f"GET /api/v1/live?after=0 HTTP/1.1\r\nHost: {served.host}\r\nOrigin: {served.url}\r\n"
        f"Authorization: {served.client.headers['authorization']}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    return client


async def keep(connection: ClientConnection, ids: list[int]) -> None:
    async for text in connection:
        message = json.loads(text)
        assert message["type"] != "gap"
        if message["type"] != "heartbeat":
            ids.append(message["id"])


async def test_an_idle_connection_gets_heartbeats_and_can_say_nothing(served: Served) -> None:
    give(served, LiveLimits(heartbeat_seconds=0.05))
    await add(served, 3)
    async with following(served) as connection:
        await connection.send("hello? " * 100)
        messages = [json.loads(await connection.recv()) for _ in range(3)]
    assert {(message["type"], message["id"]) for message in messages} == {("heartbeat", 3)}


async def test_frames_are_not_compressed_whatever_the_client_offers(served: Served) -> None:
    async with following(served, compression="deflate") as connection:
        assert connection.response is not None
        assert "Sec-WebSocket-Extensions" not in connection.response.headers


async def test_after_a_restart_the_last_id_fills_the_gap(tmp_path: Path) -> None:
    async with serve(tmp_path / "home") as first:
        async with following(first, "?after=0") as connection:
            await add(first, 3)
            seen = [message["id"] for message in await told(connection, 3)]
        await add(first, 4)
    async with serve(tmp_path / "home") as second:
        await add(second, 2)
        async with following(second, f"?after={seen[-1]}") as connection:
            seen += [message["id"] for message in await told(connection, 6)]
    assert seen == list(range(1, 10))


async def test_who_follows_is_told_that_the_server_goes_away(tmp_path: Path) -> None:
    async with serve(tmp_path / "home") as served:
        connection = await following(served)
        await connection.recv()
        await served.web.stop()
        with pytest.raises(ConnectionClosed) as closed:
            await connection.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012  # the server restarts


async def test_polling_can_wait_for_what_happens_next(served: Served) -> None:
    waiting = asyncio.create_task(served.client.get("/api/v1/events", params={"after": 0, "wait": 30}))
    await until(lambda: served.context.live._care.is_running)
    await add(served, 1)
    assert [message["id"] for message in (await waiting).json()] == [1]
    assert (await served.client.get("/api/v1/events", params={"after": 1, "wait": 0.05})).json() == []


async def test_who_waits_for_what_happens_next_does_not_hold_up_the_end(served: Served) -> None:
    waiting = asyncio.create_task(served.client.get("/api/v1/events", params={"wait": 60}))
    await until(lambda: served.context.live._care.is_running)
    await served.web.stop()
    assert (await waiting).json() == []


async def test_a_secret_is_in_no_frame(tmp_path: Path) -> None:
    canary = "canary-5f2c71d0"
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "secrets.env").write_text(f"TOKEN={canary}\n")
    (home / "secrets.env").chmod(0o600)
    async with serve(home) as served:
        frames: list[str] = []
        async with following(served, "?after=0") as connection:
            from dreamos_tasks.model.plan import Plan, Step

            step = Step(
                name="leak",
                params={"command": "echo $TOKEN; echo $TOKEN >&2; exit 3", "env": {"TOKEN": "${secret:TOKEN}"}},
            )
            await served.daemon.desk.write(
                lambda nexus: nexus.add_task(TaskDraft(title="leak", plan=Plan(steps=(step,))))
            )
            async for text in connection:
                frames.append(str(text))
                if json.loads(text)["type"] in ("error", "completed", "approval_request"):
                    break
        polled = (await served.client.get("/api/v1/events")).text
    assert any('"step_complete"' in frame for frame in frames)
    assert not [frame for frame in (*frames, polled) if canary in frame]
