"""What a task may ask for: less than the settings allow, in words that are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.config.settings import LimitSettings
from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.execution.surroundings import Surroundings
from dreamos_tasks.model.limits import LIMIT_NAMES, Limits
from dreamos_tasks.model.plan import Step
from dreamos_tasks.model.task import TaskDraft, new_task
from dreamos_tasks.model.task_limits import TASK_LIMITS
from tests.fakes import at


def test_a_task_may_only_ask_for_less() -> None:
    most = Limits(memory_bytes=100, processes=10)

    lowered = most.lowered({"memory_bytes": 200, "processes": 5.0, "cpu_seconds": 1.5, "open_files": None})

    assert lowered == Limits(memory_bytes=100, processes=5, cpu_seconds=1.5)
    assert isinstance(lowered.processes, int)


def test_what_was_written_to_the_board_by_hand_and_is_no_limit_is_passed_over() -> None:
    most = Limits(processes=10)

    assert most.lowered({"processes": "many", "memory_bytes": -1, "cpu_seconds": True, "open_files": 1.5}) == most


@pytest.mark.parametrize(
    ("limits", "pointer", "words"),
    [
        ({"memory": 5}, "/limits/memory", "'memory' is no limit of a task"),
        ({"disk_free_bytes": 5}, "/limits/disk_free_bytes", "'disk_free_bytes' is no limit of a task"),
        ({"memory_bytes": 0}, "/limits/memory_bytes", "the limit memory_bytes cannot be 0"),
        ({"processes": 1.5}, "/limits/processes", "the limit processes cannot be 1.5"),
        ({"cpu_seconds": "5"}, "/limits/cpu_seconds", "the limit cpu_seconds cannot be '5'"),
        ({"wall_seconds": False}, "/limits/wall_seconds", "the limit wall_seconds cannot be False"),
        ({"cpu_seconds": float("nan")}, "/limits/cpu_seconds", "the limit cpu_seconds cannot be nan"),
    ],
)
def test_a_limit_that_cannot_be_kept_is_refused_with_what_can(limits: dict[str, Any], pointer: str, words: str) -> None:
    with pytest.raises(InvalidTask) as refused:
        TaskDraft(title="x", limits=limits)

    assert refused.value.pointer == pointer
    assert refused.value.message == words
    assert refused.value.cause


def test_each_limit_of_a_task_is_one_of_the_settings_too() -> None:
    settings = set(LimitSettings.__dataclass_fields__)

    assert set(TASK_LIMITS) <= settings
    assert set(LIMIT_NAMES) <= set(TASK_LIMITS)


def test_a_step_runs_within_the_limits_of_its_task(tmp_path: Path) -> None:
    surroundings = Surroundings(
        workspace=tmp_path,
        runs=tmp_path / "runs",
        environment={},
        output_limit_bytes=1000,
        limits=Limits(processes=100),
        default_timeout_seconds=50.0,
    )
    limits = {"processes": 7, "output_bytes": 500, "wall_seconds": 5, "memory_bytes": 1 << 30}
    task = new_task(TaskDraft(title="x", limits=limits), task_id="dt-1", now=at(0))

    context = surroundings.for_step(task, Step(name="a", timeout_seconds=20.0), token=1, attempt=1)

    assert context.limits == Limits(processes=7, memory_bytes=1 << 30)
    assert context.output_limit_bytes == 500
    assert context.timeout_seconds == 5
