from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dreamos_tasks.config.settings import Settings
from dreamos_tasks.interfaces.documents import page_document
from dreamos_tasks.interfaces.http.tokens import Scope
from tests.interfaces.http.serving import Served
from tests.waiting import until

API = "/api/v1"


async def add(served: Served, **fields: Any) -> Any:
    answer = await served.client.post(f"{API}/tasks", json={"title": "Fix the parser", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_a_task_is_added_read_listed_and_edited(served: Served) -> None:
    task = await add(served, priority="urgent", tags=["core"])
    assert (task["status"], task["priority"], task["waiting_for"]) == ("pending", "critical", [])
    path = f"{API}/tasks/{task['task_id']}"
    read = await served.client.get(path)
    assert read.json()["next_commands"][0].startswith("dt claim")
    assert (await served.client.get(path, headers={"If-None-Match": read.headers["etag"]})).status_code == 304
    listed = await served.client.get(f"{API}/tasks", params={"tag": "core", "status": ["ready", "failed"]})
    assert [one["task_id"] for one in listed.json()] == [task["task_id"]]
    edited = await served.client.patch(path, json={"priority": 3, "due_at": "2030-01-01T00:00:00Z", "tags": None})
    assert edited.status_code == 200, edited.text
    assert (edited.json()["priority"], edited.json()["tags"]) == ("low", [])
    late = await served.client.patch(path, json={"priority": "high"}, headers={"If-Match": read.headers["etag"]})
    assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
    again = await served.client.patch(path, json={"priority": "high"}, headers={"If-Match": edited.headers["etag"]})
    assert again.json()["priority"] == "high"


async def test_the_document_of_a_task_is_the_command_lines(served: Served) -> None:
    task = await add(served, description="why", tags=["core"], verify=["true"], due_at="2030-01-01T00:00:00Z")
    task_id = task["task_id"]
    shown = await served.daemon.desk.read(lambda nexus: page_document(nexus, nexus.get_task_by_id(task_id), Settings()))
    assert (await served.client.get(f"{API}/tasks/{task_id}")).json() == shown
    assert task == {name: shown[name] for name in task}


async def test_an_array_is_added_whole_or_not_at_all(served: Served) -> None:
    both = await served.client.post(f"{API}/tasks", json=[{"title": "one"}, {"title": "two", "depends_on": []}])
    assert [task["title"] for task in both.json()] == ["one", "two"]
    refused = await served.client.post(f"{API}/tasks", json=[{"title": "three"}, {"titel": "four"}])
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"].startswith("/1")
    assert (await served.stats())["status"] == {"pending": 2}


async def test_the_same_dedupe_key_twice_is_one_task(served: Served) -> None:
    first = await add(served, dedupe_key="night")
    second = await served.client.post(f"{API}/tasks", json={"title": "again", "dedupe_key": "night"})
    assert (second.status_code, second.json()["task_id"]) == (200, first["task_id"])
    key = {"Idempotency-Key": "k-1"}
    one = await served.client.post(f"{API}/tasks", json={"title": "x"}, headers=key)
    two = await served.client.post(f"{API}/tasks", json={"title": "x"}, headers=key)
    assert (one.status_code, two.status_code) == (201, 200)
    assert one.json()["task_id"] == two.json()["task_id"]


async def test_pages_follow_one_another_by_their_links(served: Served) -> None:
    await served.client.post(f"{API}/tasks", json=[{"title": f"number {number}"} for number in range(5)])
    path, seen = f"{API}/tasks?limit=2&status=pending", []
    while path:
        page = await served.client.get(path)
        seen += [task["title"] for task in page.json()]
        assert page.headers["x-total-count"] == "5"
        path = page.headers.get("link", "").partition("<")[2].partition(">")[0]
    assert seen == [f"number {number}" for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("statsu=pending", "usage"),
        ("status=pendign", "invalid_input"),
        ("tag=", "invalid_input"),
        ("limit=0", "invalid_input"),
        ("limit=1001", "invalid_input"),
        ("after=dt-none", "task_not_found"),
    ],
)
async def test_a_wrong_filter_is_refused_and_never_means_all(served: Served, query: str, code: str) -> None:
    answer = await served.client.get(f"{API}/tasks?{query}")
    assert answer.json()["code"] == code, answer.text
    assert answer.json()["fix"]


async def test_an_agent_claims_reports_and_finishes_its_own(served: Served) -> None:
    ada = served.bearer(Scope.AGENT, "ada")
    bob = served.bearer(Scope.AGENT, "bob")
    task = await add(served)
    path = f"{API}/tasks/{task['task_id']}"
    mine = await served.client.post(f"{API}/claims", json={}, headers=ada)
    assert (mine.status_code, mine.json()["claim"]["agent_id"]) == (201, "ada")
    token = mine.json()["claim"]["token"]
    held = await served.client.post(f"{path}/claim", headers=bob)
    assert (held.status_code, held.json()["code"]) == (409, "claim_held")
    assert (await served.client.post(f"{path}/claim", headers=ada)).json()["claim"]["token"] == token
    assert (await served.client.post(f"{path}/heartbeat", headers=ada)).status_code == 200
    noted = await served.client.post(f"{path}/progress", json={"percent": 40, "note": "half"}, headers=ada)
    assert noted.json()["progress"]["percent"] == 40
    stale = await served.client.post(f"{path}/complete", json={"token": token + 1}, headers=ada)
    assert (stale.status_code, stale.json()["code"]) == (409, "stale_token")
    foreign = await served.client.post(f"{path}/complete", json={"token": token}, headers=bob)
    assert foreign.json()["code"] == "stale_token"
    other = await served.client.post(f"{path}/complete", json={"agent_id": "ada"}, headers=bob)
    assert (other.status_code, other.json()["code"]) == (403, "not_allowed")
    done = await served.client.post(f"{path}/complete", json={"result": {"files": 3}, "next": True}, headers=ada)
    assert (done.json()["status"], done.json()["result"], done.json()["next"]) == ("completed", {"files": 3}, None)
    nothing = await served.client.post(f"{API}/claims", json={}, headers=ada)
    assert (nothing.status_code, nothing.json()["code"]) == (404, "nothing_ready")


async def test_an_operator_says_for_which_agent_it_claims(served: Served) -> None:
    await add(served)
    unnamed = await served.client.post(f"{API}/claims", json={})
    assert (unnamed.status_code, unnamed.json()["code"]) == (403, "agent_not_named")
    claimed = await served.client.post(f"{API}/claims", json={"agent_id": "ada"})
    path = f"{API}/tasks/{claimed.json()['task_id']}"
    released = await served.client.post(f"{path}/release", json={"token": claimed.json()["claim"]["token"]})
    assert released.json()["status"] == "pending"
    await served.client.post(f"{path}/claim", json={"agent_id": "ada"})
    failed = await served.client.post(f"{path}/fail", json={"agent_id": "ada", "error": "no", "category": "logic"})
    assert failed.json()["error"] is None or failed.json()["status"] in ("failed", "pending")


async def test_waiting_for_a_task_ends_when_one_comes(served: Served) -> None:
    ada = served.bearer(Scope.AGENT, "ada")
    waiting = asyncio.create_task(served.client.post(f"{API}/claims", json={}, headers=ada | {"Prefer": "wait=60"}))
    await until(lambda: served.context.wake._waiting, what="it waits")
    task = await add(served)
    assert (await waiting).json()["task_id"] == task["task_id"]


async def test_an_agent_adds_under_its_own_name_whatever_it_says(served: Served) -> None:
    said = {"title": "Fix the parser", "created_by": "root"}
    by_ada = await served.client.post(f"{API}/tasks", json=[said, said], headers=served.bearer(Scope.AGENT, "ada"))
    assert [task["created_by"] for task in by_ada.json()] == ["ada", "ada"]
    told = await served.client.get(f"{API}/tasks/{by_ada.json()[0]['task_id']}/events")
    assert [message["data"]["by"] for message in told.json()] == ["ada"]
    assert (await add(served, created_by="eve"))["created_by"] == "eve"  # an operator says whose it is


async def test_people_steer_and_agents_do_not(served: Served) -> None:
    ada = served.bearer(Scope.AGENT, "ada")
    task = await add(served)
    path = f"{API}/tasks/{task['task_id']}"
    for verb in ("pause", "resume", "cancel", "retry", "undo"):
        refused = await served.client.post(f"{path}/{verb}", headers=ada)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")
    assert (await served.client.patch(path, json={"priority": "low"}, headers=ada)).status_code == 403
    assert (await served.client.post(f"{API}/undo", headers=ada)).status_code == 403
    for verb, state in (("pause", "paused"), ("resume", "pending"), ("cancel", "cancelled"), ("retry", "pending")):
        answer = await served.client.post(f"{path}/{verb}")
        assert answer.json()["status"] == state, answer.text
    back = await served.client.post(f"{API}/undo")
    assert [one["status"] for one in back.json()["tasks"]] == ["cancelled"]


async def test_a_reader_reads_and_no_more(served: Served) -> None:
    reader = served.bearer(Scope.READ)
    assert (await served.client.get(f"{API}/tasks", headers=reader)).status_code == 200
    assert (await served.client.post(f"{API}/tasks", json={"title": "x"}, headers=reader)).status_code == 403
    assert (await served.client.post(f"{API}/claims", json={"agent_id": "ada"}, headers=reader)).status_code == 403
    assert (await served.stats())["status"] == {}


async def test_a_step_that_asks_is_approved_by_people_alone_and_with_other_parameters(served: Served) -> None:
    step = {"name": "greet", "tool": "shell", "params": {"command": "echo one"}, "approval": "required"}
    task = await add(served, plan={"steps": [step]})
    path = f"{API}/tasks/{task['task_id']}"

    async def state(word: str) -> Any:
        return await served.daemon.desk.read(lambda nexus: nexus.get_task_by_id(task["task_id"]).status.value == word)

    await eventually(lambda: state("awaiting_approval"))
    (request,) = (await served.client.get(f"{API}/approvals")).json()
    assert request["task_id"] == task["task_id"]
    decide = f"{API}/approvals/{request['request_id']}"
    assert (await served.client.get(decide)).json() == request
    agent = served.bearer(Scope.AGENT, "daemon")
    assert (await served.client.post(f"{decide}/approve", headers=agent)).status_code == 403
    wrong = await served.client.post(f"{decide}/approve", json={"params": {"comand": 5}})
    assert (wrong.status_code, wrong.json()["pointer"][:7]) == (422, "/params")
    granted = await served.client.post(f"{decide}/approve", json={"params": {"command": "echo two"}, "reason": "ok"})
    assert granted.status_code == 200, granted.text
    await eventually(lambda: state("completed"))
    logs = (await served.client.get(f"{path}/logs")).json()
    assert [(log["step"], log["output"]) for log in logs] == [("greet", "two\n")]
    text = await served.client.get(f"{path}/logs", headers={"Accept": "text/plain"}, params={"tail_bytes": 3})
    assert text.text == "wo\n"
    assert (await served.client.get(f"{path}/steps")).json()[0]["status"] == "completed"
    assert (await served.client.get(f"{path}/history")).json()["attempts"]
    assert (await served.client.get(f"{path}/why")).json()["lines"] == ["it is completed"]
    assert (await served.client.get(f"{path}/events")).json()[0]["type"] == "task_added"
    assert (await served.client.get(f"{path}/eta")).json()["percent"] == 100
    assert (await served.client.get(f"{API}/stats/tools")).json()["tools"][0]["tool"] == "shell"
    assert (await served.client.get(f"{API}/approvals?all=true")).json()[0]["state"] == "approved"


async def test_an_agent_asks_and_a_person_answers(served: Served) -> None:
    ada = served.bearer(Scope.AGENT, "ada")
    task = await add(served)
    await served.client.post(f"{API}/claims", json={}, headers=ada)
    asked = await served.client.post(
        f"{API}/tasks/{task['task_id']}/ask", json={"question": "Which?", "choices": ["a", "b"]}, headers=ada
    )
    assert asked.json()["status"] == "awaiting_approval"
    place = f"{API}/approvals/{task['task_id']}/answer"
    assert (await served.client.post(place, json={"text": "a"}, headers=ada)).status_code == 403
    answered = await served.client.post(place, json={"text": "a"})
    assert (answered.json()["status"], answered.json()["requests"][0]["answer"]) == ("pending", "a")


async def test_completing_runs_the_tasks_own_checks(served: Served) -> None:
    ada = served.bearer(Scope.AGENT, "ada")
    task = await add(served, verify=[{"name": "check", "tool": "shell", "params": {"command": "test -e done.txt"}}])
    path = f"{API}/tasks/{task['task_id']}"
    await served.client.post(f"{path}/claim", headers=ada)
    red = await served.client.post(f"{path}/complete", headers=ada)
    assert (red.status_code, red.json()["code"]) == (409, "verification_failed")
    (served.daemon.home.path / "done.txt").touch()
    green = await served.client.post(f"{path}/complete", headers=ada)
    assert green.json()["status"] == "completed", green.text
    assert green.json()["evidence"][0]["exit_code"] == 0


@pytest.mark.parametrize(("verb", "body"), [("cancel", {}), ("pause", {"now": True})])
async def test_what_the_daemon_runs_ends_at_once_when_it_is_steered_over_http(
    served: Served, verb: str, body: dict[str, Any]
) -> None:
    mark = served.daemon.home.path / "begun"
    task = await add(served, plan={"steps": [{"name": "long", "params": {"command": f"touch {mark}; sleep 1000"}}]})
    await until(lambda: os.path.lexists(mark), what="it runs")
    answer = await served.client.post(f"{API}/tasks/{task['task_id']}/{verb}", json=body)
    assert answer.status_code == 200, answer.text
    await until(lambda: not served.daemon.report()["running"], what="it was ended")


async def test_a_running_task_pauses_at_the_end_of_its_step(served: Served) -> None:
    gate = served.daemon.home.path / "gate"
    wait = f"touch {gate}.begun; while [ ! -e {gate} ]; do sleep 0.02; done"
    steps = [{"name": "one", "params": {"command": wait}}, {"name": "two", "params": {"command": "true"}}]
    task = await add(served, plan={"steps": steps})
    await until(lambda: os.path.lexists(f"{gate}.begun"), what="it runs")
    await served.client.post(f"{API}/tasks/{task['task_id']}/pause")
    gate.touch()

    async def paused() -> Any:
        found = await served.daemon.desk.read(lambda nexus: nexus.get_task_by_id(task["task_id"]))
        return found.status.value == "paused" and found

    await eventually(paused)
    assert [record.name for record in (await paused()).steps] == ["one"]


async def test_a_step_is_taken_back(served: Served) -> None:
    file = served.daemon.home.path / "note.txt"
    step = {"name": "write", "tool": "files", "params": {"action": "write", "path": "note.txt", "content": "new"}}
    task = await add(served, plan={"steps": [step]})

    async def done() -> Any:
        return await served.daemon.desk.read(lambda nexus: nexus.get_task_by_id(task["task_id"]).is_final)

    await eventually(done)
    place = f"{API}/tasks/{task['task_id']}/undo"
    would = await served.client.post(place, json={"dry_run": True})
    assert [one["step"] for one in would.json()["steps"]] == ["write"], would.text
    undone = await served.client.post(place)
    assert undone.json()["steps"][0]["undone"]["by"], undone.text
    assert not os.path.lexists(file)  # noqa: ASYNC240  a look at a local disk


async def test_the_board_can_be_asked_as_a_whole(served: Served) -> None:
    for path in (
        "stats",
        "stats/tools",
        "stats/estimates",
        "gates",
        "status",
        "monitor",
        "inbox",
        "approvals",
        "tools",
    ):
        answer = await served.client.get(f"{API}/{path}")
        assert answer.status_code == 200, answer.text
    assert "shell" in (await served.client.get(f"{API}/tools")).json()
    assert (await served.client.get(f"{API}/tools/shell")).json()["properties"]["command"]
    assert (await served.client.get(f"{API}/tools/shel")).json()["code"] == "tool_not_found"
    assert (await served.client.get(f"{API}/schemas/task")).json()["title"] == "Task"


async def test_a_body_that_is_too_large_or_no_json_is_refused_before_it_is_read(served: Served) -> None:
    large = await served.client.post(
        f"{API}/tasks", content=b"x" * 10_485_761, headers={"Content-Type": "application/json"}
    )
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    broken = await served.client.post(
        f"{API}/tasks", content=b'{"title": ', headers={"Content-Type": "application/json"}
    )
    assert broken.status_code == 422
    deep = await served.client.post(
        f"{API}/claims", content=b"[" * 100_000, headers={"Content-Type": "application/json"}
    )
    assert 400 <= deep.status_code < 500, deep.text


async def eventually(condition: Callable[[], Awaitable[Any]]) -> None:
    """Wait for what only the board knows."""
    loop = asyncio.get_running_loop()
    end = loop.time() + 30
    while not await condition():
        assert loop.time() < end, "not in time"
        await asyncio.sleep(0.01)
