"""Agents, their mail and their episodes over HTTP."""

from __future__ import annotations

from typing import Any

from dreamos_tasks.interfaces.http.tokens import Scope
from tests.interfaces.http.serving import Served

API = "/api/v1"
EPISODE = {
    "title": "Fix the parser",
    "agent_assignments": {
        "ada": {"task_id": "parser-tests", "title": "Write tests"},
        "bob": {"task_id": "parser-fix", "title": "Make them pass", "dependencies": ["parser-tests"]},
    },
}


async def test_an_agent_registers_itself_and_nobody_else(served: Served) -> None:
    ada = served.bearer(Scope.AGENT, "ada")
    said = {"capabilities": ["gpu"], "max_in_progress": 2, "kind": "claude-code"}
    answer = await served.client.put(f"{API}/agents/ada", json=said, headers=ada)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["capabilities"], answer.json()["max_in_progress"]) == (["gpu"], 2)
    assert (await served.client.post(f"{API}/agents/ada/heartbeat", headers=ada)).status_code == 200
    for method, path in (("PUT", "/agents/bob"), ("POST", "/agents/bob/heartbeat")):
        refused = await served.client.request(method, API + path, json={} if method == "PUT" else None, headers=ada)
        assert (refused.status_code, refused.json()["code"]) == (403, "not_allowed")


async def test_mail_is_sent_under_ones_own_name_read_and_acknowledged(served: Served) -> None:
    ada, bob = served.bearer(Scope.AGENT, "ada"), served.bearer(Scope.AGENT, "bob")
    letter = {"to_agent_id": "ada", "subject": "Hello", "body": "x", "requires_ack": True}
    sent = await served.client.post(f"{API}/mail", json=letter, headers=bob)
    assert sent.status_code == 201, sent.text
    assert sent.json()["from_agent_id"] == "bob"
    forged = await served.client.post(f"{API}/mail", json={**letter, "from_agent_id": "eve"}, headers=bob)
    assert forged.status_code == 403
    message_id = sent.json()["message_id"]
    mirrored = served.daemon.home.mailboxes / "ada" / "inbox" / f"{message_id}.json"
    assert mirrored.exists()
    assert (await served.client.post(f"{API}/mail/ada/{message_id}/read", headers=bob)).status_code == 403
    assert (await served.client.post(f"{API}/mail/ada/{message_id}/read", headers=ada)).json()["read_at"]
    done = await served.client.post(f"{API}/mail/ada/{message_id[:6]}/acknowledge", headers=ada)
    assert done.json()["acknowledged_at"]
    assert not mirrored.exists()
    unread = await served.client.get(f"{API}/mail/ada", params={"unread": "true"}, headers=served.bearer(Scope.READ))
    assert unread.json() == []
    (seen,) = (await served.client.get(f"{API}/mail/bob", params={"sent": "true"})).json()
    assert seen["acknowledged_at"]


async def test_the_mailboxes_are_listed_with_what_is_unread_in_each(served: Served) -> None:
    ada = served.bearer(Scope.AGENT, "ada")
    await served.client.put(f"{API}/agents/eve", json={})
    letters = [{"to_agent_id": "ada", "from_agent_id": "bob", "subject": subject} for subject in ("one", "two")]
    ids = [(await served.client.post(f"{API}/mail", json=letter)).json()["message_id"] for letter in letters]
    await served.client.post(f"{API}/mail/ada/{ids[0]}/read", headers=ada)
    found = (await served.client.get(f"{API}/mail", headers=ada)).json()
    assert found["you"] == "ada"
    assert found["mailboxes"] == [
        {"agent_id": "ada", "messages": 2, "unread": 1},
        {"agent_id": "eve", "messages": 0, "unread": 0},
    ]


async def test_a_message_that_is_none_is_refused_with_its_place(served: Served) -> None:
    answer = await served.client.post(f"{API}/mail", json={"to_agent_id": "ada", "from_agent_id": "bob", "subjec": "x"})
    assert (answer.status_code, answer.json()["pointer"]) == (422, "/subjec")


async def test_a_broadcast_goes_to_everybody_else(served: Served) -> None:
    for name in ("ada", "bob", "eve"):
        await served.client.put(f"{API}/agents/{name}", json={})
    answer = await served.client.post(f"{API}/mail/broadcast", json={"from_agent_id": "bob", "subject": "frozen"})
    assert [message["to_agent_id"] for message in answer.json()] == ["ada", "eve"]


async def test_an_episode_is_started_looked_at_and_stopped(served: Served) -> None:
    begun = await served.client.post(f"{API}/episodes", json=EPISODE)
    assert begun.status_code == 201, begun.text
    episode_id = begun.json()["episode_id"]
    assert [task["assigned_to"] for task in begun.json()["tasks"]] == ["ada", "bob"]
    assert (await served.client.post(f"{API}/episodes", json=EPISODE)).json()["code"] == "episode_running"
    (listed,) = (await served.client.get(f"{API}/episodes", headers=served.bearer(Scope.READ))).json()
    assert listed["state"] == "running"
    stopped: Any = (await served.client.post(f"{API}/episodes/{episode_id}/stop", json={"reason": "not now"})).json()
    assert (stopped["state"], stopped["reason"]) == ("stopped", "not now")
    assert {task["status"] for task in stopped["tasks"]} == {"cancelled"}
    found = await served.client.get(f"{API}/episodes/{episode_id}")
    assert found.json()["completion_log"].endswith("completion_log.md")


async def test_only_an_operator_starts_and_stops_episodes(served: Served) -> None:
    ada = served.bearer(Scope.AGENT, "ada")
    assert (await served.client.post(f"{API}/episodes", json=EPISODE, headers=ada)).status_code == 403
    assert (await served.client.post(f"{API}/episodes/x/stop", headers=ada)).status_code == 403
