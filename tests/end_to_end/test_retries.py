"""What fails is tried again by the daemon, over its own death too; what failed for good gets a fresh start by one command."""

from __future__ import annotations

import os
import signal

from dreamos_tasks.app.identity import started_ticks
from dreamos_tasks.app.nexus import TaskNexus
from tests.command import until
from tests.end_to_end.project import Project, step

# Ends with 69 (unavailable) as often as `left` has lines.
UNAVAILABLE = "[ -s left ] || exit 0; sed -i 1d left; exit 69"


def leave(project: Project, times: int) -> None:
    (project.folder / "left").write_text("\n" * times)


def test_a_waiting_retry_outlives_the_daemon_and_goes_on_at_the_step_that_failed(project: Project) -> None:
    leave(project, 1)
    policy = {"max_attempts": 3, "base_seconds": 5, "jitter": "none"}  # long enough to kill the daemon meanwhile
    fetch = {**step("fetch", UNAVAILABLE), "retry": policy}
    pid = project.up()
    project.drop("build.json", {"title": "Build", "plan": {"steps": [step("prepare"), fetch, step("pack")]}})
    until(lambda: ("fetch", 1, 1) in project.journal())
    with TaskNexus.open(project.runtime / "nexus.db") as nexus:  # it is looked at more often than a command can
        waiting = until(lambda: next((t for t in nexus.get_all_tasks() if t.not_before and not t.claim), None))
    os.kill(pid, signal.SIGKILL)
    assert (waiting.status, waiting.failures) == ("pending", 0)
    assert waiting.error.category == "transient"
    until(lambda: started_ticks(pid) is None)
    project.up()
    task = project.until_state("Build", "completed")
    assert project.journal() == [("prepare", 1, 1), ("fetch", 1, 1), ("fetch", 2, 2), ("pack", 1, 2)]
    assert [record.get("failures", []) for record in task["steps"]] == [[], ["transient"], []]
    assert project.dt("board", "check").code == 0


def test_what_failed_for_good_is_listed_with_its_reason_and_gets_a_fresh_start_by_one_command(project: Project) -> None:
    project.up()
    project.drop("build.json", {"title": "Build", "run": ["echo once >> log", "cat missing.txt"]})
    project.until_state("Build", "failed")
    listed = project.dt("list", "--status", "failed")
    assert "configuration" in listed.out
    assert "step 'run-2': exit code 1" in listed.out
    task = project.tasks()["Build"]
    assert "missing.txt: No such file or directory" in task["error"]["cause"]
    assert any("let an earlier step make it" in suggestion for suggestion in task["error"]["suggestions"])
    (project.folder / "missing.txt").write_text("now it is there\n")
    assert project.dt("retry", "--all-failed", "--category", "configuration").code == 0
    project.until_state("Build", "completed")
    assert (project.folder / "log").read_text() == "once\n"
