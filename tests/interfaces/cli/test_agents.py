"""dt agents: who works from the board, and what that means for claiming; by processes that share a board."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.command import DtProcess, own_environment, sleeping
from tests.interfaces.cli.conftest import Dt


def test_an_agent_is_registered_listed_paused_resumed_and_forgotten(dt: Dt) -> None:
    assert dt("agents", "--json").json == []
    first = dt.add("Fix the parser")
    registered = dt("agents", "register", "ada", "-c", "gpu", "--max-tasks", "1", "--kind", "codex", "--json")
    assert (registered.code, registered.json["capabilities"]) == (0, ["gpu"])
    assert dt("next", "--agent", "ada").code == 0

    (view,) = dt("agents", "--json").json
    assert (view["agent_id"], view["state"], view["registered"], view["kind"]) == ("ada", "working", True, "codex")
    assert [held["task_id"] for held in view["tasks"]] == [first]
    assert "ada  working  1/1" in dt("agents").out

    paused = dt("agents", "pause", "ada", "--reason", "flaky tests", "--by", "ops")
    assert (paused.code, paused.out) == (0, "ada  paused\n")
    dt.add("another")
    refused = dt("next", "--agent", "ada", "--json")
    assert (refused.code, refused.error["code"]) == (4, "agent_paused")
    assert "flaky tests" in refused.error["cause"]
    assert "ops" in refused.error["cause"]
    assert dt("complete", first, "--agent", "ada").code == 0
    assert dt("agents", "resume", "ada", "--by", "ada").code == 4
    assert dt("agents", "resume", "ada").code == 0
    assert dt("next", "--agent", "ada").code == 0

    forgotten = dt("agents", "forget", "ada")
    assert forgotten.code == 0
    assert "dt agents register ada --capability gpu --max-tasks 1 --kind codex" in forgotten.err
    assert [view["registered"] for view in dt("agents", "--json").json] == [False]


def test_an_agent_that_holds_all_it_may_is_told_so(dt: Dt) -> None:
    held, other = dt.add("one"), dt.add("two")
    dt("agents", "register", "ada", "--max-tasks", "1")
    dt("claim", held, "--agent", "ada")

    nothing = dt("next", "--agent", "ada", "--json")
    assert (nothing.code, nothing.error["code"]) == (5, "nothing_ready")
    assert held in nothing.error["cause"]
    refused = dt("claim", other, "--agent", "ada", "--json")
    assert (refused.code, refused.error["code"]) == (4, "agent_at_capacity")
    assert dt("claim", held, "--agent", "ada").code == 0


def test_show_tells_what_was_done_to_an_agent(dt: Dt) -> None:
    dt("agents", "register", "ada", "--note", "in the build room")
    dt("agents", "pause", "ada", "--reason", "lunch", "--by", "ops")
    shown = dt("agents", "show", "ada")
    assert shown.code == 0
    for words in ("ada  paused", "in the build room", "by ops: lunch", "registered by ada"):
        assert words in shown.out
    log = dt("agents", "show", "ada", "--json").json["log"]
    assert log[1]["why"] == "lunch"
    assert log[1]["at"] not in shown.out, "people are told instants in their own time"


def test_a_name_that_nobody_has_is_not_found(dt: Dt) -> None:
    dt("agents", "register", "ada")
    answer = dt("agents", "pause", "aad", "--json")
    assert (answer.code, answer.error["code"]) == (3, "agent_not_found")
    assert "ada" in answer.error["fix"]


@pytest.mark.parametrize("words", [("register", "not a name"), ("register", "ada", "--pid", "4194305")])
def test_what_cannot_be_registered_is_refused(dt: Dt, words: tuple[str, ...]) -> None:
    assert dt("agents", *words).code == 7


def test_a_heartbeat_names_the_agent_or_takes_it_from_the_environment(dt: Dt, monkeypatch: pytest.MonkeyPatch) -> None:
    dt("agents", "register", "ada")
    assert dt("agents", "heartbeat", "ada").code == 0
    assert dt("agents", "heartbeat").code == 2
    monkeypatch.setenv("DREAMOS_TASKS_AGENT", "ada")
    assert dt("agents", "heartbeat").code == 0


def test_what_is_said_with_marks_of_a_terminal_is_shown_escaped(dt: Dt) -> None:
    dt("agents", "register", "ada", "--note", "\x1b[31mred", "--kind", "a\nb")
    assert "\x1b" not in dt("agents").out + dt("agents", "show", "ada").out


@pytest.mark.parametrize("store", ["sqlite", "json"])
def test_many_processes_never_give_an_agent_more_than_it_may_hold(tmp_path: Path, store: str) -> None:
    dt = DtProcess(
        tmp_path, own_environment(tmp_path, DREAMOS_TASKS_HOME=str(tmp_path), DREAMOS_TASKS_BOARD__STORE=store)
    )
    for number in range(6):
        assert dt("add", f"task {number}").code == 0
    assert dt("agents", "register", "ada", "--max-tasks", "2").code == 0

    with ThreadPoolExecutor(6) as pool:
        codes = [done.code for done in pool.map(lambda _: dt("next", "--agent", "ada", "--json"), range(6))]

    assert sorted(codes) == [0, 0, 5, 5, 5, 5]
    (view,) = dt("agents", "--json").form
    assert len(view["tasks"]) == 2


def test_a_killed_agents_tasks_go_back_at_the_next_check(tmp_path: Path) -> None:
    dt = DtProcess(tmp_path, own_environment(tmp_path, DREAMOS_TASKS_HOME=str(tmp_path)))
    task_id = dt("add", "x").out.strip()
    with sleeping() as agent:
        assert dt("agents", "register", "ada", "--pid", str(agent.pid)).code == 0
        assert dt("next", "--agent", "ada").code == 0
        assert dt("monitor", "--once", "--json").form["silent_agents"] == []
        os.kill(agent.pid, 9)
        agent.wait()

    report = dt("monitor", "--once", "--json").form
    (silent,) = report["silent_agents"]
    assert (silent["agent_id"], silent["claims"][0]["task_id"], silent["claims"][0]["action"]) == (
        "ada",
        task_id,
        "released",
    )
    assert dt("show", task_id, "--json").form["status"] == "pending"
    assert "is gone" in dt("history", task_id).out
    assert dt("next", "--agent", "ben").code == 0
