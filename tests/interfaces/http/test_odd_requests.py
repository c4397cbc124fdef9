"""What clients send that were written in haste, badly, or in order to do harm: each is told so that its author can mend it."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from dreamos_tasks import TaskDraft
from dreamos_tasks.interfaces.http.tokens import Scope
from tests.interfaces.http.serving import Served
from tests.waiting import PATIENCE_SECONDS, until

API = "/api/v1"


async def raw(served: Served, request: bytes) -> bytes:
    """All that is answered to these bytes. Whoever is refused before its request was read is told so, and then cut off."""
    host, _, port = served.host.rpartition(":")

    def ask() -> bytes:
        answer = b""
        with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as client, suppress(ConnectionError):
            client.sendall(request)
            while chunk := client.recv(65_536):
                answer += chunk
        return answer

    return await asyncio.to_thread(ask)


def connections_of(served: Served) -> set[Any]:
    """Those of the TCP port."""
    connections: set[Any] = served.web._listeners[0]._server.server_state.connections
    return connections


async def added(served: Served, **fields: Any) -> str:
    """The id of a new task."""
    answer = await served.client.post(f"{API}/tasks", json={"title": "odd", **fields})
    task_id: str = answer.json()["task_id"]
    return task_id


async def test_a_program_that_shows_no_token_is_told_that_it_needs_one(served: Served) -> None:
    for method, path in (("POST", "/tasks"), ("PATCH", "/tasks/x"), ("PUT", "/agents/ada"), ("POST", "/undo")):
        answer = await served.client.request(method, API + path, json={}, headers={"Authorization": ""})
        assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in"), path
        assert answer.headers["www-authenticate"].startswith("Bearer")
    mcp = await served.client.post("/mcp", json={}, headers={"Authorization": ""})
    assert mcp.status_code == 401


async def test_who_is_not_known_is_told_so_before_anything_is_said_of_the_body(served: Served) -> None:
    headers = {"Authorization": "Bearer nobody's", "Content-Type": "application/json"}
    answer = await served.client.post(f"{API}/claims", content=b"{", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b'{"result": 1, "result": 2}', "twice"),
        (b'{"result": NaN}', "NaN"),
        (b'{"result": 1e999}', "too large"),
        (b'{"result": "\\ud800"}', "half a character"),
        (b'{"result": "\xff"}', "UTF-8"),
        (b'{"result": ' + b"[" * 5000 + b"]" * 5000 + b"}", "nested"),
        (b'{"result": ' + b"9" * 5000 + b"}", "digits"),
        (b'{"result": ', "midway"),
        (b'{"result": "' + b"x" * 70_000 + b'", "result": 1}', "twice"),
    ],
    ids=["twice", "nan", "infinite", "surrogate", "bytes", "deep", "digits", "cut", "long"],
)
async def test_the_body_of_a_verb_is_read_as_strictly_as_a_dropped_file(served: Served, body: bytes, word: str) -> None:
    task_id = await added(served)
    ada = served.bearer(Scope.AGENT, "ada")
    await served.client.post(f"{API}/tasks/{task_id}/claim", headers=ada)
    headers = ada | {"Content-Type": "application/json"}
    answer = await served.client.post(f"{API}/tasks/{task_id}/complete", content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert word in answer.json()["detail"]
    assert answer.json()["fix"]
    assert (await served.client.get(f"{API}/tasks/{task_id}")).json()["status"] == "in_progress"


async def test_a_body_with_two_ends_is_refused(served: Served) -> None:
    token = served.context.sign_in.tokens.owner_token()
    request = (
        f"POST {API}/tasks HTTP/1.1\r\nHost: {served.host}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: 14\r\nTransfer-Encoding: chunked\r\n\r\n"
        'e\r\n{"title": "x"}\r\n0\r\n\r\n'
    )
    answer = await raw(served, request.encode())
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert (await served.stats())["status"] == {}


async def test_a_head_is_answered_like_a_get_without_its_body(served: Served) -> None:
    task_id = await added(served)
    for path in ("/tasks", f"/tasks/{task_id}", "/stats", "/openapi.json", "/events?after=0"):
        get, head = await served.client.get(API + path), await served.client.head(API + path)
        assert (head.status_code, head.content) == (200, b""), path
        assert head.headers["content-length"] == get.headers["content-length"]
        assert head.headers.get("etag") == get.headers.get("etag")
    wrong = await served.client.delete(f"{API}/openapi.json")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")


async def test_whatever_changes_a_task_heeds_if_match(served: Served) -> None:
    stale = {"If-Match": '"of-long-ago"'}
    ada = served.bearer(Scope.AGENT, "ada")
    held = await added(served)
    await served.client.post(f"{API}/tasks/{held}/claim", headers=ada)
    for verb, body in (("heartbeat", {}), ("progress", {"percent": 1}), ("release", {}), ("ask", {"question": "?"})):
        refused = await served.client.post(f"{API}/tasks/{held}/{verb}", json=body, headers=ada | stale)
        assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed"), verb
    now = (await served.client.get(f"{API}/tasks/{held}")).headers["etag"]
    asked = await served.client.post(f"{API}/tasks/{held}/ask", json={"question": "?"}, headers=ada | {"If-Match": now})
    assert asked.json()["status"] == "awaiting_approval"
    refused = await served.client.post(f"{API}/approvals/{held}/answer", json={"text": "yes"}, headers=stale)
    assert refused.status_code == 412
    current = {"If-Match": asked.headers["etag"]}
    done = await served.client.post(f"{API}/approvals/{held}/answer", json={"text": "yes"}, headers=current)
    assert done.status_code == 200


async def test_what_was_added_has_the_etag_by_which_it_is_edited(served: Served) -> None:
    task = await served.client.post(f"{API}/tasks", json={"title": "new"})
    path = f"{API}/tasks/{task.json()['task_id']}"
    edited = await served.client.patch(path, json={"priority": "low"}, headers={"If-Match": task.headers["etag"]})
    assert edited.status_code == 200
    again = await served.client.patch(path, json={"priority": "high"}, headers={"If-Match": task.headers["etag"]})
    assert again.status_code == 412


async def test_who_edits_the_state_is_told_of_the_verbs(served: Served) -> None:
    task_id = await added(served)
    for field in ("status", "result"):
        answer = await served.client.patch(f"{API}/tasks/{task_id}", json={field: "completed"})
        assert answer.status_code == 422
        assert "complete" in answer.json()["fix"]


async def test_a_list_is_filtered_by_priority_as_a_task_may_say_it(served: Served) -> None:
    task_id = await added(served, priority="high")
    for word in ("high", "HIGH", "1"):
        found = await served.client.get(f"{API}/tasks", params={"priority": word})
        assert [task["task_id"] for task in found.json()] == [task_id], word


async def test_who_has_gone_while_waiting_for_a_task_gets_none(served: Served) -> None:
    ada = served.bearer(Scope.AGENT, "ada")["Authorization"]
    host, _, port = served.host.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"POST {API}/claims HTTP/1.1\r\nHost: {served.host}\r\nAuthorization: {ada}\r\nPrefer: wait=60\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}".encode()
    )
    await until(lambda: len(served.context.wake._waiting) == 1)
    writer.close()
    await until(lambda: all(getattr(one, "is_idle", True) for one in connections_of(served)))
    task_id = await added(served)
    assert (await served.client.get(f"{API}/tasks/{task_id}")).json()["claim"] is None


async def test_the_title_of_a_problem_says_what_it_is_and_nothing_to_programmers(served: Served) -> None:
    answer = await served.client.post(f"{API}/tasks", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.json()["title"] == "It is no JSON that can be taken"


async def test_the_feed_asked_for_in_plain_http_says_how_it_is_followed(served: Served) -> None:
    answer = await served.client.get(f"{API}/live")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")
    assert "/api/v1/events" in answer.json()["fix"]


async def test_polling_with_an_id_that_the_board_never_gave_tells_of_the_gap(served: Served) -> None:
    task_id = await added(served)
    (gap,) = (await served.client.get(f"{API}/events", params={"after": 10_000, "wait": 30})).json()
    assert (gap["type"], gap["data"]["reason"], gap["data"]["after"]) == ("gap", "unknown_id", 10_000)
    assert gap["data"]["snapshot"]["status"] == {"pending": 1}
    assert (await served.client.get(f"{API}/events", params={"after": gap["id"]})).json() == []
    await served.client.post(f"{API}/tasks/{task_id}/cancel")
    (message,) = (await served.client.get(f"{API}/events", params={"after": gap["id"]})).json()
    assert message["type"] == "cancelled"


async def test_connections_have_a_bound_and_the_one_that_was_idle_longest_goes(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamos_tasks.interfaces.http.request_head.most_connections", lambda: 4)
    host, _, port = served.host.rpartition(":")
    async with AsyncExitStack() as stack:
        readers = []
        for _ in range(12):
            reader, writer = await asyncio.open_connection(host, int(port))
            stack.callback(writer.close)
            readers.append(reader)
        assert await asyncio.gather(*(reader.read() for reader in readers[:8]), return_exceptions=True)
        await until(lambda: len(connections_of(served)) <= 4)
        assert (await served.client.get("/healthz")).status_code == 200
        assert not readers[-1].at_eof()


async def test_where_every_connection_waits_for_an_answer_one_more_is_refused(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dreamos_tasks.interfaces.http.request_head.most_connections", lambda: 2)
    last = await served.daemon.desk.read(lambda nexus: nexus.store.last_seq())
    waits = {"after": last, "wait": 60}
    waiting = [asyncio.create_task(served.client.get(f"{API}/events", params=waits, timeout=90)) for _ in range(2)]
    await until(lambda: sum(not getattr(one, "is_idle", True) for one in connections_of(served)) == 2)
    answer = await raw(served, f"GET /healthz HTTP/1.1\r\nHost: {served.host}\r\n\r\n".encode())
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body)["code"] == "too_many_connections"
    await served.daemon.desk.write(lambda nexus: nexus.add_task(TaskDraft(title="news")))
    assert [(await one).status_code for one in waiting] == [200, 200]
