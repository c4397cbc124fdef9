"""In which order the changes of a task's steps are taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dreamos_tasks.model.plan import Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.rollback import undo_order
from dreamos_tasks.model.task import Task

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TASK = Task(task_id="dt-7k2m", title="t", created_at=NOW, updated_at=NOW)
STEPS = tuple(Step(name=name, tool="files") for name in ("a", "b", "c", "d"))


def ended(name: str, *, after_seconds: float) -> StepResult:
    at = NOW + timedelta(seconds=after_seconds)
    return StepResult(name=name, status=StepStatus.COMPLETED, token=2, started_at=at, finished_at=at)


def task_with(*results: StepResult) -> Task:
    return replace(TASK, plan=Plan(steps=STEPS), steps=results)


def test_what_ended_last_is_taken_back_first() -> None:
    task = task_with(ended("a", after_seconds=3), ended("b", after_seconds=1), ended("c", after_seconds=2))

    calls = undo_order(task, {"a": {"n": 1}, "b": {"n": 2}, "c": {"n": 3}})

    assert [(call.step, call.record, call.token) for call in calls] == [
        ("a", {"n": 1}, 2),
        ("c", {"n": 3}, 2),
        ("b", {"n": 2}, 2),
    ]


def test_what_ended_at_once_is_taken_back_against_the_order_of_the_plan() -> None:
    task = task_with(ended("a", after_seconds=1), ended("b", after_seconds=1))

    assert [call.step for call in undo_order(task, {"a": {}, "b": {}})] == ["b", "a"]


def test_what_was_under_way_comes_before_all_that_had_ended() -> None:
    running = StepResult(name="b", status=StepStatus.RUNNING, started_at=NOW)
    task = task_with(ended("a", after_seconds=1), running)

    assert [call.step for call in undo_order(task, {"a": {}, "b": {}})] == ["b", "a"]


def test_steps_without_a_record_or_of_an_older_plan_are_left_out() -> None:
    task = task_with(ended("a", after_seconds=1), ended("b", after_seconds=2), ended("old", after_seconds=3))

    assert [call.step for call in undo_order(task, {"a": {}, "b": None, "old": {}, "d": {}})] == ["a"]


def test_the_tool_that_was_called_takes_back() -> None:
    task = task_with(ended("a", after_seconds=1), ended("b", after_seconds=2))

    calls = undo_order(task, {"a": {}, "b": {}}, tools={"b": "s3"})

    assert [call.tool for call in calls] == ["s3", "files"]


def test_a_task_without_a_plan_has_nothing_to_take_back() -> None:
    assert undo_order(TASK, {"a": {}}) == []
