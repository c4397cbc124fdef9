"""A task as it is told: whoever reads it may take every field of the contract for given, at every depth."""

from __future__ import annotations

import json
from dataclasses import fields, replace

from hypothesis import given, settings

from dreamos_tasks.model.json_form import task_to_json
from dreamos_tasks.model.json_reading import task_from_json
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, TaskError, steps_from_run
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Progress, Task
from dreamos_tasks.model.told_form import error_told, task_told
from tests.fakes import START
from tests.values import tasks

STEP_FIELDS = {field.name for field in fields(Step)} - {"extra"}
BARE = Task(task_id="a", title="x", created_at=START, updated_at=START)


def test_a_task_that_asks_for_nothing_is_told_with_the_contracts_defaults() -> None:
    told = task_told(BARE)

    assert (told["plan"], told["verify"], told["retry"], told["limits"]) == ({"steps": []}, [], {}, {})
    assert told["context"] == {"cwd": "."}
    assert (told["progress"], told["error"], told["claim"]) == (None, None, None)


def test_each_step_is_told_with_every_field() -> None:
    told = task_told(replace(BARE, plan=Plan(steps=steps_from_run("make test")), verify=steps_from_run(["a", "b"])))

    (step,) = told["plan"]["steps"]
    assert set(step) == STEP_FIELDS
    assert (step["tool"], step["params"], step["critical"], step["approval"]) == (
        "shell",
        {"command": "make test"},
        True,
        "none",
    )
    assert [set(check) for check in told["verify"]] == [STEP_FIELDS, STEP_FIELDS]


def test_what_no_field_of_a_step_says_is_told_too() -> None:
    plan = Plan(steps=(Step(name="a", extra={"colour": "red"}),), rollback=True)

    told = task_told(replace(BARE, plan=plan))["plan"]

    assert told["rollback"] is True
    assert told["steps"][0]["extra"] == {"colour": "red"}


def test_an_error_is_told_with_its_cause_and_suggestions_also_where_there_are_none() -> None:
    assert error_told(TaskError(category=ErrorCategory.LOGIC, message="no")) == {
        "category": "logic",
        "message": "no",
        "cause": "",
        "suggestions": [],
        "step": None,
    }
    assert error_told(None) is None


def test_progress_is_told_with_its_note() -> None:
    told = task_told(replace(BARE, progress=Progress(percent=40)))

    assert told["progress"] == {"percent": 40, "note": "", "step": None, "at": None}


def test_a_retry_policy_is_told_whole_and_a_folder_of_its_own_as_it_is() -> None:
    told = task_told(replace(BARE, retry=RetryPolicy(), context={"cwd": "docs", "n": 1}))

    assert told["retry"]["max_attempts"] == 3
    assert told["context"] == {"cwd": "docs", "n": 1}


@settings(max_examples=40)
@given(tasks())
def test_nothing_is_lost_by_telling(task: Task) -> None:
    told = json.loads(json.dumps(task_told(task)))

    given = {name: value for name, value in told.items() if task_to_json(task)[name] not in (None, {})}
    again = task_from_json({**task_to_json(task), **given})
    assert replace(again, context=task.context) == task
    assert dict(again.context) in (dict(task.context), {"cwd": ".", **task.context})
