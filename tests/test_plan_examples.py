"""The plans of the guides run as they are shown."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.model.risk import DESTRUCTIVE
from tests.command import ROOT, DtProcess, own_environment

PLANS = ROOT / "examples" / "plans"
GUIDES = (ROOT / "docs" / "guides" / "plans.md", ROOT / "docs" / "guides" / "approvals.md")


@pytest.fixture
def dt(tmp_path: Path) -> DtProcess:
    """A board in a folder of its own, in which the example lies."""
    dt = DtProcess(tmp_path, own_environment(tmp_path))
    assert dt("init").code == 0
    return dt


def ran(dt: DtProcess, name: str) -> dict[str, Any]:
    shutil.copy(PLANS / f"{name}.json", dt.folder)
    task: dict[str, Any] = dt("run", f"{name}.json", "--json").form
    return task


def statuses(task: dict[str, Any]) -> dict[str, str]:
    return {step["name"]: step["status"] for step in task["steps"]}


def test_the_guides_show_the_examples_word_for_word() -> None:
    shown = {
        json.dumps(json.loads(block))
        for guide in GUIDES
        for block in re.findall(r"^```json\n(.*?)^```", guide.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    }
    kept = {json.dumps(json.loads(file.read_text("utf-8"))) for file in PLANS.glob("*.json")}

    assert shown
    assert shown <= kept


def test_side_by_side(dt: DtProcess) -> None:
    task = ran(dt, "side-by-side")

    assert task["status"] == "completed", task["error"]
    assert set(statuses(task).values()) == {"completed"}
    assert task["evidence"]


def test_values(dt: DtProcess) -> None:
    task = ran(dt, "values")

    assert task["status"] == "completed", task["error"]
    printed = {step["name"]: step.get("output_head", "") for step in task["steps"]}
    assert printed["show"] == 'app-7\n{"name": "app", "number": 7}'
    assert printed["in-a-line"] == "it is app\n"


def test_not_critical(dt: DtProcess) -> None:
    task = ran(dt, "not-critical")

    assert task["status"] == "completed"
    assert task["result"]["impact"] == [
        "step 'screenshots': exit code 3",
        "step 'gallery' was skipped: it needs step 'screenshots', which failed",
    ]


def test_secrets(dt: DtProcess, tmp_path: Path) -> None:
    fd = os.open(tmp_path / ".dreamos" / "secrets.env", os.O_WRONLY | os.O_CREAT, 0o600)
    with open(fd, "w") as file:
        file.write("API_TOKEN=open-sesame-42\n")

    task = ran(dt, "secrets")

    assert task["status"] == "completed", task["error"]
    assert task["steps"][0]["output_head"] == "signing in with [secret]\n"
    found = [path for path in (tmp_path / ".dreamos" / "runtime").rglob("*") if path.is_file()]
    assert found
    assert not [path for path in found if b"open-sesame-42" in path.read_bytes()]


def test_rollback(dt: DtProcess, tmp_path: Path) -> None:
    task = ran(dt, "rollback")

    assert (task["status"], statuses(task)) == (
        "failed",
        {"config": "pending", "start": "pending", "check": "failed"},
    )
    assert not (tmp_path / "app.conf").exists()
    assert (tmp_path / "service.log").read_text().split() == ["started", "stopped"]


def test_asks_first(dt: DtProcess, tmp_path: Path) -> None:
    task = ran(dt, "asks-first")

    assert (task["status"], statuses(task)) == ("awaiting_approval", {"build": "completed"})
    assert dt("approve", task["task_id"], "--by", "eve").code == 0
    task = dt("run", task["task_id"], "--json").form
    assert (tmp_path / "published").exists()
    (asked,) = dt("approvals", "--json").form
    assert (asked["step"], asked["risk"]) == ("clean", "medium")
    assert dt("reject", task["task_id"], "--by", "eve").code == 0
    task = dt("run", task["task_id"], "--json").form
    assert (task["status"], statuses(task)["clean"]) == ("completed", "skipped")


def test_the_guide_names_every_kind_of_destructive_call() -> None:
    text = GUIDES[1].read_text("utf-8")

    assert {pattern.kind for pattern in DESTRUCTIVE} == set(re.findall(r"^\| (\w+) \| .", text, re.MULTILINE)) - {
        "kind"
    }
