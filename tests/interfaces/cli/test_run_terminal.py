"""run, as a person at a terminal sees it: bars, output as it comes, questions, Ctrl-C."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.app.identity import started_ticks
from tests.command import PATIENCE_SECONDS, DtProcess, end_started, own_environment, until
from tests.interfaces.cli.terminal import Terminal

GATE = "while [ ! -e gate ]; do sleep 0.02; done"


@pytest.fixture
def dt(tmp_path: Path) -> Iterator[DtProcess]:
    called = DtProcess(tmp_path, own_environment(tmp_path, DREAMOS_TASKS_RETRY__BASE_SECONDS="0.01"))
    called("init")
    yield called
    end_started()


def plan(dt: DtProcess, *steps: Any, **more: Any) -> str:
    (dt.folder / "plan.json").write_text(json.dumps({"title": "the work", "plan": {"steps": steps, **more}}))
    return "plan.json"


def only_task(dt: DtProcess) -> Any:
    (found,) = dt("list", "--all", "--json").form
    return found


def test_on_a_terminal_there_is_a_bar_for_the_task_and_one_for_the_step_that_runs(dt: DtProcess) -> None:
    terminal = Terminal.start(dt, "run", plan(dt, {"name": "slow", "run": f"echo begun; {GATE}"}))
    shown = terminal.until("0/1 steps")
    terminal.until("━")
    terminal.until("    | begun")
    assert "the work" in shown
    (dt.folder / "gate").touch()
    assert terminal.end() == 0
    assert terminal.plain.rstrip().endswith("completed")
    assert "\x1b[?25h" in terminal.shown  # the cursor is given back


def test_what_is_left_is_told_as_a_range_once_such_steps_have_been_run(dt: DtProcess) -> None:
    (dt.folder / "gate").touch()
    for _ in range(3):
        dt("run", plan(dt, {"name": "slow", "run": f"sleep 0.3; {GATE}"}))
    (dt.folder / "gate").unlink()
    terminal = Terminal.start(dt, "run", "plan.json")
    terminal.until("steps, ~")
    terminal.until("expected, ")
    (dt.folder / "gate").touch()
    assert terminal.end() == 0


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}])
def test_a_terminal_that_can_do_little_gets_plain_lines(dt: DtProcess, environment: dict[str, str]) -> None:
    terminal = Terminal.start(dt, "run", plan(dt, {"name": "say", "run": "echo hello"}), **environment)
    assert terminal.end() == 0
    assert terminal.shown == terminal.plain.replace("\n", "\r\n")
    assert "━" not in terminal.shown
    assert "    | hello" in terminal.shown


def test_output_is_shown_while_its_step_still_runs(dt: DtProcess) -> None:
    process = dt.start("run", plan(dt, {"name": "slow", "run": f"echo early; {GATE}; echo late"}))
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    assert "    | early\n" in lines
    assert not (dt.folder / "gate").exists()
    (dt.folder / "gate").touch()
    assert "    | late\n" in lines
    assert process.wait(PATIENCE_SECONDS) == 0


def test_of_steps_side_by_side_each_line_says_whose_it_is(dt: DtProcess) -> None:
    steps = [
        {"name": "a", "run": "echo from a; touch a; while [ ! -e bb ]; do sleep 0.02; done"},
        {"name": "bb", "run": "echo from b; touch bb; while [ ! -e a ]; do sleep 0.02; done"},
    ]
    said = dt("run", plan(dt, *steps, max_concurrent_steps=2))
    assert said.code == 0
    assert {"    a  | from a", "    bb | from b"} <= set(said.err.splitlines())


def test_a_line_without_an_end_and_one_that_repaints_itself_are_shown(dt: DtProcess) -> None:
    said = dt("run", "--", "sh", "-c", r"printf '10%%\r50%%\r100%%\r\n'; printf 'no end'")
    assert [line for line in said.err.splitlines() if line.startswith("    |")] == ["    | 100%", "    | no end"]


def test_with_json_there_is_one_document_and_no_talk(dt: DtProcess) -> None:
    said = dt("run", "--json", "--", "echo", "hello")
    assert (said.code, said.form["status"], said.err) == (0, "completed", "")


def test_leave_is_asked_for_right_there_and_given_by_one_key(dt: DtProcess) -> None:
    terminal = Terminal.start(dt, "run", plan(dt, {"name": "ship", "run": "echo gone", "approval": "required"}))
    shown = terminal.until("[a]pprove, [r]eject or [l]ater? ")
    assert "step ship asks for leave (risk low):\n    echo gone\n  why: the step asks for it\n" in shown
    terminal.type("what?\n")
    terminal.until("what?\n[a]pprove, [r]eject or [l]ater? ")
    terminal.type("a\n")
    assert terminal.end() == 0
    (request,) = only_task(dt)["requests"]
    assert (request["state"], request["decided_by"]) == ("approved", getpass.getuser())


def test_what_is_rejected_right_there_fails_the_task(dt: DtProcess) -> None:
    terminal = Terminal.start(dt, "run", plan(dt, {"name": "ship", "run": "touch gone", "approval": "required"}))
    terminal.until("[l]ater? ")
    terminal.type("r\n")
    assert terminal.end() == 1
    assert not (dt.folder / "gone").exists()


@pytest.mark.parametrize("keys", ["l\n", "\x04"])
def test_later_leaves_it_open_and_says_how_to_decide(dt: DtProcess, keys: str) -> None:
    terminal = Terminal.start(dt, "run", plan(dt, {"name": "ship", "run": "echo gone", "approval": "required"}))
    terminal.until("[l]ater? ")
    terminal.type(keys)
    assert terminal.end() == 1
    task = only_task(dt)
    assert (task["status"], task["assigned_to"]) == ("awaiting_approval", None)
    assert f"fix: dt approve {task['task_id']}.r1" in terminal.plain


def test_while_somebody_is_asked_other_steps_go_on_and_their_output_waits(dt: DtProcess) -> None:
    steps = [
        {"name": "ship", "run": "echo gone", "approval": "required"},
        {"name": "beside", "run": f"{GATE}; echo meanwhile"},
    ]
    terminal = Terminal.start(dt, "run", plan(dt, *steps, max_concurrent_steps=2))
    terminal.until("[l]ater? ")
    (dt.folder / "gate").touch()
    until(lambda: {"beside": "completed"}.items() <= {s["name"]: s["status"] for s in only_task(dt)["steps"]}.items())
    assert "meanwhile" not in terminal.plain.partition("[l]ater? ")[2]
    terminal.type("a\n")
    assert terminal.end() == 0
    assert "meanwhile" in terminal.plain.partition("[l]ater? ")[2]


def test_what_somebody_else_decides_is_no_longer_asked(dt: DtProcess) -> None:
    terminal = Terminal.start(dt, "run", plan(dt, {"name": "ship", "run": "echo gone", "approval": "required"}))
    terminal.until("[l]ater? ")
    dt("approve", only_task(dt)["task_id"])
    assert terminal.end() == 0


def test_without_a_terminal_nobody_is_asked_and_the_hint_says_how(dt: DtProcess) -> None:
    said = dt("run", plan(dt, {"name": "ship", "run": "echo gone", "approval": "required"}))
    task_id = only_task(dt)["task_id"]
    assert (said.code, said.out) == (1, f"{task_id}  awaiting_approval\n")
    assert f"fix: dt approve {task_id}.r1; then dt run {task_id} goes on" in said.err
    dt("approve", task_id)
    assert dt("run", task_id).code == 0


def test_a_task_that_awaits_leave_already_is_asked_about_when_it_is_run(dt: DtProcess) -> None:
    dt("run", plan(dt, {"name": "ship", "run": "echo gone", "approval": "required"}))
    task_id = only_task(dt)["task_id"]
    assert dt("run", task_id).code == 1
    terminal = Terminal.start(dt, "run", task_id)
    terminal.until("[l]ater? ")
    terminal.type("approve\n")
    assert terminal.end() == 0


def test_an_agent_is_not_asked_for_leave(dt: DtProcess) -> None:
    asks = plan(dt, {"name": "ship", "run": "echo gone", "approval": "required"})
    terminal = Terminal.start(dt, "run", asks, DREAMOS_TASKS_AGENT="ada")
    assert terminal.end() == 1
    assert "[a]pprove" not in terminal.plain


def test_ctrl_c_at_the_question_pauses_too(dt: DtProcess) -> None:
    terminal = Terminal.start(dt, "run", plan(dt, {"name": "ship", "run": "echo gone", "approval": "required"}))
    terminal.until("[l]ater? ")
    os.killpg(terminal.process.pid, 2)
    assert terminal.end() == 130
    assert only_task(dt)["status"] == "paused"


def test_the_first_ctrl_c_pauses_and_says_how_to_go_on(dt: DtProcess) -> None:
    terminal = Terminal.start(dt, "run", plan(dt, {"name": "slow", "run": f"echo begun; {GATE}"}))
    terminal.until("    | begun")
    os.killpg(terminal.process.pid, 2)
    assert terminal.end() == 130
    task = only_task(dt)
    assert task["status"] == "paused"
    assert "Ctrl-C again leaves at once" in terminal.plain
    assert f"fix: dt run {task['task_id']} goes on from there" in terminal.plain
    (dt.folder / "gate").touch()
    assert dt("run", task["task_id"]).code == 0


def test_the_second_ctrl_c_leaves_at_once_with_nothing_alive_and_the_task_can_be_gone_on_with(dt: DtProcess) -> None:
    stubborn = f"trap '' TERM INT; echo $$ > pid; echo begun; {GATE}"
    terminal = Terminal.start(dt, "run", plan(dt, {"name": "slow", "run": stubborn, "idempotent": True}))
    terminal.until("    | begun")
    os.killpg(terminal.process.pid, 2)
    terminal.until("Ctrl-C again leaves at once")
    os.killpg(terminal.process.pid, 2)
    assert terminal.end() == 130
    assert "\x1b[?25h" in terminal.shown
    until(lambda: started_ticks(int((dt.folder / "pid").read_text())) is None)
    task = only_task(dt)
    assert f"left at once, in the middle of a step; dt run {task['task_id']} goes on" in terminal.plain
    (dt.folder / "gate").touch()
    assert dt("run", task["task_id"]).code == 0


def test_ctrl_c_between_two_attempts_pauses_the_task(dt: DtProcess) -> None:
    (dt.folder / "plan.json").write_text(
        json.dumps(
            {"title": "x", "run": "exit 75", "retry": {"base_seconds": 3600, "max_seconds": 3600, "jitter": "none"}}
        )
    )
    terminal = Terminal.start(dt, "run", "plan.json")
    terminal.until("the next try in")
    os.killpg(terminal.process.pid, 2)
    assert terminal.end() == 130
    assert only_task(dt)["status"] == "paused"


def test_a_task_that_is_cancelled_between_two_attempts_ends_the_run(dt: DtProcess) -> None:
    (dt.folder / "plan.json").write_text(
        json.dumps(
            {"title": "x", "run": "exit 75", "retry": {"base_seconds": 3600, "max_seconds": 3600, "jitter": "none"}}
        )
    )
    process = dt.start("run", "plan.json", "--json")
    until(lambda: dt("list", "--all", "--json").form and only_task(dt)["deferrals"] == 1)
    dt("cancel", only_task(dt)["task_id"])
    out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert (process.returncode, json.loads(out)["status"]) == (1, "cancelled")
