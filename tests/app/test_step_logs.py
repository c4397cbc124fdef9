"""Ranges of what steps printed: whole characters, while a step runs too."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dreamos_tasks.app.step_logs import logs_of
from dreamos_tasks.errors import NotFound
from dreamos_tasks.model.plan import Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.task import Task, TaskDraft, evolve, new_task

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = "grüße, 世界\n" * 3


def task_with(record: StepResult) -> Task:
    draft = TaskDraft(title="speak", plan=Plan(steps=(Step(name="say", params={"command": "true"}),)))
    return evolve(new_task(draft, task_id="dt-1", now=NOW), {"steps": (record,), "last_token": 1})


def test_ranges_of_any_size_put_together_are_the_whole(tmp_path: Path) -> None:
    (tmp_path / "dt-1" / "1").mkdir(parents=True)
    (tmp_path / "dt-1" / "1" / "say.log").write_text(TEXT)
    task = task_with(StepResult(name="say", status=StepStatus.COMPLETED, output_path="dt-1/1/say.log"))
    for limit in (4, 5, 7, 11, 1000):
        read, offset = "", 0
        while True:
            (log,) = logs_of(tmp_path, task, step="say", offset=offset, limit_bytes=limit)
            if log.next_offset == log.offset:
                break
            read, offset = read + log.output, log.next_offset
        assert read == TEXT
        assert offset == log.size == len(TEXT.encode())


def test_what_printed_under_the_last_claim_and_left_no_record_is_found(tmp_path: Path) -> None:
    task = task_with(StepResult(name="work", status=StepStatus.FAILED, token=1, output_head="before"))
    task = evolve(task, {"last_token": 2})
    (tmp_path / "dt-1" / "2").mkdir(parents=True)

    assert [log.output for log in logs_of(tmp_path, task)] == ["before"]
    (tmp_path / "dt-1" / "2" / "work.log").write_text("now")
    (tmp_path / "dt-1" / "2" / "task.json").write_text("{}")
    assert [(log.step, log.output) for log in logs_of(tmp_path, task)] == [("work", "now")]


def test_the_end_of_an_output_begins_with_a_whole_character(tmp_path: Path) -> None:
    (tmp_path / "dt-1" / "1").mkdir(parents=True)
    (tmp_path / "dt-1" / "1" / "say.log").write_text(TEXT)
    task = task_with(StepResult(name="say", status=StepStatus.COMPLETED, output_path="dt-1/1/say.log"))
    (log,) = logs_of(tmp_path, task, tail_bytes=6)
    assert log.output == "界\n"


def test_a_step_that_runs_is_read_from_its_newest_file(tmp_path: Path) -> None:
    folder = tmp_path / "dt-1" / "1"
    folder.mkdir(parents=True)
    (folder / "say.log").write_text("before")
    (folder / "say-more.log").write_text("another's")
    task = task_with(StepResult(name="say", status=StepStatus.RUNNING, token=1))
    assert [log.output for log in logs_of(tmp_path, task)] == ["before"]


def test_what_was_tidied_away_is_what_the_board_has_kept(tmp_path: Path) -> None:
    task = task_with(
        StepResult(name="say", status=StepStatus.FAILED, output_head="head", output_tail="tail", output_path="gone.log")
    )
    assert [log.output for log in logs_of(tmp_path, task)] == ["head\n[...]\ntail"]


def test_a_step_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    task = task_with(StepResult(name="say", status=StepStatus.COMPLETED))
    with pytest.raises(NotFound, match="no step 'sya'") as refused:
        logs_of(tmp_path, task, step="sya")
    assert "say" in refused.value.cause
