"""The whole way: a dropped file becomes tasks that are run, verified and answered, whatever happens to the daemon meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from dreamos_tasks.app.identity import started_ticks
from tests.command import COMMAND, PATIENCE_SECONDS, until
from tests.end_to_end.project import GATE, Project, step

# An agent at work: claims what is ready until there is nothing, and completes each with its own name.
AGENT = f"""
import json, subprocess, sys
dt = {list(COMMAND)!r}
name = sys.argv[1]
while True:
    got = subprocess.run([*dt, "next", "--agent", name, "--json"], capture_output=True, text=True)
    if got.returncode == 5:
        break
    task = json.loads(got.stdout)
    arguments = ["complete", task["task_id"], "--token", str(task["claim"]["token"]), "--agent", name]
    subprocess.run([*dt, *arguments, "--result", json.dumps({{"by": name}})], check=True, capture_output=True)
"""


def dropped(*steps: dict[str, Any], title: str = "Build", **more: Any) -> dict[str, Any]:
    return {"title": title, "plan": {"steps": list(steps)}, **more}


def test_a_dropped_file_becomes_a_task_that_is_run_verified_and_answered(project: Project) -> None:
    project.up()
    verify = [{"name": "check", "tool": "shell", "params": {"command": "grep -q done result.txt"}}]
    project.drop("build.json", dropped(step("make", "echo done > result.txt"), step("pack"), verify=verify))
    answer = until(lambda: list((project.runtime / "outbox").glob("build.json*.result.json")))
    task = project.tasks()["Build"]
    assert task["status"] == "completed"
    assert [(record["name"], record["status"]) for record in task["steps"]] == [
        ("make", "completed"),
        ("pack", "completed"),
    ]
    assert [(proof["step"], proof["exit_code"]) for proof in task["evidence"]] == [("check", 0)]
    assert project.journal() == [("make", 1, 1), ("pack", 1, 1)]
    assert task["task_id"] in answer[0].read_text()
    assert list(project.inbox.glob("accepted/*/build.json"))
    (receipt,) = project.inbox.glob("accepted/*/build.json.receipt.json")
    assert task["task_id"] in receipt.read_text()


def test_a_red_verification_fails_the_task_however_green_its_steps_were(project: Project) -> None:
    project.up()
    verify = [{"name": "check", "tool": "shell", "params": {"command": "echo it is not there; false"}}]
    project.drop("red.json", dropped(step("make"), verify=verify, retry={"max_attempts": 1}))
    task = project.until_state("Build", "failed")
    assert task["error"]["step"] == "check"
    assert "it is not there" in task["error"]["cause"]


def test_a_bad_file_is_rejected_with_its_reason_and_holds_up_nobody(project: Project) -> None:
    project.up()
    project.drop("bad.json", {"titel": 5, "plan": 7})
    project.drop("good.json", dropped(step("make")))
    project.until_state("Build", "completed")
    note = until(lambda: list(project.inbox.glob("rejected/bad.json*.error.json")))[0]
    assert json.loads(note.read_text())
    assert list(project.tasks()) == ["Build"]


def test_two_agents_share_the_other_tasks_while_the_daemon_runs_its_own(project: Project) -> None:
    project.up()
    project.drop("slow.json", dropped(step("wait", GATE), title="slow"))
    drafts = [{"title": f"for an agent {number}"} for number in range(8)]
    project.drop("agents.json", {"tasks": drafts})
    until(lambda: len(project.tasks()) == 9)
    agents = [
        subprocess.Popen([sys.executable, "-c", AGENT, name], cwd=project.folder, env=project.dt.environment)
        for name in ("ada", "bob")
    ]
    assert [agent.wait(timeout=PATIENCE_SECONDS) for agent in agents] == [0, 0]
    project.open_gate()
    project.until_state("slow", "completed")
    tasks = project.tasks()
    for draft in drafts:
        task = tasks[draft["title"]]
        assert (task["status"], task["attempt"]) == ("completed", 1)
        assert task["result"]["by"] in ("ada", "bob")
    assert project.journal() == [("wait", 1, 1)]


def test_after_kill_9_in_the_middle_of_a_step_it_goes_on_from_the_first_step_not_recorded(project: Project) -> None:
    pid = project.up()
    project.drop("three.json", dropped(step("a"), step("b", GATE), step("c")))
    until(lambda: ("b", 1, 1) in project.journal())
    os.kill(pid, signal.SIGKILL)
    until(lambda: started_ticks(pid) is None)
    project.up()
    until(lambda: ("b", 2, 2) in project.journal())
    assert all(started_ticks(left) is None for left in project.journal_pids("b")[:1]), "the first run of b was ended"
    project.open_gate()
    task = project.until_state("Build", "completed")
    assert project.journal() == [("a", 1, 1), ("b", 1, 1), ("b", 2, 2), ("c", 1, 2)]
    assert (task["attempt"], task["failures"]) == (2, 0)
    assert project.dt("board", "check").code == 0


def test_a_second_daemon_is_refused_and_disturbs_nothing(project: Project) -> None:
    pid = project.up()
    project.drop("slow.json", dropped(step("wait", GATE)))
    until(lambda: project.journal())
    assert project.dt("daemon").code == 4
    assert project.daemon_pid() == pid
    project.open_gate()
    project.until_state("Build", "completed")
    assert project.journal() == [("wait", 1, 1)]


def test_down_waits_for_what_runs(project: Project) -> None:
    project.up()
    project.drop("slow.json", dropped(step("wait", GATE)))
    until(lambda: project.journal())
    down = project.dt.start("down", "--json")
    until(lambda: (project.dt("status", "--json").form["daemon"] or {}).get("draining"))
    project.open_gate()
    out, _ = down.communicate(timeout=PATIENCE_SECONDS)
    assert json.loads(out)["stopped"]
    assert project.tasks()["Build"]["status"] == "completed"


def test_what_does_not_end_within_its_grace_is_put_back_and_goes_on_later(project: Project, tmp_path: Path) -> None:
    (tmp_path / ".dreamos" / "config.yaml").write_text("dreamos_tasks: 1\ndaemon: {grace_seconds: 0.1}\n")
    project.up()
    project.drop("slow.json", dropped(step("a"), step("wait", GATE)))
    until(lambda: ("wait", 1, 1) in project.journal())
    assert project.dt("down", "--json").form["tasks"] == {project.tasks()["Build"]["task_id"]: "pending"}
    assert all(started_ticks(pid) is None for pid in project.journal_pids("wait"))
    project.up()
    project.open_gate()
    project.until_state("Build", "completed")
    assert [name for name, _, _ in project.journal()] == ["a", "wait", "wait"]


def test_a_second_signal_ends_a_drain_at_once(project: Project) -> None:
    pid = project.up()
    project.drop("slow.json", dropped(step("wait", GATE)))
    until(lambda: project.journal())
    os.kill(pid, signal.SIGTERM)
    until(lambda: (project.dt("status", "--json").form["daemon"] or {}).get("draining"))
    os.kill(pid, signal.SIGTERM)
    until(lambda: started_ticks(pid) is None)
    assert all(started_ticks(left) is None for left in project.journal_pids("wait"))
    project.up()
    project.open_gate()
    assert project.until_state("Build", "completed")["attempt"] == 2
