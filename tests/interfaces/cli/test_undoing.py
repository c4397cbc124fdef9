"""undo: the steps of a task, or the last change to the board."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command import PATIENCE_SECONDS, DtProcess, end_started, own_environment, until
from tests.interfaces.cli.conftest import Dt

WRITE = {"name": "config", "tool": "files", "params": {"action": "write", "path": "f.txt", "content": "new"}}


@pytest.fixture
def process(tmp_path: Path) -> Iterator[DtProcess]:
    called = DtProcess(tmp_path, own_environment(tmp_path, DREAMOS_TASKS_RETRY__BASE_SECONDS="0.01"))
    called("init")
    yield called
    end_started()


def added(dt: Dt, *more: str) -> str:
    return dt("add", "something", *more).out.strip()


def state(dt: Dt, task_id: str) -> Any:
    return dt("show", task_id, "--json").json["status"]


def run_plan(dt: DtProcess, *steps: Any, **plan: Any) -> Any:
    (dt.folder / "plan.json").write_text(json.dumps({"title": "x", "plan": {"steps": steps, **plan}}))
    return dt("run", "plan.json", "--json").form


# -- the last change


@pytest.mark.parametrize(
    ("said", "before"),
    [
        (("cancel",), "pending"),
        (("pause",), "pending"),
        (("update", "--priority", "low"), "pending"),
    ],
)
def test_the_last_change_is_taken_back_by_a_new_event(dt: Dt, said: tuple[str, ...], before: str) -> None:
    task_id = added(dt)
    was = dt("show", task_id, "--json").json
    dt(said[0], task_id, *said[1:])

    undone = dt("undo", "--json")

    assert undone.code == 0, undone.err
    now = dt("show", task_id, "--json").json
    for moving in ("updated_at",):
        was.pop(moving)
        now.pop(moving)
    assert now == was
    assert now["status"] == before
    assert "events tell the same as the board" in dt("doctor").out
    assert undone.json["tasks"][0]["task_id"] == task_id


def test_resume_and_retry_are_taken_back(dt: Dt) -> None:
    task_id = added(dt)
    dt("pause", task_id, "--reason", "lunch")
    dt("resume", task_id)
    dt("undo")
    assert state(dt, task_id) == "paused"
    assert dt("show", task_id, "--json").json["pause"]["reason"] == "lunch"
    dt("cancel", task_id)
    dt("retry", task_id)
    dt("undo")
    assert state(dt, task_id) == "cancelled"


def test_what_was_added_is_cancelled_since_nothing_is_ever_deleted(dt: Dt) -> None:
    task_id = added(dt)
    said = dt("undo")
    assert (said.code, state(dt, task_id)) == (0, "cancelled")
    assert said.out.startswith(f"{task_id}  cancelled: taken back: add by cli")


def test_all_tasks_of_one_file_are_taken_back_together(dt: Dt, tmp_path: Path) -> None:
    (tmp_path / "two.json").write_text(json.dumps([{"title": "a"}, {"title": "b"}]))
    dt("add", "--file", str(tmp_path / "two.json"))
    assert [task["status"] for task in dt("undo", "--json").json["tasks"]] == ["cancelled", "cancelled"]


def test_said_again_it_goes_further_back_and_ends_when_nothing_is_left(dt: Dt) -> None:
    task_id = added(dt)
    dt("update", task_id, "--priority", "low")
    dt("update", task_id, "--priority", "high")

    def priority_after_undo() -> Any:
        assert dt("undo").code == 0
        return dt("show", task_id, "--json").json["priority"]

    assert [priority_after_undo(), priority_after_undo()] == ["low", "medium"]
    dt("undo")
    said = dt("undo", "--json")
    assert (said.code, said.error["code"]) == (4, "cannot_undo")


def test_a_dry_run_says_what_it_would_be_and_changes_nothing(dt: Dt) -> None:
    task_id = added(dt)
    dt("cancel", task_id)
    assert f"{task_id}  ready: would be taken back: cancel" in dt("undo", "--dry-run").out
    assert state(dt, task_id) == "cancelled"


def test_what_something_has_happened_to_since_is_not_taken_back(dt: Dt) -> None:
    task_id = added(dt)
    dt("claim", task_id, "--agent", "ada")
    said = dt("undo", "--json")
    assert (said.code, said.error["code"]) == (4, "cannot_undo")
    assert said.error["cause"] == "task claimed by ada; it is held by ada"
    assert state(dt, task_id) == "in_progress"


def test_the_claim_of_a_cancelled_task_does_not_come_back(dt: Dt) -> None:
    task_id = added(dt)
    dt("claim", task_id, "--agent", "ada")
    dt("cancel", task_id)
    dt("undo")
    task = dt("show", task_id, "--json").json
    assert (task["status"], task["claim"], task["last_token"]) == ("pending", None, 1)


def test_work_is_passed_over_and_others_changes_are_none_of_its_business(dt: Dt) -> None:
    first, second = added(dt), added(dt)
    dt("pause", first)
    dt("claim", second, "--agent", "ada")
    dt("complete", second, "--agent", "ada")
    dt("undo")
    assert (state(dt, first), state(dt, second)) == ("pending", "completed")


def test_step_without_an_id_is_a_usage_error(dt: Dt) -> None:
    assert dt("undo", "--step", "x").code == 2


# -- steps


def test_a_steps_change_is_put_back_and_shown_as_undone(process: DtProcess) -> None:
    (process.folder / "f.txt").write_text("old")
    task = run_plan(process, WRITE, {"name": "say", "run": "echo hello"})
    task_id = task["task_id"]
    assert (process.folder / "f.txt").read_text() == "new"

    assert "would be undone: by files" in process("undo", task_id, "--dry-run").out
    assert (process.folder / "f.txt").read_text() == "new"
    said = process("undo", task_id, "--step", "config")

    assert (said.code, said.out) == (0, f"{task_id}  config: undone: f.txt is as it was\n")
    assert (process.folder / "f.txt").read_text() == "old"
    page = process("show", task_id).out
    assert "config  undone" in page
    assert "rollback   config taken back" in page


@pytest.mark.parametrize(
    ("step", "code", "why"),
    [
        ("config", 4, "undone already"),
        ("say", 4, "cannot be taken back"),
        ("nothing", 3, "has no step"),
    ],
)
def test_what_cannot_be_undone_is_refused_with_the_reason(process: DtProcess, step: str, code: int, why: str) -> None:
    task_id = run_plan(process, WRITE, {"name": "say", "run": "echo hello"})["task_id"]
    process("undo", task_id, "--step", "config")
    said = process("undo", task_id, "--step", step, "--json")
    assert said.code == code
    assert why in said.error["message"]


def test_after_the_window_nothing_is_undone(process: DtProcess) -> None:
    task_id = run_plan(process, WRITE)["task_id"]
    late = DtProcess(process.folder, {**process.environment, "DREAMOS_TASKS_UNDO__WINDOW_SECONDS": "0.001"})
    assert "ended too long ago" in late("undo", task_id, "--step", "config").err
    assert late("undo", task_id).code == 4


def test_a_step_whose_file_was_changed_since_says_so_and_exits_1(process: DtProcess) -> None:
    task_id = run_plan(process, WRITE)["task_id"]
    (process.folder / "f.txt").write_text("theirs")
    said = process("undo", task_id)
    assert said.code == 1
    assert "config: not undone: f.txt has been changed since" in said.out
    assert "config could not be undone: f.txt has been changed since" in process("show", task_id).out


def test_an_undo_call_that_can_destroy_something_needs_a_persons_word(process: DtProcess) -> None:
    make = {"name": "make", "run": "mkdir made", "undo": {"run": "find made -delete"}}
    task_id = run_plan(process, make)["task_id"]

    refused = process("undo", task_id, "--json")
    assert (refused.code, refused.error["code"]) == (2, "usage")
    assert "--yes" in refused.error["fix"]
    by_agent = DtProcess(process.folder, {**process.environment, "DREAMOS_TASKS_AGENT": "ada"})
    assert by_agent("undo", task_id, "--yes", "--json").error["code"] == "no_person"
    assert (process.folder / "made").exists()

    assert process("undo", task_id, "--yes").code == 0
    assert not (process.folder / "made").exists()


def test_a_pending_task_is_not_undone_before_it_rests(dt: Dt) -> None:
    task_id = added(dt)
    assert dt("undo", task_id, "--json").error["code"] == "illegal_transition"


def test_a_run_in_the_foreground_that_fails_takes_its_changes_back(process: DtProcess) -> None:
    (process.folder / "f.txt").write_text("old")
    task = run_plan(process, WRITE, {"name": "bad", "run": "exit 3"}, rollback=True)
    assert task["status"] == "failed"
    assert task["rollback"]["finished_at"] is not None
    assert (process.folder / "f.txt").read_text() == "old"


def slow_plan(dt: DtProcess) -> tuple[subprocess.Popen[str], str]:
    """A run in the foreground that has written its file and waits in its second step; and the task's id."""
    gate = {"name": "gate", "run": "touch begun; while [ ! -e gate ]; do sleep 0.02; done"}
    plan = {"title": "x", "plan": {"rollback": True, "steps": [WRITE, gate]}}
    (dt.folder / "plan.json").write_text(json.dumps(plan))
    started = dt.start("run", "plan.json")
    until(lambda: (dt.folder / "begun").exists())
    return started, dt("list", "--json").form[0]["task_id"]


def test_a_run_that_is_cancelled_takes_its_changes_back(process: DtProcess) -> None:
    started, task_id = slow_plan(process)
    process("cancel", task_id)
    started.communicate(timeout=PATIENCE_SECONDS)
    assert process("show", task_id, "--json").form["status"] == "cancelled"
    assert not (process.folder / "f.txt").exists()


def test_where_nobody_is_there_to_take_changes_back_the_page_says_how(process: DtProcess) -> None:
    started, task_id = slow_plan(process)
    started.send_signal(signal.SIGINT)
    started.communicate(timeout=PATIENCE_SECONDS)
    process("cancel", task_id)

    page = process("show", task_id).out
    assert "rollback   all that can be is to be taken back" in page
    assert f"dt undo {task_id}" in page
    assert (process.folder / "f.txt").exists()

    said = process("undo", task_id)
    assert "config: undone" in said.out
    assert "gate: not undone: it was cut off in the middle, and shell cannot undo what it did" in said.out
    assert not (process.folder / "f.txt").exists()
