"""Sessions: who a client is, what becomes of what it holds when it dies, and that one task has one winner."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from dreamos_tasks import TaskDraft, TaskNexus
from dreamos_tasks.model.task import Task
from tests.command import DtProcess, own_environment
from tests.interfaces.mcp.clients import Wire, connected
from tests.waiting import until

CLIENTS = 8
ROUNDS = 10
# A lease that runs out while the test looks on, and long enough for a busy machine to prolong it in time.
SHORT_LEASE = {"DREAMOS_TASKS_CLAIMS__LEASE_SECONDS": "8", "DREAMOS_TASKS_CLAIMS__HEARTBEAT_SECONDS": "0.5"}
LONG_LEASE = {**SHORT_LEASE, "DREAMOS_TASKS_CLAIMS__LEASE_SECONDS": "600"}


def board_in(folder: Path) -> TaskNexus:
    return TaskNexus.open(folder / "runtime" / "nexus.db")


async def test_two_sessions_of_one_program_are_two_agents(tmp_path: Path) -> None:
    with TemporaryFile("w+") as told:
        async with (
            connected(tmp_path, name="Claude Code", errlog=told) as one,
            connected(tmp_path, name="Claude Code", errlog=told) as other,
        ):
            task_id = (await one("add_task", title="Only once"))["task_id"]
            mine = await one("claim_task", task_id=task_id)
            refused = await other.error("claim_task", task_id=task_id)
            again = await one("claim_task", task_id=task_id)
        told.seek(0)
        log = told.read()

    assert mine["claim"]["agent_id"].startswith("claude-code-")
    assert refused["code"] == "claim_held"
    assert again["claim"]["token"] == mine["claim"]["token"]
    assert f"agent {mine['claim']['agent_id']}: 'Claude Code 1.0', MCP " in log


async def test_a_call_can_name_its_agent_and_the_environment_names_the_rest(tmp_path: Path) -> None:
    async with connected(tmp_path, DREAMOS_TASKS_AGENT="ada") as call:
        for title in ("one", "two"):
            await call("add_task", title=title)
        first = (await call("get_next_task"))["task"]
        second = (await call("get_next_task", agent="bob"))["task"]
        done = await call("complete_task", task_id=second["task_id"], agent="bob")
        refused = await call.error("complete_task", task_id=first["task_id"], agent="bob")

    assert (first["claim"]["agent_id"], second["claim"]["agent_id"]) == ("ada", "bob")
    assert (done["status"], refused["code"]) == ("completed", "stale_token")


async def test_clients_of_the_older_protocol_are_served_alike(tmp_path: Path) -> None:
    async with connected(tmp_path, mode="legacy") as call:
        await call("add_task", title="Something")
        task = (await call("get_next_task"))["task"]
        done = await call("complete_task", task_id=task["task_id"])

    assert task["claim"]["agent_id"].startswith("test-client-")
    assert done["status"] == "completed"


async def test_of_eight_clients_that_claim_one_task_exactly_one_gets_it(tmp_path: Path) -> None:
    board = board_in(tmp_path)
    winners: list[list[str]] = []
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(tmp_path)) for _ in range(CLIENTS)]
        for number in range(ROUNDS):
            task_id = board.add_task(TaskDraft(title=f"round {number}")).task_id
            answers = await asyncio.gather(*(one.result("claim_task", task_id=task_id) for one in clients))
            won = [answer.structured_content or {} for answer in answers if not answer.is_error]
            winners.append([document["claim"]["agent_id"] for document in won])
            holder = board.get_task_by_id(task_id).claim
            assert holder is not None
            assert winners[-1] == [holder.agent_id]

    assert [len(of_round) for of_round in winners] == [1] * ROUNDS


async def test_of_eight_clients_that_ask_for_the_next_task_each_gets_another(tmp_path: Path) -> None:
    board = board_in(tmp_path)
    ids = {board.add_task(TaskDraft(title=f"number {number}")).task_id for number in range(CLIENTS)}
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connected(tmp_path)) for _ in range(CLIENTS)]
        answers = await asyncio.gather(*(one("get_next_task") for one in clients))

    assert {answer["task"]["task_id"] for answer in answers} == ids


async def test_what_a_dead_client_held_goes_to_another_and_its_late_call_is_refused(tmp_path: Path) -> None:
    board = board_in(tmp_path)
    task_id = board.add_task(TaskDraft(title="Survives")).task_id

    with Wire(tmp_path, environment=SHORT_LEASE) as lost:
        held = lost.call("claim_task", task_id=task_id)["structuredContent"]
        lost.kill()
    async with connected(tmp_path, "--agent", "bob", **SHORT_LEASE) as call:
        taken = (await call("get_next_task", wait_seconds=60))["task"]
        async with connected(tmp_path, "--agent", "ada") as returned:
            late = await returned.error("complete_task", task_id=task_id, token=held["claim"]["token"])

    assert (held["claim"]["token"], taken["claim"]["token"]) == (1, 2)
    assert late["code"] == "stale_token"


async def test_any_call_of_a_client_keeps_what_it_holds(tmp_path: Path) -> None:
    board = board_in(tmp_path)
    task_id = board.add_task(TaskDraft(title="Long")).task_id
    async with connected(tmp_path, "--agent", "ada", **LONG_LEASE) as call:
        first = await call("claim_task", task_id=task_id)

        async with asyncio.timeout(60):
            while lease_of(board, task_id) <= first["claim"]["lease_until"]:
                await call("get_stats")

    assert board.get_task_by_id(task_id).last_token == 1


async def test_a_client_may_be_kept_alive_between_its_calls_and_no_longer_than_it_lives(tmp_path: Path) -> None:
    board = board_in(tmp_path)
    task_id = board.add_task(TaskDraft(title="Long")).task_id
    async with connected(tmp_path, "--agent", "ada", "--keep-alive", "1h", **SHORT_LEASE) as call:
        first = await call("claim_task", task_id=task_id)
        await until(lambda: lease_of(board, task_id) > first["claim"]["lease_until"], what="a heartbeat without a call")
    await until(lambda: board.get_task_by_id(task_id).claim is None, what="the lease of a client that left runs out")


def lease_of(board: TaskNexus, task_id: str) -> str:
    task: Task = board.get_task_by_id(task_id)
    assert task.claim is not None
    return task.claim.lease_until.isoformat().replace("+00:00", "Z")


async def test_the_server_ends_with_its_client(tmp_path: Path) -> None:
    with Wire(tmp_path) as wire:
        pid = wire.pid
        wire.call("get_stats")
    assert not is_alive(pid)


async def test_sigterm_ends_the_server_at_once(tmp_path: Path) -> None:
    with Wire(tmp_path) as wire:
        wire.call("get_stats")
        os.kill(wire.pid, signal.SIGTERM)
        await until(lambda: not wire.is_running, what="its end")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_place_that_holds_no_board_is_refused(tmp_path: Path) -> None:
    dt = DtProcess(tmp_path, own_environment(tmp_path))
    said = dt("--home", str(tmp_path / "slip"), "mcp", text="")

    assert (said.code, said.out) == (6, "")
    assert "dt" in said.err
    assert not (tmp_path / "slip").exists()


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"not json",
        b"\xff\xfe\x00",
        b'{"jsonrpc": "2.0", "id": 7, "method": "ping", "params": {"half of a pair": "\\ud800"}}',
        b"[" * 100_000,
        b'{"jsonrpc": "2.0", "id": 7, "method": "no/such/method"}',
        b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": 7}}',
        b'{"jsonrpc": "2.0", "id": ' + b"9" * 10_000 + b', "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "add_task", "arguments": {"title": "'
        + b"x" * 20_000_000
        + b'"}}}',
    ],
    ids=["empty", "words", "bytes", "surrogate", "deep", "unknown", "wrong", "digits", "large"],
)
def test_whatever_comes_in_the_next_call_is_answered(tmp_path: Path, line: bytes) -> None:
    with Wire(tmp_path) as wire:
        wire.call("get_stats")
        wire.send_raw(line)
        assert wire.call("get_stats")["structuredContent"]["status"] == {}


def test_text_is_kept_as_it_is_whatever_it_would_do_to_a_terminal(tmp_path: Path) -> None:
    with Wire(tmp_path) as wire:
        kept = wire.call("add_task", title="\x1b[31mred\u202e")

    assert kept["structuredContent"]["title"] == "\x1b[31mred\u202e"
