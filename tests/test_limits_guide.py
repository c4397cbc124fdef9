"""What docs/guides/limits.md says is true."""

from __future__ import annotations

import json
import re

import pytest

from dreamos_tasks.config.settings import LimitSettings
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import read_drafts
from dreamos_tasks.model.limits import Usage
from dreamos_tasks.model.task_limits import TASK_LIMITS
from dreamos_tasks.monitoring.pressure import Pressure, slots_under
from dreamos_tasks.tools.cgroup import THREADS_A_PROCESS
from dreamos_tasks.tools.guard import FIRST_LOOK_SECONDS, HURRIED_LOOK_SECONDS, LOOK_SECONDS, SLOW_LOOK_SECONDS
from tests.command import ROOT

GUIDE = (ROOT / "docs" / "guides" / "limits.md").read_text(encoding="utf-8")


def test_it_names_every_limit_of_a_task() -> None:
    named = re.findall(r"^\| `(\w+)` \|", GUIDE, re.MULTILINE)

    assert sorted(named) == sorted(TASK_LIMITS)


def test_its_example_is_accepted() -> None:
    for block in re.findall(r"^```json\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL):
        assert read_drafts(json.loads(block), Door(created_by="inbox")).drafts[0].limits


def test_its_numbers_are_those_of_the_program() -> None:
    limits = LimitSettings()

    assert (limits.memory_bytes, limits.cpu_seconds, limits.open_files, limits.written_bytes) == (None,) * 4
    assert f"| {limits.processes} |" in GUIDE
    assert limits.output_bytes == 10 << 20
    assert limits.disk_free_bytes == 100 << 20
    assert limits.wall_seconds == 24 * 3600
    assert (FIRST_LOOK_SECONDS, LOOK_SECONDS, SLOW_LOOK_SECONDS, HURRIED_LOOK_SECONDS) == (0.1, 0.2, 1.0, 0.02)
    assert THREADS_A_PROCESS == 8
    assert all(f"`{name}`" in GUIDE for name in Usage.__dataclass_fields__)


@pytest.mark.parametrize(
    ("half", "one"),
    [
        (Pressure(memory_available=0.0999), Pressure(memory_available=0.0299)),
        (Pressure(memory_waited=0.2), Pressure(memory_waited=0.6)),
        (Pressure(memory_stood_still=0.05), Pressure(memory_stood_still=0.2)),
        (Pressure(load_per_cpu=8, cpu_waited=0.9), Pressure(load_per_cpu=32, cpu_waited=0.9)),
    ],
)
def test_its_table_of_pressure_is_that_of_the_program(half: Pressure, one: Pressure) -> None:
    assert slots_under(half, 8)[0] == 4
    assert slots_under(one, 8)[0] == 1
