"""A daemon takes back what failed and cancelled tasks have changed, whatever kills it meanwhile."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from dreamos_tasks.app.identity import started_ticks
from tests.command import until
from tests.end_to_end.project import GATE, Project, step


def write(path: str) -> dict[str, Any]:
    return {"name": path, "tool": "files", "params": {"action": "write", "path": path, "content": "new"}}


def task(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"title": "work", "plan": {"rollback": True, "steps": steps}}


def rolled_back(project: Project) -> Any:
    """The task, as soon as all is taken back."""

    def found() -> Any:
        work = project.tasks().get("work")
        return work if work and (work["rollback"] or {}).get("finished_at") else None

    return until(found)


def test_what_a_failed_task_has_changed_is_taken_back_by_the_daemon(project: Project) -> None:
    (project.folder / "old").write_text("as it was")
    project.up()
    project.drop("work.json", task(write("old"), write("new"), step("bad", "exit 3")))

    work = rolled_back(project)

    assert work["status"] == "failed"
    assert (project.folder / "old").read_text() == "as it was"
    assert not (project.folder / "new").exists()
    assert [record["status"] for record in work["steps"]] == ["pending", "pending", "failed"]


def test_what_a_task_has_changed_that_is_cancelled_midway_is_taken_back_once_its_step_has_ended(
    project: Project,
) -> None:
    project.up()
    project.drop("work.json", task(write("new"), step("slow", GATE)))
    until(lambda: project.journal_pids("slow"))
    (pid,) = project.journal_pids("slow")

    project.dt("cancel", project.tasks()["work"]["task_id"])
    work = rolled_back(project)

    assert not (project.folder / "new").exists()
    assert not os.path.exists(f"/proc/{pid}")
    assert {record["name"]: record["status"] for record in work["steps"]}["new"] == "pending"


@pytest.mark.parametrize("undone_before", [False, True])
def test_a_rollback_that_kill_9_cuts_short_is_gone_on_with_by_the_next_daemon(
    project: Project, undone_before: bool
) -> None:
    """Killed while an undo call runs, before it is recorded, or after another step was recorded as undone."""
    undo = {"run": f"echo $$ >> undoing; {GATE}; rm -f made"}
    make = {"name": "make", "run": "touch made", "undo": undo}
    steps = (make, write("new")) if undone_before else (write("new"), make)
    project.up()
    project.drop("work.json", task(*steps, step("bad", "exit 3")))
    until(lambda: (project.folder / "undoing").exists())
    assert (project.folder / "new").exists() is not undone_before
    os.kill(project.daemon_pid(), signal.SIGKILL)
    project.open_gate()

    project.up()
    work = rolled_back(project)

    assert {path for path in ("made", "new") if (project.folder / path).exists()} == set()
    assert [record["status"] for record in work["steps"]] == ["pending", "pending", "failed"]
    assert "tell the same as the board" in project.dt("doctor").out


@pytest.mark.parametrize("verb", ["wait", "add --wait"])
def test_whoever_waits_for_a_task_goes_on_when_its_changes_are_taken_back_and_not_before(
    project: Project, verb: str
) -> None:
    undo = {"run": f"touch undoing; {GATE}; rm -f made"}
    plan = task({"name": "make", "run": "touch made", "undo": undo}, step("bad", "exit 3"))
    project.up()
    if verb == "wait":
        project.drop("work.json", plan)
        waits = project.dt.start("wait", until(lambda: project.tasks().get("work"))["task_id"])
    else:
        (project.folder / "plan.json").write_text(json.dumps(plan))
        waits = project.dt.start("add", "--file", "plan.json", "--wait")
    until(lambda: (project.folder / "undoing").exists())
    work = project.tasks()["work"]
    assert (work["status"], work["rollback"].get("finished_at")) == ("failed", None)
    gave_up = project.dt("wait", work["task_id"], "--timeout", "0.5")
    assert (gave_up.code, waits.poll()) == (124, None)
    assert "not all of its changes taken back" in gave_up.err
    assert not list((project.runtime / "outbox").glob("*"))

    project.open_gate()

    assert waits.wait(60) == 1
    assert not (project.folder / "made").exists()
    assert project.tasks()["work"]["rollback"]["finished_at"]
    if verb == "wait":
        until(lambda: list((project.runtime / "outbox").glob("work*.json")))


def test_whoever_waits_is_told_that_nobody_takes_back_what_a_task_has_changed(project: Project) -> None:
    undo = {"run": f"touch undoing; {GATE}; rm -f made"}
    project.up()
    project.drop("work.json", task({"name": "make", "run": "touch made", "undo": undo}, step("bad", "exit 3")))
    until(lambda: (project.folder / "undoing").exists())
    pid = project.daemon_pid()
    os.kill(pid, signal.SIGKILL)
    until(lambda: started_ticks(pid) is None)
    task_id = project.tasks()["work"]["task_id"]

    said = project.dt("wait", task_id, "--timeout", "0.5")

    assert said.code == 124
    assert f"no daemon runs: dt undo {task_id}" in said.err

    project.open_gate()
    project.up()

    assert project.dt("wait", task_id).code == 1
    assert not (project.folder / "made").exists()
