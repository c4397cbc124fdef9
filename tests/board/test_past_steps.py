"""What is expected of steps costs no query a step, is fresh enough, and never stops the work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from dreamos_tasks.board.past_steps import FRESH_SECONDS, PastSteps
from dreamos_tasks.errors import BoardUnavailable
from dreamos_tasks.model.event import Change, Event, EventType
from dreamos_tasks.model.task import Task, TaskDraft, new_task
from dreamos_tasks.stores.memory import MemoryStore
from tests.fakes import START

TASK: Task = new_task(TaskDraft(title="x"), task_id="t", now=START)


class Store(MemoryStore):
    """Counts how often it is asked; it has `seconds` of one step, unless it is broken."""

    def __init__(self, *seconds: float, is_broken: bool = False) -> None:
        super().__init__()
        self.asked = 0
        self._ends = [event(EventType.STEP_COMPLETED, seconds=each) for each in seconds]
        self._is_broken = is_broken

    def step_ends(self, **_: Any) -> Sequence[Event]:
        self.asked += 1
        if self._is_broken:
            raise BoardUnavailable("the log cannot be read")
        return self._ends


def event(type_: EventType, *, task_id: str = "t", tool: str = "shell", **detail: Any) -> Event:
    return Event(type=type_, task_id=task_id, at=START, by="daemon", detail={"step": "build", "tool": tool, **detail})


def told(past: PastSteps, *events: Event) -> Sequence[Event]:
    return past.annotated(Change(TASK, TASK, events)).events


def test_a_thousand_steps_ask_the_board_once() -> None:
    store = Store(1.0, 2.0, 3.0)
    past = PastSteps(store)
    for number in range(1000):
        task_id = f"t{number}"
        told(past, event(EventType.STEP_STARTED, task_id=task_id))
        told(past, event(EventType.STEP_COMPLETED, task_id=task_id, seconds=2.0))
    assert store.asked == 1


def test_what_ends_here_is_known_at_once_and_only_the_latest_count() -> None:
    past = PastSteps(Store(*[1.0] * 50))
    assert past.range_of("shell", "build") is not None
    told(past, *[event(EventType.STEP_COMPLETED, seconds=9.0)] * 50)
    expected = past.range_of("shell", "build")
    assert expected is not None
    assert (expected.low_seconds, expected.samples) == (9.0, 50)


def test_what_a_command_took_says_nothing_of_another_one_without_a_name() -> None:
    store = MemoryStore()
    past = PastSteps(store)
    run = {"step": "run", "like": "make test"}
    assert past.range_of("shell", "run", "make test") is None
    assert past.range_of("shell", "run", "make deploy") is None
    told(past, *[event(EventType.STEP_COMPLETED, seconds=9.0, **run)] * 5)
    told(past, *[event(EventType.STEP_COMPLETED, seconds=1.0, **{**run, "like": "make deploy"})] * 5)

    assert past.samples_of("shell", "run", "make test") == (9.0,) * 5
    assert past.samples_of("shell", "run", "make deploy") == (1.0,) * 5
    (begun,) = told(past, event(EventType.STEP_STARTED, **run))
    assert begun.detail["estimate"]["likely_seconds"] == 9.0
    assert past.samples_of("shell", "run") == ()


def test_what_others_wrote_is_read_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("dreamos_tasks.board.past_steps.time.monotonic", lambda: now)
    store = Store(1.0)
    past = PastSteps(store)
    past.range_of("shell", "build")
    now = FRESH_SECONDS + 1
    past.range_of("shell", "build")
    assert store.asked == 2


def test_a_log_that_cannot_be_read_does_not_stop_a_step() -> None:
    start = event(EventType.STEP_STARTED)
    assert told(PastSteps(Store(is_broken=True)), start) == (start,)


def test_what_failed_is_no_sample_and_ends_no_better_than_expected() -> None:
    past = PastSteps(Store(*[10.0] * 20))
    told(past, event(EventType.STEP_STARTED))
    (end,) = told(past, event(EventType.STEP_FAILED, seconds=0.1))
    assert "finished_early" not in end.detail
    assert "estimate" not in end.detail
    assert past.samples_of("shell", "build") == (10.0,) * 20


def test_what_ran_through_another_tool_than_expected_is_not_measured_by_it() -> None:
    past = PastSteps(Store(*[10.0] * 20))
    told(past, event(EventType.STEP_STARTED))
    (end,) = told(past, event(EventType.STEP_COMPLETED, tool="http", seconds=0.1))
    assert "estimate" not in end.detail


def test_one_run_before_is_too_little_to_call_the_next_early() -> None:
    past = PastSteps(Store(100.0))
    told(past, event(EventType.STEP_STARTED))
    (end,) = told(past, event(EventType.STEP_COMPLETED, seconds=0.1))
    assert end.detail["estimate"]["is_rough"] is True
    assert "finished_early" not in end.detail


def test_other_events_are_left_alone() -> None:
    paused = Event(type=EventType.TASK_PAUSED, task_id="t", at=START, by="ada")
    unnamed = Event(type=EventType.STEP_STARTED, task_id="t", at=START, by="ada", detail={"step": "build"})
    assert told(PastSteps(Store(1.0)), paused, unnamed) == (paused, unnamed)
