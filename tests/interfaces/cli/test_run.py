"""run: a task in the foreground; the exit code is its result."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.app.identity import started_ticks
from dreamos_tasks.tools.process_table import stat_of
from tests.command import PATIENCE_SECONDS, DtProcess, end_started, own_environment, until


@pytest.fixture
def dt(tmp_path: Path) -> Iterator[DtProcess]:
    called = DtProcess(tmp_path, own_environment(tmp_path, DREAMOS_TASKS_RETRY__BASE_SECONDS="0.01"))
    called("init")
    yield called
    end_started()


def task(dt: DtProcess, task_id: str) -> Any:
    return dt("show", task_id, "--json").form


def test_a_command_that_works_is_a_completed_task_and_exit_code_0(dt: DtProcess) -> None:
    said = dt("run", "--", "echo", "hello world")
    assert (said.code, said.out.split()[1:]) == (0, ["completed"])
    assert "    | hello world" in said.err
    kept = task(dt, said.out.split()[0])
    assert kept["plan"]["steps"][0]["params"]["command"] == ["echo", "hello world"]


def test_a_command_that_fails_is_a_failed_task_and_exit_code_1(dt: DtProcess) -> None:
    said = dt("run", "--json", "--", "sh", "-c", "echo the reason; exit 3")
    assert said.code == 1
    assert said.form["status"] == "failed"
    assert "the reason" in said.form["error"]["cause"]


def test_options_behind_the_dashes_are_the_commands_own(dt: DtProcess, tmp_path: Path) -> None:
    said = dt(
        "run",
        "--json",
        "--title",
        "ours",
        "--",
        "sh",
        "-c",
        'printf "%s " "$@" > got',
        "sh",
        "--json",
        "--home",
        "-x",
        "--",
    )
    assert said.form["title"] == "ours"
    assert (tmp_path / "got").read_text() == "--json --home -x -- "


def test_steps_of_a_file_run_in_order_and_verification_has_the_last_word(dt: DtProcess, tmp_path: Path) -> None:
    plan = {
        "title": "two",
        "run": ["echo one >> log", "echo two >> log"],
        "verify": [{"name": "v", "params": {"command": "grep -q two log"}}],
    }
    (tmp_path / "task.json").write_text(json.dumps(plan))
    said = dt("run", "task.json", "--json")
    assert said.code == 0, said.err
    assert (tmp_path / "log").read_text().split() == ["one", "two"]
    assert [proof["step"] for proof in said.form["evidence"]] == ["v"]


def test_a_task_comes_from_stdin_too(dt: DtProcess) -> None:
    said = dt("run", "-", "--json", text=json.dumps({"title": "piped", "run": "true"}))
    assert (said.code, said.form["title"]) == (0, "piped")


@pytest.mark.parametrize("arguments", [(), ("task.json", "--", "true"), ("--",)])
def test_what_is_no_one_thing_to_run_is_a_usage_error(dt: DtProcess, arguments: tuple[str, ...]) -> None:
    assert dt("run", *arguments).code == 2


def test_what_is_neither_a_file_nor_a_task_is_not_found(dt: DtProcess) -> None:
    said = dt("run", "nothing.json", "--json")
    assert (said.code, said.error["code"]) == (3, "not_found")


def test_a_key_that_is_no_field_is_told_of(dt: DtProcess, tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text('{"title": "x", "run": "true", "colour": "red"}')
    assert 'note: /colour: "colour" is no field of a task' in dt("run", "task.json").err


def test_a_transient_failure_is_tried_again_with_the_attempts_there_are(dt: DtProcess, tmp_path: Path) -> None:
    said = dt("run", "--json", "--", "sh", "-c", "echo x >> tries; test $(wc -l < tries) -ge 3 || exit 75")
    assert said.code == 0
    assert (tmp_path / "tries").read_text().split() == ["x", "x", "x"]


def test_ctrl_c_pauses_the_task_and_its_id_goes_on_where_it_stood(dt: DtProcess, tmp_path: Path) -> None:
    (tmp_path / "slow.json").write_text(
        json.dumps(
            {"title": "slow", "run": ["echo once >> log", "echo $$ > pid; while [ ! -e gate ]; do sleep 0.02; done"]}
        )
    )
    process = dt.start("run", "slow.json")
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    step_pid = int((tmp_path / "pid").read_text())
    process.send_signal(signal.SIGINT)
    _, talk = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert started_ticks(step_pid) is None
    (found,) = dt("list", "--json").form
    assert found["status"] == "paused"
    assert f"dt run {found['task_id']} goes on" in talk
    (tmp_path / "gate").touch()
    assert dt("run", found["task_id"]).code == 0
    assert (tmp_path / "log").read_text().split() == ["once"]


def test_a_task_that_somebody_is_at_is_not_run_twice(dt: DtProcess) -> None:
    task_id = dt("add", "held").out.strip()
    dt("claim", task_id, "--agent", "ada")
    said = dt("run", task_id, "--json")
    assert (said.code, said.error["code"]) == (4, "claim_held")
    assert task(dt, task_id)["assigned_to"] is None


def test_a_cancelled_run_ends_its_command(dt: DtProcess, tmp_path: Path) -> None:
    process = dt.start("run", "--json", "--", "sh", "-c", "echo $$ > pid; sleep 600")
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    (found,) = dt("list", "--json").form
    dt("cancel", found["task_id"])
    out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert json.loads(out)["status"] == "cancelled"
    assert started_ticks(int((tmp_path / "pid").read_text())) is None


def test_a_run_leaves_nothing_alive(dt: DtProcess, tmp_path: Path) -> None:
    dt("run", "--", "sh", "-c", "setsid sleep 600 > /dev/null 2>&1 & echo $! > left")
    left = int((tmp_path / "left").read_text())
    assert not os.path.exists(f"/proc/{left}") or started_ticks(left) is None


def test_tried_again_a_task_that_was_run_here_is_anybodys(dt: DtProcess) -> None:
    task_id = dt("run", "--", "false").out.split()[0]
    dt("retry", task_id)
    assert task(dt, task_id)["assigned_to"] is None


def test_a_run_that_is_killed_is_gone_on_with_at_once(dt: DtProcess, tmp_path: Path) -> None:
    gate = {"name": "gate", "run": "touch begun; while [ ! -e gate ]; do sleep 0.02; done", "idempotent": True}
    (tmp_path / "plan.json").write_text(json.dumps({"title": "x", "plan": {"steps": [gate]}}))
    process = dt.start("run", "plan.json")
    until(lambda: (tmp_path / "begun").exists())
    process.kill()
    process.wait()
    (found,) = dt("list", "--json").form
    (tmp_path / "gate").touch()
    assert dt("run", found["task_id"]).code == 0


def test_what_a_killed_run_left_running_is_ended_by_the_next_one(dt: DtProcess, tmp_path: Path) -> None:
    process = dt.start("run", "--", "sh", "-c", "echo $$ > pid; exec sleep 600")
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    process.kill()
    process.wait()
    left = int((tmp_path / "pid").read_text())
    assert stat_of(left) is not None
    dt("run", "--", "true")
    until(lambda: (found := stat_of(left)) is None or found.is_over)  # whoever adopted it may be slow to reap it


def test_a_task_that_cannot_start_yet_is_left_as_it_was(dt: DtProcess) -> None:
    first = dt("add", "first").out.strip()
    second = dt("add", "second", "--run", "true", "--depends-on", first).out.strip()
    assert dt("run", second, "--json").error["code"] == "not_claimable"
    assert task(dt, second)["assigned_to"] is None
