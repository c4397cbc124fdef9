"""Steps do not approve for themselves, however they cut themselves loose."""

from __future__ import annotations

import shlex
import sys

import pytest

from tests.command import until
from tests.end_to_end.project import Project, step

PLAIN = "{} < /dev/null"
WITHOUT_A_TRACE = "env -i PATH=$PATH {}"  # no mark in the environment
DETACHED = "(setsid env -i PATH=$PATH {} &); while [ ! -s said ]; do sleep 0.02; done"  # nor a step above it


@pytest.mark.parametrize("way", [PLAIN, WITHOUT_A_TRACE, DETACHED], ids=["plain", "without a trace", "detached"])
def test_a_step_cannot_approve_for_its_task(project: Project, way: str) -> None:
    home = shlex.quote(str(project.folder / ".dreamos"))
    approve = f"{sys.executable} -m dreamos_tasks --home {home} approve $DREAMOS_TASKS_TASK_ID --by eve"
    sneak = way.format(
        f"sh -c '{approve.replace('$DREAMOS_TASKS_TASK_ID', 'TASK')} > said.part 2>&1; mv said.part said'"
    )
    project.up()
    project.drop(
        "work.json",
        {
            "title": "work",
            "plan": {
                "max_concurrent_steps": 2,
                "steps": [
                    {**step("asks", "touch approved"), "approval": "required"},
                    step("sneak", "while [ ! -e asked ]; do sleep 0.02; done", 'eval "$(cat asked)"', "true"),
                ],
            },
        },
    )
    request = until(lambda: project.dt("approvals", "--json").form)[0]

    beside = project.folder / "asked.part"
    beside.write_text(sneak.replace("TASK", request["task_id"]))
    beside.rename(project.folder / "asked")

    said = until(lambda: (project.folder / "said").exists() and (project.folder / "said").read_text())
    assert "approve is for people" in said
    assert not (project.folder / "approved").exists()
    assert project.dt("approvals", "--json").form[0]["state"] == "open"
