"""The JSON form loses nothing: what is written is read back the same."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.instants import read_instant
from dreamos_tasks.model.json_form import (
    event_to_json,
    instant_from_text,
    instant_to_text,
    task_to_json,
    task_to_sparse_json,
    to_json,
)
from dreamos_tasks.model.json_reading import field_from_json, task_from_json
from dreamos_tasks.model.request import Request, RequestKind
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import TASK_FIELDS, Task
from dreamos_tasks.stores.typed_form import reader_of
from tests.fakes import START
from tests.full_task import full_task
from tests.values import instants, json_values, tasks

SHORT = settings(max_examples=40)


@SHORT
@given(tasks())
def test_a_task_is_the_same_after_its_full_form(task: Task) -> None:
    assert task_from_json(json.loads(json.dumps(task_to_json(task)))) == task


@SHORT
@given(tasks())
def test_a_task_is_the_same_after_its_sparse_form(task: Task) -> None:
    assert task_from_json(json.loads(json.dumps(task_to_sparse_json(task)))) == task


@SHORT
@given(tasks())
def test_each_field_is_the_same_by_itself(task: Task) -> None:
    for name in TASK_FIELDS:
        value = getattr(task, name)
        assert field_from_json(name, json.loads(json.dumps(to_json(value)))) == value


@SHORT
@given(tasks())
def test_reading_by_annotations_reads_the_same(task: Task) -> None:
    """What a person's file is read with agrees with what a store's own form is read with."""
    assert reader_of(Task)(json.loads(json.dumps(task_to_sparse_json(task)))) == task


def test_the_sparse_form_holds_only_what_differs() -> None:
    task = Task(task_id="a", title="x", created_at=START, updated_at=START)

    assert task_to_sparse_json(task) == {
        "title": "x",
        "task_id": "a",
        "created_at": "2026-03-01T09:00:00.000000Z",
        "updated_at": "2026-03-01T09:00:00.000000Z",
    }
    assert set(task_to_json(task)) == set(TASK_FIELDS)


def test_every_field_survives() -> None:
    task = full_task()
    back = task_from_json(task_to_json(task))

    for field in fields(Task):
        assert getattr(back, field.name) == getattr(task, field.name), field.name


def test_a_retry_policy_that_says_nothing_new_is_still_one() -> None:
    task = Task(task_id="a", title="x", created_at=START, updated_at=START, retry=RetryPolicy())

    assert task_from_json(task_to_json(task)).retry == RetryPolicy()


def test_unknown_keys_go_to_extra() -> None:
    form = {**task_to_json(full_task()), "colour": "blue", "shape": [1]}

    assert task_from_json(form).extra == {**full_task().extra, "colour": "blue", "shape": [1]}


@SHORT
@given(instants())
def test_an_instant_is_the_same_after_its_text(instant: datetime) -> None:
    text = instant_to_text(instant)

    assert text.endswith("Z")
    assert instant_from_text(text) == read_instant(text) == instant


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T09:00:00.1234567Z",
        "2026-03-01T09:00:00.123456+00:00Z",
        "2026-03-01T10:00:00.123456+01:00",
        "2026-03-01T09:00:00.123456",
        "2026-03-01 09:00:00.123456Z",
        " 2026-03-01T09:00:00.123456z\n",
    ],
)
def test_instants_are_read_as_others_write_them(text: str) -> None:
    assert read_instant(text) == START.replace(microsecond=123_456)
    assert read_instant(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["", "YYYY-MM-DD", "tomorrow", "2026-13-01T00:00:00Z", "1772355600"])
def test_what_is_no_instant_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_instant(text)


@SHORT
@given(json_values)
def test_any_json_value_is_its_own_form(value: Any) -> None:
    assert to_json(value) == value


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    with pytest.raises(InvalidInput, match="JSON"):
        to_json({"deep": [number]})


@pytest.mark.parametrize("value", [object(), {1: "a"}, {"a": {None: 1}}, b"bytes", {1, 2}])
def test_a_value_without_a_json_form_is_a_mistake(value: Any) -> None:
    with pytest.raises(TypeError):
        to_json(value)


def test_tuples_become_lists_and_enums_their_words() -> None:
    assert to_json({"a": (1, EventType.PROGRESS)}) == {"a": [1, "progress"]}


def test_an_event_is_the_same_after_its_message() -> None:
    event = Event(
        type=EventType.TASK_CLAIMED,
        task_id="a",
        at=START + timedelta(microseconds=1),
        by="ada",
        changes={"attempt": 1},
        detail={"reason": "x"},
        seq=7,
    )

    message = event_to_json(event)
    assert json.loads(json.dumps(message)) == {
        "id": 7,
        "type": "task_claimed",
        "timestamp": instant_to_text(event.at),
        "data": {"task_id": "a", "by": "ada", "changes": {"attempt": 1}, "detail": {"reason": "x"}},
    }


def test_an_instant_of_another_zone_is_kept_as_utc() -> None:
    there = START.astimezone(timezone(timedelta(hours=5, minutes=30)))

    assert instant_from_text(there.isoformat()) == START
    assert instant_from_text(there.isoformat()).tzinfo is UTC


def test_a_request_says_that_it_is_open() -> None:
    request = Request(request_id="dt-7k2m.r1", kind=RequestKind.QUESTION, asked_by="ada", asked_at=START, text="which?")

    assert to_json(request)["state"] == "open"
