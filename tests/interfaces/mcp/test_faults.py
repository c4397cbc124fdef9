"""Calls that are nearly right are taken as they are meant, and what cannot be taken is answered: nobody waits in vain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError

from tests.interfaces.mcp.clients import Wire, connected, text_of


def answer_to(wire: Wire, line: bytes) -> dict[str, Any]:
    """What the server says to one line."""
    wire.send_raw(line)
    assert wire._process is not None
    assert wire._process.stdout is not None
    answer: dict[str, Any] = json.loads(wire._process.stdout.readline())
    return answer


@pytest.mark.parametrize(
    ("line", "request_id", "code"),
    [
        (b"not json", None, -32700),
        (b'{"jsonrpc": "2.0", "id": 7, "method": ', None, -32700),
        (b'{"jsonrpc": "2.0", "id": "a", "method": "ping", "params": {"x": "\\ud83d"}}', "a", -32700),
        (b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": ' + b"[" * 500 + b"]" * 500 + b"}", 7, -32700),
        (b"[" * 100_000, None, -32700),
        (b'{"jsonrpc": "2.0", "id": ' + b"9" * 10_000 + b', "method": "ping"}', None, -32700),
        (b"{}", None, -32600),
        (b"5", None, -32600),
        (b'{"jsonrpc": "1.0", "id": 7, "method": "ping"}', 7, -32600),
        (b'[{"jsonrpc": "2.0", "id": 7, "method": "ping"}]', None, -32600),
        (b'{"jsonrpc": "2.0", "id": "\\ud83d", "method": 7}', None, -32700),
    ],
    ids=["words", "cut", "half", "deep", "open", "digits", "empty", "number", "version", "batch", "id"],
)
def test_a_line_that_is_no_message_is_answered(
    tmp_path: Path, line: bytes, request_id: str | int | None, code: int
) -> None:
    with Wire(tmp_path) as wire:
        wire.call("get_stats")
        answer = answer_to(wire, line)
        assert (answer["id"], answer["error"]["code"]) == (request_id, code)
        assert answer["error"]["message"]
        assert wire.call("get_stats")["structuredContent"]["status"] == {}


def test_the_very_first_line_may_be_wrong_and_an_empty_one_is_passed_over(tmp_path: Path) -> None:
    with Wire(tmp_path) as wire:
        wire.send_raw(b"")
        assert answer_to(wire, b"not json")["error"]["code"] == -32700
        assert wire.call("get_stats")["structuredContent"]["status"] == {}


async def test_one_text_is_a_list_of_one_as_in_a_dropped_file(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        task = await call("add_task", title="Short", run="[ -f x ] && make", tags="core", verify='["a", "b"]')
        assert [step["params"]["command"] for step in task["plan"]["steps"]] == ["[ -f x ] && make"]
        assert [step["params"]["command"] for step in task["verify"]] == ["a", "b"]
        found = await call("list_tasks", tags="core", status="pending")
        assert [row["task_id"] for row in found["tasks"]] == [task["task_id"]]
        assert (await call.error("list_tasks", tags=""))["pointer"] == "/tags/0", "an empty one never means all"


@pytest.mark.parametrize(
    ("word", "meant"), [("urgent", "critical"), ("HIGH", "high"), (3, "low"), ("normal", "medium")]
)
async def test_a_priority_is_said_as_in_a_dropped_file(tmp_path: Path, word: str | int, meant: str) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        assert (await call("add_task", title="t", priority=word))["priority"] == meant
        assert len((await call("list_tasks", priority=word))["tasks"]) == 1
        assert (await call.error("add_task", title="t", priority="soon"))["pointer"] == "/priority"


async def test_an_empty_mailbox_is_told_as_such(tmp_path: Path) -> None:
    async with connected(tmp_path, "--agent", "ada") as call:
        assert text_of(await call.result("read_mail")) == '{"messages":[]}'
        assert "read_mail" in (await call.error("read_mail", acknowledge=["none"]))["fix"]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_prompt_that_there_is_not_is_the_callers_error(tmp_path: Path, mode: str) -> None:
    async with connected(tmp_path, "--agent", "ada", mode=mode) as call:
        for name, arguments in (("work-on-next", {}), ("work-on-next-task", {"tags": "core"})):
            with pytest.raises(MCPError) as refused:
                await call.client.get_prompt(name, arguments)
            assert refused.value.error.code == -32602
            assert "known: " in refused.value.error.message
