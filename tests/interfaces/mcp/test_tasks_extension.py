"""run_task, and the tasks extension: a call that goes on as a task of the board, whatever happens to the server meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks import TaskDraft, TaskNexus
from tests.command import DtProcess, end_started, own_environment, until
from tests.interfaces.mcp.clients import TASKS, Wire, connected, text_of

INVALID_PARAMS = -32602
MISSING_CAPABILITY = -32021
METHOD_NOT_FOUND = -32601
TaskOf = dict[str, Any]
UNDECLARED: tuple[tuple[str, TaskOf], ...] = (
    ("tasks/get", {}),
    ("tasks/cancel", {}),
    ("tasks/update", {"inputResponses": {}}),
)


@pytest.fixture
def board(tmp_path: Path) -> TaskNexus:
    return TaskNexus.open(tmp_path / "runtime" / "nexus.db")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[DtProcess]:
    dt = DtProcess(tmp_path, own_environment(tmp_path, DREAMOS_TASKS_SERVER__ENABLED="false"))
    up = dt("--home", str(tmp_path), "up", "--detach")
    assert up.code == 0, up.err
    yield dt
    end_started()
    down = dt("--home", str(tmp_path), "down", "--timeout", "60")
    assert down.code == 0, down.err


def polled(wire: Wire, task_id: str, wanted: Callable[[TaskOf], bool]) -> TaskOf:
    """What tasks/get says, once it says what is wanted."""
    said: TaskOf = {}

    def asked() -> bool:
        said.clear()
        said.update(wire.ask("tasks/get", taskId=task_id)["result"])
        return wanted(said)

    until(asked)
    return said


def is_over(said: TaskOf) -> bool:
    return said["status"] in ("completed", "failed", "cancelled")


@pytest.mark.usefixtures("daemon")
def test_a_long_call_becomes_a_task_that_outlives_its_server(tmp_path: Path) -> None:
    with Wire(tmp_path) as wire:
        begun = wire.call("run_task", run=["until test -e go; do sleep 0.05; done", "echo all of it"])
        working = wire.ask("tasks/get", taskId=begun["taskId"])["result"]
        wire.kill()
    with Wire(tmp_path) as another:
        running = polled(another, begun["taskId"], lambda said: "runs" in said.get("statusMessage", ""))
        (tmp_path / "go").touch()
        done = polled(another, begun["taskId"], is_over)

    assert (begun["resultType"], begun["status"], begun["ttlMs"]) == ("task", "working", None)
    assert (working["resultType"], working["status"]) == ("complete", "working")
    assert running["statusMessage"] == "runs run-1"
    assert done["status"] == "completed"
    assert not done["result"].get("isError", False)
    assert done["result"]["structuredContent"]["task_id"] == begun["taskId"]
    assert "all of it" in done["result"]["content"][0]["text"]


@pytest.mark.usefixtures("daemon")
def test_a_run_that_fails_is_completed_with_the_tools_error(tmp_path: Path) -> None:
    with Wire(tmp_path) as wire:
        begun = wire.call("run_task", run=["echo it is broken; exit 3"], more={"retry": {"max_attempts": 1}})
        done = polled(wire, begun["taskId"], is_over)

    assert (done["status"], done["result"]["isError"]) == ("completed", True)
    assert done["result"]["structuredContent"]["error"]["step"] == "run"


@pytest.mark.usefixtures("daemon")
def test_a_cancelled_run_ends_with_its_processes(tmp_path: Path) -> None:
    with Wire(tmp_path) as wire:
        begun = wire.call("run_task", run=["echo $$ > pid; exec sleep 600"])
        pid = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip()))
        said = wire.ask("tasks/cancel", taskId=begun["taskId"])["result"]
        again = wire.ask("tasks/cancel", taskId=begun["taskId"])["result"]
        done = polled(wire, begun["taskId"], is_over)
        until(lambda: not Path(f"/proc/{pid}").exists())

    assert said["resultType"] == again["resultType"] == "complete"
    assert "taskId" not in said
    assert done["status"] == "cancelled"


@pytest.mark.usefixtures("daemon")
async def test_a_client_that_knows_no_tasks_waits_for_the_result(tmp_path: Path) -> None:
    async with connected(tmp_path) as call:
        done = await call("run_task", run=["echo hello"], wait_seconds=60)
        failed = await call.result("run_task", run=["exit 3"], more={"retry": {"max_attempts": 1}}, wait_seconds=60)
        later = await call("run_task", run=["sleep 600"], wait_seconds=0)
        await call("cancel_task", task_id=later["task_id"])

    assert (done["status"], failed.is_error) == ("completed", True)
    assert '"status":"failed"' in text_of(failed)
    assert (later["status"] in ("pending", "in_progress"), "get_task tells" in later["note"]) == (True, True)


def test_without_a_daemon_it_is_said_that_nobody_runs_it(tmp_path: Path) -> None:
    with Wire(tmp_path) as wire:
        begun = wire.call("run_task", run=["true"])
        polled_once = wire.ask("tasks/get", taskId=begun["taskId"])["result"]

    assert polled_once["statusMessage"] == "the daemon runs it, and is not running: dt up starts it"


def test_a_question_is_put_to_the_clients_user_and_answered_by_them(tmp_path: Path, board: TaskNexus) -> None:
    task_id = board.add_task(TaskDraft(title="Choose")).task_id
    with Wire(tmp_path) as wire:
        wire.call("claim_task", task_id=task_id)
        wire.call("ask_question", task_id=task_id, question="Which?", choices=["red", "blue"])
        asked = wire.ask("tasks/get", taskId=task_id)["result"]
        ((key, request),) = asked["inputRequests"].items()
        ignored = wire.ask("tasks/update", taskId=task_id, inputResponses={"unknown": {"action": "accept"}})
        declined = wire.ask("tasks/update", taskId=task_id, inputResponses={key: {"action": "decline"}})
        still = wire.ask("tasks/get", taskId=task_id)["result"]
        wrong = wire.ask(
            "tasks/update", taskId=task_id, inputResponses={key: {"action": "accept", "content": {"answer": "green"}}}
        )
        accepted = {key: {"action": "accept", "content": {"answer": "blue"}}}
        answered = wire.ask("tasks/update", taskId=task_id, inputResponses=accepted)["result"]
        after = wire.ask("tasks/get", taskId=task_id)["result"]

    assert (asked["status"], still["status"], after["status"]) == ("input_required", "input_required", "working")
    assert request["params"]["requestedSchema"]["properties"]["answer"]["enum"] == ["red", "blue"]
    assert ignored["result"]["resultType"] == declined["result"]["resultType"] == answered["resultType"] == "complete"
    assert wrong["error"]["code"] == INVALID_PARAMS
    (question,) = board.get_task_by_id(task_id).requests
    assert (question.answer, question.decided_by) == ("blue", "ada's user")


@pytest.mark.usefixtures("daemon")
def test_an_approval_is_not_for_an_agents_client(tmp_path: Path) -> None:
    with Wire(tmp_path) as wire:
        step = {"name": "wipe", "tool": "shell", "params": {"command": "true"}, "approval": "required"}
        begun = wire.call("run_task", more={"plan": {"steps": [step]}})
        asked = polled(wire, begun["taskId"], lambda said: "person decides" in said.get("statusMessage", ""))
        key = f"{begun['taskId']}.r1"
        wire.ask("tasks/update", taskId=begun["taskId"], inputResponses={key: {"action": "accept", "content": {}}})
        still = wire.ask("tasks/get", taskId=begun["taskId"])["result"]

    assert (asked["status"], still["status"]) == ("working", "working")
    assert "inputRequests" not in asked
    assert f"dt approve {key}" in still["statusMessage"]


def test_handles_are_whole_ids_and_only_for_clients_that_know_tasks(tmp_path: Path, board: TaskNexus) -> None:
    task_id = board.add_task(TaskDraft(title="Something")).task_id
    with Wire(tmp_path) as wire:
        unknown = wire.ask("tasks/get", taskId="dt-none")["error"]
        prefix = wire.ask("tasks/get", taskId=task_id[:-1])["error"]
        removed = [wire.ask(method, taskId=task_id)["error"]["code"] for method in ("tasks/result", "tasks/list")]
    with Wire(tmp_path, capabilities={}) as plain:
        refused = [plain.ask(method, taskId=task_id, **more)["error"] for method, more in UNDECLARED]
        done = plain.call("run_task", run=["true"], wait_seconds=0)

    assert (unknown["code"], prefix["code"], removed) == (INVALID_PARAMS, INVALID_PARAMS, [METHOD_NOT_FOUND] * 2)
    assert [error["code"] for error in refused] == [MISSING_CAPABILITY] * 3
    assert TASKS in refused[0]["data"]["requiredCapabilities"]["extensions"]
    assert "taskId" not in done
    assert board.get_task_by_id(task_id).status == "pending"
