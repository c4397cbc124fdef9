"""Verbs that end an attempt: complete, fail."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt


@pytest.fixture
def held(dt: Dt) -> str:
    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    return task_id


@pytest.mark.parametrize("word", ["complete", "close", "done"])
def test_a_held_task_is_completed_with_its_result(dt: Dt, held: str, word: str) -> None:
    task = dt(word, held, "--agent", "ada", "--result", '{"files": 3}', "--json").json
    assert (task["status"], task["result"], task["claim"]) == ("completed", {"files": 3}, None)


def test_a_result_may_be_plain_words_or_a_file_but_not_broken_json(dt: Dt, held: str, tmp_path: Path) -> None:
    broken = dt("complete", held, "--agent", "ada", "--result", "{files: 3}", "--json")
    assert (broken.code, broken.error["pointer"]) == (7, "/result")
    file = tmp_path / "result.json"
    file.write_text('["a"]')
    assert dt("complete", held, "--agent", "ada", "--result", f"@{file}", "--json").json["result"] == ["a"]
    other = dt.add("y")
    dt("claim", other, "--agent", "ada")
    assert dt("complete", other, "--agent", "ada", "--result", "all good", "--json").json["result"] == "all good"


def test_complete_next_ends_one_task_and_claims_another(dt: Dt, held: str) -> None:
    other = dt.add("y")
    task = dt("complete", held, "--agent", "ada", "--next", "--json").json
    assert (task["task_id"], task["status"]) == (held, "completed")
    assert (task["next"]["task_id"], task["next"]["claim"]["agent_id"]) == (other, "ada")
    assert dt("complete", other, "--agent", "ada", "--next", "--json").json["next"] is None


def test_completing_what_another_holds_is_refused_and_changes_nothing(dt: Dt, held: str) -> None:
    answer = dt("complete", held, "--agent", "bob", "--json")
    assert (answer.code, answer.error["code"]) == (4, "stale_token")
    assert dt.task(held)["status"] == "in_progress"


def test_completing_a_task_nobody_holds_is_an_illegal_transition(dt: Dt) -> None:
    answer = dt("complete", dt.add("x"), "--agent", "ada", "--json")
    assert (answer.code, answer.error["code"]) == (4, "illegal_transition")


def test_a_logic_failure_is_final_and_a_transient_one_is_tried_again(dt: Dt, held: str) -> None:
    later = dt("fail", held, "--agent", "ada", "--error", "reset", "--category", "transient", "--json").json
    assert (later["status"], later["error"]["category"]) == ("pending", "transient")
    assert later["not_before"] is not None
    other = dt.add("y")
    dt("claim", other, "--agent", "ada")
    assert dt("fail", other, "--agent", "ada", "--error", "wrong", "--json").json["error"]["message"] == "wrong"


def test_an_unknown_category_gets_the_nearest_one(dt: Dt, held: str) -> None:
    answer = dt("fail", held, "--agent", "ada", "--error", "x", "--category", "transent")
    assert answer.code == 2
    assert "did you mean transient?" in answer.err


def test_a_green_verification_completes_the_task_with_evidence(dt: Dt) -> None:
    task_id = dt.add("x", "--verify", "echo checked")
    dt("claim", task_id, "--agent", "ada")
    task = dt("complete", task_id, "--agent", "ada", "--json").json
    assert task["status"] == "completed"
    assert task["evidence"][0]["command"] == "echo checked"
    assert task["evidence"][0]["exit_code"] == 0
    assert len(task["evidence"][0]["log_sha256"]) == 64


def test_a_check_that_prints_nothing_leaves_the_hash_of_nothing(dt: Dt) -> None:
    task_id = dt.add("x", "--verify", "true")
    dt("claim", task_id, "--agent", "ada")
    task = dt("complete", task_id, "--agent", "ada", "--json").json
    assert task["evidence"][0]["log_sha256"] == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("options", [(), ("--next",)])
def test_a_red_verification_refuses_the_completion_with_the_end_of_the_output(dt: Dt, options: tuple[str, ...]) -> None:
    task_id = dt.add("x", "--verify", "echo broken; exit 3")
    dt("claim", task_id, "--agent", "ada")
    answer = dt("complete", task_id, "--agent", "ada", "--json", *options)
    assert (answer.code, answer.error["code"]) == (4, "verification_failed")
    assert "broken" in answer.error["cause"]
    task = dt.task(task_id)
    assert (task["status"], task["claim"]["agent_id"]) == ("in_progress", "ada")
    assert "broken" in task["error"]["cause"]
