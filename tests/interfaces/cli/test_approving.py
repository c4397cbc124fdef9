"""Verbs by which tasks ask people and people decide."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt


@pytest.fixture
def asked(dt: Dt) -> str:
    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    dt("ask", task_id, "--agent", "ada", "red or blue?", "--choice", "red", "--choice", "blue")
    return task_id


@pytest.fixture
def waiting(dt: Dt, tmp_path: Path) -> str:
    """A task whose step waits for approval, after a foreground run let it go."""
    plan = {"steps": [{"name": "wipe", "params": {"command": "rm -rf /nowhere/at/all"}}]}
    (tmp_path / "wipe.json").write_text(json.dumps({"title": "Wipe it", "plan": plan}))
    dt("run", str(tmp_path / "wipe.json"))
    (found,) = dt("approvals", "--json").json
    task_id: str = found["task_id"]
    return task_id


def test_an_agent_asks_and_lets_go_and_the_answer_puts_the_task_back(dt: Dt, asked: str) -> None:
    task = dt.task(asked)
    assert (task["status"], task["claim"]) == ("awaiting_approval", None)
    assert dt("next", "--agent", "bob").code == 5

    wrong = dt("answer", asked, "green", "--json")
    assert (wrong.code, "red, blue" in wrong.error["cause"]) == (7, True)
    assert dt("answer", asked, "blue", "--by", "eve").code == 0

    task = dt.task(asked)
    assert task["status"] == "pending"
    (request,) = task["requests"]
    assert (request["answer"], request["decided_by"], request["asked_by"]) == ("blue", "eve", "ada")


def test_a_question_shows_in_the_list_and_on_the_page_with_the_commands_that_decide_it(dt: Dt, asked: str) -> None:
    for shown in (dt("approvals").out, dt("show", asked).out):
        assert f'dt answer {asked}.r1 "red"   or   dt answer {asked}.r1 "blue"' in shown
        assert "red or blue?" in shown


@pytest.mark.parametrize("choice", ['x"; rm -rf ~; "', "$(rm -rf ~)", "`id`", "it's $HOME"])
def test_a_choice_of_an_agents_is_shown_so_that_a_shell_runs_none_of_it(dt: Dt, choice: str) -> None:
    task_id = dt.add("x")
    dt("claim", task_id, "--agent", "ada")
    dt("ask", task_id, "--agent", "ada", "which?", "--choice", choice)
    refused = dt("answer", task_id, "green", "--json")
    for shown in (dt("approvals").out, dt("show", task_id).out, refused.error["fix"]):
        (line,) = [line for line in shown.splitlines() if f"dt answer {task_id}.r1" in line]
        assert shlex.split(line[line.index("dt answer") :])[3] == choice


def test_a_destructive_step_waits_and_shows_what_it_would_do(dt: Dt, waiting: str) -> None:
    (request,) = dt("approvals", "--json").json
    assert request["request_id"] == f"{waiting}.r1"
    assert (request["risk"], request["text"], request["kind"]) == ("critical", "rm -rf /nowhere/at/all", "approval")
    assert request["expires_at"] is not None


def test_it_is_approved_with_other_parameters_and_the_trail_says_by_whom_and_why(dt: Dt, waiting: str) -> None:
    params = json.dumps({"command": "echo nothing removed"})

    task = dt("approve", waiting, "--params", params, "--by", "eve", "--reason", "not that", "--json").json

    assert task["status"] == "pending"
    assert dt("run", waiting).code == 0
    (request,) = dt("approvals", "--all", "--json").json
    assert (request["state"], request["decided_by"], request["reason"]) == ("approved", "eve", "not that")
    assert request["decided_params"] == {"command": "echo nothing removed"}
    assert "nothing removed" in dt("logs", waiting).out
    types = [event["type"] for event in dt("history", waiting, "--json").json.get("events", [])]
    assert not types or "approval_granted" in types


def test_a_rejection_fails_the_task(dt: Dt, waiting: str) -> None:
    assert dt("reject", f"{waiting}.r1", "--by", "eve", "--reason", "no").code == 0
    assert dt("run", waiting).code == 1
    error = dt.task(waiting)["error"]
    assert (error["category"], "eve rejected it: no" in error["message"]) == ("permission", True)
    assert dt("approvals").out == ""


def test_who_works_on_it_cannot_approve_and_neither_can_an_agent(
    dt: Dt, waiting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = dt("approvals", "--json").json[0]["asked_by"]
    answer = dt("approve", waiting, "--by", own, "--json")
    assert (answer.code, answer.error["code"]) == (4, "own_approval")

    monkeypatch.setenv("DREAMOS_TASKS_AGENT", "ada")
    for verb in (("approve", waiting), ("reject", waiting), ("answer", waiting, "x")):
        answer = dt(*verb, "--json")
        assert (answer.code, answer.error["code"]) == (4, "no_person")


def test_what_is_not_asked_cannot_be_decided(dt: Dt, waiting: str) -> None:
    assert dt("approve", dt.add("y"), "--json").error["code"] == "request_not_found"
    assert dt("approve", f"{waiting}.r7", "--json").code == 3
    assert dt("answer", waiting, "x", "--json").code == 3
    assert dt("approve", waiting, "--params", "[1]", "--json").code == 7
    assert dt("approve", waiting, "--params", "{", "--json").code == 7


def test_parameters_with_which_the_step_could_not_be_called_are_refused_and_it_still_waits(
    dt: Dt, waiting: str
) -> None:
    refused = dt("approve", waiting, "--params", '{"comand": "true"}', "--json")

    assert (refused.code, refused.error["code"]) == (7, "invalid_input")
    assert "command is missing" in refused.error["message"]
    assert dt.task(waiting)["status"] == "awaiting_approval"


def test_the_trail_shows_what_an_approval_has_changed(dt: Dt, waiting: str) -> None:
    dt("approve", waiting, "--params", '{"command": "true"}', "--by", "eve")

    assert 'changed to: {"command": "true"}' in dt("approvals", "--all").out


def test_a_task_that_asks_nothing_says_so(dt: Dt) -> None:
    task_id = dt.add("y")

    assert dt("approve", task_id, "--json").error["message"] == f"{task_id} has no open approval"
    assert dt("answer", task_id, "x", "--json").error["message"] == f"{task_id} has no open question"


def test_of_several_questions_one_is_to_be_named(dt: Dt, tmp_path: Path) -> None:
    steps = [{"name": name, "run": "true", "approval": "required"} for name in ("a", "b")]
    (tmp_path / "two.json").write_text(
        json.dumps({"title": "Two", "plan": {"max_concurrent_steps": 2, "steps": steps}})
    )
    dt("run", str(tmp_path / "two.json"))
    task_id = dt("approvals", "--json").json[0]["task_id"]

    answer = dt("approve", task_id, "--by", "eve", "--json")

    assert (answer.code, answer.error["code"]) == (4, "ambiguous_id")
    assert f"{task_id}.r1, {task_id}.r2" in answer.error["cause"]
