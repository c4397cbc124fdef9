"""In which order the changes of a task's steps are taken back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dreamos_tasks.model.plan import Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.rollback import steps_left, undo_order, wants_rollback
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.undone import Rollback, RollbackCause, Undone

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TASK = Task(task_id="dt-7k2m", title="t", created_at=NOW, updated_at=NOW)
STEPS = tuple(Step(name=name, tool="files") for name in ("a", "b", "c", "d"))


def ended(name: str, *, after_seconds: float, undo: object = None, **more: Any) -> StepResult:
    at = NOW + timedelta(seconds=after_seconds)
    return StepResult(name=name, status=StepStatus.COMPLETED, token=2, started_at=at, finished_at=at, undo=undo, **more)


def task_with(*results: StepResult, steps: tuple[Step, ...] = STEPS, rollback: bool = False) -> Task:
    return replace(TASK, plan=Plan(steps=steps, rollback=rollback), steps=results)


def test_what_ended_last_is_taken_back_first() -> None:
    task = task_with(
        ended("a", after_seconds=3, undo={"n": 1}),
        ended("b", after_seconds=1, undo={"n": 2}),
        ended("c", after_seconds=2, undo={"n": 3}),
    )

    assert [(call.step, call.record, call.token) for call in undo_order(task)] == [
        ("a", {"n": 1}, 2),
        ("c", {"n": 3}, 2),
        ("b", {"n": 2}, 2),
    ]


def test_what_ended_at_once_is_taken_back_against_the_order_of_the_plan() -> None:
    task = task_with(ended("a", after_seconds=1, undo={}), ended("b", after_seconds=1, undo={}))

    assert [call.step for call in undo_order(task)] == ["b", "a"]


@pytest.mark.parametrize("status", [StepStatus.RUNNING, StepStatus.PAUSED])
def test_what_was_cut_off_comes_before_all_that_had_ended(status: StepStatus) -> None:
    cut = StepResult(name="b", status=status, started_at=NOW)
    task = task_with(ended("a", after_seconds=1, undo={}), cut)

    assert [(call.step, call.is_cut) for call in undo_order(task)] == [("b", True), ("a", False)]


def test_steps_without_a_record_or_of_an_older_plan_are_left_out_and_named() -> None:
    task = task_with(
        ended("a", after_seconds=1, undo={}), ended("b", after_seconds=2), ended("old", after_seconds=3, undo={})
    )

    assert [call.step for call in undo_order(task)] == ["a"]
    assert steps_left(task) == ["b", "old"]


def test_the_tool_that_was_called_takes_back() -> None:
    task = task_with(ended("a", after_seconds=1, undo={}), ended("b", after_seconds=2, undo={}, tool="s3"))

    assert [call.tool for call in undo_order(task)] == ["s3", "files"]


def test_what_the_plan_says_of_undoing_goes_before_what_the_tool_knows() -> None:
    steps = (Step(name="a", tool="files", undo={"tool": "shell", "params": {"command": "make clean"}}),)
    (call,) = undo_order(task_with(ended("a", after_seconds=1, undo={"n": 1}), steps=steps))

    assert call.own == {"tool": "shell", "params": {"command": "make clean"}}


def test_only_the_steps_that_are_meant_are_taken_back() -> None:
    task = task_with(ended("a", after_seconds=1, undo={}), ended("b", after_seconds=2, undo={}))

    assert [call.step for call in undo_order(task, ("a",))] == ["a"]


def test_an_undo_that_has_failed_is_not_tried_again_in_the_same_rollback() -> None:
    failed = Undone(at=NOW + timedelta(seconds=20), by="daemon", ok=False)
    task = task_with(ended("a", after_seconds=1, undo={}, undone=failed))
    now, later = (Rollback(cause=RollbackCause.FAILED, since=NOW + timedelta(seconds=seconds)) for seconds in (10, 30))

    assert [call.step for call in undo_order(replace(task, rollback=now))] == []
    assert [call.step for call in undo_order(replace(task, rollback=later))] == ["a"]


def test_a_rollback_is_wanted_where_the_plan_asks_for_it_and_there_may_be_something_to_take_back() -> None:
    done, plain = ended("a", after_seconds=1, undo={}), ended("a", after_seconds=1)

    assert wants_rollback(task_with(done, rollback=True))
    assert not wants_rollback(task_with(done))
    assert not wants_rollback(task_with(plain, rollback=True))


def test_a_task_without_a_plan_has_nothing_to_take_back() -> None:
    assert undo_order(TASK) == []
