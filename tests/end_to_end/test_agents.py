"""Agents that vanish under a running daemon, and a daemon that is itself paused as an agent."""

from __future__ import annotations

import dataclasses
import json
import os
import signal

from dreamos_tasks.tools.process_table import stat_of
from tests.command import DtProcess, sleeping, until
from tests.end_to_end.project import Project, step


def with_settings(project: Project, **variables: str) -> Project:
    environment = {**project.dt.environment, **{f"DREAMOS_TASKS_{name}": value for name, value in variables.items()}}
    return dataclasses.replace(project, dt=DtProcess(project.folder, environment))


def test_what_a_killed_agent_held_is_soon_another_agents(project: Project) -> None:
    project.up()
    project.dt("add", "Fix the parser")
    with sleeping() as agent:
        project.dt("agents", "register", "ada", "--pid", str(agent.pid))
        assert project.dt("next", "--agent", "ada").code == 0
        os.kill(agent.pid, signal.SIGKILL)
        agent.wait()

    taken = project.dt("next", "--agent", "ben", "--wait", "60", "--json")

    assert taken.code == 0, taken.err
    assert taken.form["claim"]["token"] == 2
    events = [json.loads(line) for line in project.dt("events", "--jsonl").out.splitlines()]
    (recovered,) = [event for event in events if event["type"] == "task_recovered"]
    assert "is gone" in recovered["data"]["detail"]["reason"]


def test_what_a_silent_agent_held_is_released_by_the_daemon(project: Project) -> None:
    project = with_settings(
        project, CLAIMS__HEARTBEAT_SECONDS="1", AGENTS__SILENT_AFTER_SECONDS="3", MONITORING__SILENT_AGENT_SECONDS="600"
    )
    project.up()
    project.dt("agents", "register", "ada")
    project.dt("add", "Fix the parser")
    assert project.dt("next", "--agent", "ada").code == 0

    project.until_state("Fix the parser", "pending")

    (view,) = project.dt("agents", "--json").form
    assert (view["state"], view["tasks"]) == ("silent", [])
    assert view["log"][-1]["what"] == "tasks released"


def test_a_paused_daemon_starts_nothing_until_it_is_resumed(project: Project) -> None:
    project.up()
    project.dt("agents", "register", "daemon", "--by", "ops")
    project.dt("agents", "pause", "daemon", "--by", "ops", "--reason", "the disk is being exchanged")
    project.drop("build.json", {"title": "Build", "plan": {"steps": [step("make")]}})
    project.until_state("Build", "pending")
    project.drop("later.json", {"title": "Later", "plan": {"steps": [step("make")]}})
    project.until_state("Later", "pending")
    assert project.journal() == []

    assert project.dt("agents", "resume", "daemon", "--by", "ops").code == 0

    project.until_state("Build", "completed")
    assert until(lambda: len(project.journal()) == 2)


def test_what_a_killed_worker_left_running_is_ended_when_its_claim_is_taken_away(project: Project) -> None:
    project.up()
    task_id = project.dt("add", "Fix the parser").out.strip()
    worker = project.dt.start("work", "--agent", "ada", "--", "sh", "-c", "echo $$ > pid; exec sleep 600")
    written = project.folder / "pid"
    until(lambda: written.exists() and written.read_text())
    worker.kill()
    worker.wait()
    left = int(written.read_text())
    assert stat_of(left) is not None
    assert project.dt("pause", task_id, "--now").code == 0
    until(lambda: (found := stat_of(left)) is None or found.is_over)  # whoever adopted it may be slow to reap it
