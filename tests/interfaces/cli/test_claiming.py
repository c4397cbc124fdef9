"""Verbs of an agent at work: next, claim, heartbeat, progress, release."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from dreamos_tasks import TaskDraft, TaskNexus

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt


def test_next_claims_the_most_urgent_task_and_prints_it(dt: Dt) -> None:
    dt.add("low", "--priority", "low")
    high = dt.add("high", "--priority", "high")
    task = dt("next", "--agent", "ada", "--json").json
    assert task["task_id"] == high
    assert task["status"] == "in_progress"
    assert task["claim"]["agent_id"] == "ada"
    assert task["claim"]["token"] == 1
    assert task["claim"]["claimed_at"] < task["claim"]["lease_until"]


def test_next_exits_5_when_nothing_is_ready_and_says_why(dt: Dt) -> None:
    task_id = dt.add("for bob", "--assign", "bob")
    answer = dt("next", "--agent", "ada", "--json")
    assert (answer.code, answer.out) == (5, "")
    assert answer.error["code"] == "nothing_ready"
    assert f"{task_id}: it is assigned to bob" in answer.error["cause"]


def test_next_says_that_the_daemon_runs_what_has_a_plan(dt: Dt) -> None:
    dt.add("x", "--run", "true")
    assert "dt up" in dt("next", "--agent", "ada").err


def test_next_takes_only_what_has_the_tags_and_what_the_agent_can_do(dt: Dt) -> None:
    dt.add("other")
    core = dt.add("core", "--tag", "core")
    gpu = dt.add("gpu", "--requires", "gpu", "--priority", "high")
    assert dt("next", "--agent", "ada", "--tag", "core", "--json").json["task_id"] == core
    assert dt("next", "--agent", "ada", "--capability", "gpu", "--json").json["task_id"] == gpu


def test_next_waits_for_a_task_that_another_process_adds(dt: Dt) -> None:
    dt.add("done before", "--assign", "bob")

    def add_from_elsewhere() -> None:
        with TaskNexus.open(dt.home / "runtime" / "nexus.db") as nexus:
            nexus.add_task(TaskDraft(title="late"))

    timer = threading.Timer(0.3, add_from_elsewhere)
    timer.start()
    answer = dt("next", "--agent", "ada", "--wait", "30", "--json")
    timer.join()
    assert answer.json["title"] == "late"


def test_next_waits_for_a_task_whose_time_comes(dt: Dt) -> None:
    task_id = dt.add("x", "--not-before", "+1h")
    assert dt("next", "--agent", "ada").code == 5
    assert dt("update", task_id, "--not-before", "+0.5s").code == 0
    assert dt("next", "--agent", "ada", "--wait", "30", "--json").json["task_id"] == task_id


def test_next_gives_up_when_the_time_is_over(dt: Dt) -> None:
    assert dt("next", "--agent", "ada", "--wait", "0.2").code == 5


def test_a_verb_without_an_agent_is_refused_with_the_fix(dt: Dt) -> None:
    task_id = dt.add("x")
    for args in (("next",), ("claim", task_id), ("complete", task_id), ("heartbeat", task_id), ("release", task_id)):
        answer = dt(*args, "--json")
        assert answer.code == 2
        assert answer.error["code"] == "agent_not_named"
        assert f"dt {args[0]} --agent NAME" in answer.error["fix"]


def test_the_agent_may_come_from_the_environment(dt: Dt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DREAMOS_TASKS_AGENT", "grace")
    dt.add("x")
    assert dt("next", "--json").json["claim"]["agent_id"] == "grace"


def test_a_claim_held_by_another_is_refused_with_holder_and_deadline(dt: Dt) -> None:
    task_id = dt.add("x")
    lease_until = dt("claim", task_id, "--agent", "ada", "--json").json["claim"]["lease_until"]
    answer = dt("claim", task_id, "--agent", "bob", "--json")
    assert answer.code == 4
    assert answer.error["code"] == "claim_held"
    assert "ada" in answer.error["message"]
    assert lease_until in answer.error["message"]


def test_claiming_what_one_holds_gives_the_same_token(dt: Dt) -> None:
    task_id = dt.add("x")
    tokens = {dt("claim", task_id, "--agent", "ada", "--json").json["claim"]["token"] for _ in range(2)}
    assert tokens == {1}


def test_a_heartbeat_prolongs_the_lease_and_a_stale_token_is_refused(dt: Dt) -> None:
    task_id = dt.add("x")
    claim = dt("claim", task_id, "--agent", "ada", "--json").json["claim"]
    after = dt("hb", task_id, "--agent", "ada", "--token", "1", "--json").json["claim"]
    assert after["lease_until"] > claim["lease_until"]
    refused = dt("heartbeat", task_id, "--token", "9", "--json")
    assert (refused.code, refused.error["code"]) == (4, "stale_token")


def test_progress_is_kept_with_the_task(dt: Dt) -> None:
    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    task = dt("progress", task_id, "--agent", "ada", "--percent", "40", "--note", "half", "--json").json
    assert task["progress"]["percent"] == 40
    assert "40 %, half" in dt("show", task_id).out


def test_a_note_alone_leaves_the_percentage_and_saying_nothing_is_refused(dt: Dt) -> None:
    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    dt("progress", task_id, "--agent", "ada", "--percent", "40", "--note", "half")

    told = dt("progress", task_id, "--agent", "ada", "--note", "tests written", "--json").json["progress"]
    refused = dt("progress", task_id, "--agent", "ada", "--json")

    assert (told["percent"], told["note"]) == (40, "tests written")
    assert (refused.code, refused.error["code"]) == (2, "usage")
    assert dt("show", task_id, "--json").json["progress"] == told


def test_a_released_task_is_open_to_others(dt: Dt) -> None:
    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    assert dt("unclaim", task_id, "--agent", "ada", "--json").json["status"] == "pending"
    assert dt("next", "--agent", "bob", "--json").json["claim"]["token"] == 2
