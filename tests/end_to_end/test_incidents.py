"""A running daemon notices a due date that is missed, tells people, and survives being killed while it does."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
from typing import Any

from tests.command import DtProcess, until
from tests.end_to_end.project import Project


def telling(project: Project, command: str, **more: str) -> Project:
    variables = {"ESCALATION__TARGETS": '["command"]', "ESCALATION__COMMAND": command, **more}
    environment = {**project.dt.environment, **{f"DREAMOS_TASKS_{name}": value for name, value in variables.items()}}
    return dataclasses.replace(project, dt=DtProcess(project.folder, environment))


def told(project: Project) -> list[dict[str, Any]]:
    path = project.folder / "told.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_a_due_date_that_is_missed_is_told_within_seconds(project: Project) -> None:
    project = telling(project, "cat >> told.jsonl")
    project.up()
    task_id = project.dt("add", "Send the report", "--due", "+2s").out.strip()

    (notice,) = until(lambda: told(project))

    assert notice["incidents"][0]["task_id"] == task_id
    incident_id = notice["incidents"][0]["incident_id"]
    until(lambda: project.dt("incidents", "--json").form[0].get("told_at"))
    assert project.dt("incidents", "ack", incident_id).code == 0
    assert project.dt("cancel", task_id).code == 0
    assert project.dt("monitor", "--once").code == 0
    (over,) = project.dt("incidents", "list", "--past", "--json").form
    assert (over["incident_id"], over["state"]) == (incident_id, "over")
    assert len(told(project)) == 1


def test_an_incident_that_nobody_acknowledges_is_told_again_as_it_rises(project: Project) -> None:
    project = telling(project, "cat >> told.jsonl", ESCALATION__RAISE_AFTER_SECONDS="5")
    project.up()
    project.dt("add", "Send the report", "--due", "+1s", "--priority", "high")
    notices = until(lambda: told(project) if len(told(project)) > 1 else None)
    assert [notice["severity"] for notice in notices] == ["high", "critical"]


def test_a_daemon_that_is_killed_while_it_tells_leaves_it_to_the_next(project: Project) -> None:
    project = telling(project, "cat > /dev/null; touch began; while [ ! -e gate ]; do sleep 0.02; done; touch told")
    project.dt("add", "Send the report", "--due", "2020-01-01")
    pid = project.up()
    until(lambda: (project.folder / "began").exists())
    os.kill(pid, signal.SIGKILL)
    project.open_gate()
    (incident,) = project.dt("incidents", "--json").form
    assert incident["told_at"] is None
    assert incident["telling_until"] is not None, "another may tell it from then on"

    project.up()

    assert project.dt("incidents", "--json").form[0]["incident_id"] == incident["incident_id"]
