"""The published schemas say what the readers do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft202012Validator

from dreamos_tasks.errors import NotFound
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import read_drafts
from dreamos_tasks.intake.problems import InvalidDrafts
from dreamos_tasks.intake.schema import SCHEMA_NAMES, schema_for
from dreamos_tasks.model.json_form import task_to_json, to_json
from dreamos_tasks.model.task import TASK_FIELDS, Task
from dreamos_tasks.model.told_form import task_told
from tests.fakes import START
from tests.full_task import full_task
from tests.intake.test_drafts import task_values

FILE = Draft202012Validator(schema_for("file"))
STEP: dict[str, Any] = {"name": "a", "tool": "http", "params": {"url": "u"}}


def each(field: str, *values: Any) -> list[Any]:
    """A task for each value of the field."""
    return [{"title": "x", field: value} for value in values]


RETRIES: list[Any] = [{"max": 2}, 5, {"max_attempts": 0}]
ACCEPTED: list[Any] = [
    {"title": "x"},
    {"description": "x"},
    {"title": "", "description": "x"},
    {"title": None, "description": "x"},
    [{"title": "x"}],
    {"tasks": [{"title": "x"}], "by": "me"},
    *each("priority", "high", "HIGH", " Urgent", "normal", 0, 3, "2", None),
    *each("due_at", "2030-01-01T00:00:00Z", "2030-01-01 00:00:00.1234567+00:00Z", None),
    *each("run", "ls", ["ls", "pwd"], None),
    *each("verify", "ls", ["ls", STEP], [], None),
    {"title": "x", "run": "ls", "plan": None},
    {"title": "x", "plan": {"steps": []}},
    {"title": "x", "plan": {"steps": [STEP, "ls", {"run": "ls", "tool": "shell"}], "colour": "red"}},
    {"title": "x", "plan": {"steps": [{**STEP, "retry": {"max_attempts": 2}, "needs": None, "approval": "required"}]}},
    {"title": "x", "retry": {}},
    {"title": "x", "retry": {"max_attempts": 5.0, "categories": ["logic"], "jitter": None}},
    {"title": "x", "tags": ["a", "b"], "requires": ["gpu"], "assigned_to": "ada", "task_id": ""},
    {"title": "x", "limits": {"memory_bytes": 5.0, "cpu_seconds": None, "wall_seconds": 0.5}},
    {"title": "x", "context": {"cwd": ".", "n": 5}, "timeout_seconds": 1, "colour": "red", "status": "failed"},
]
REFUSED: list[Any] = [
    None,
    "x",
    5,
    [],
    {},
    {"tasks": []},
    {"tasks": [{}]},
    {"tasks": [{"title": "x"}], "title": "x"},
    {"title": None},
    {"title": " "},
    {"title": 5},
    {"title": "x" * 501},
    {"title": "x", "description": 5},
    *each("priority", "hihg", 4, True, 1.5, "", []),
    *each("due_at", "2030-01-01T00:00:00", "2030-01-01", "soon", 5, ""),
    *each("run", "", " ", [], ["ls", ""], 5, {}),
    *each("verify", "", [""], 5, [5], [{"name": ""}], [{"critical": 1}]),
    {"title": "x", "run": "ls", "plan": {"steps": [STEP]}},
    *each("plan", [], {}, {"steps": None}, {"steps": STEP}, "ls"),
    {"title": "x", "plan": {"steps": [{**STEP, "run": "ls"}]}},
    {"title": "x", "plan": {"steps": [{"tool": "http", "run": "ls"}]}},
    {"title": "x", "plan": {"steps": [STEP], "extra": 5}},
    *each("plan", *({"steps": [{**STEP, "retry": retry}]} for retry in RETRIES)),
    {"title": "x", "plan": {"steps": [{**STEP, "approval": "maybe"}]}},
    *each("retry", {"max": 2}, {"jitter": "half"}, {"factor": 0.5}, [], {"categories": 1}),
    *each("tags", "a", ["a b"], [""], [5], ["a\n"], ["-a"]),
    *each("assigned_to", "", "a b", 5, "a\n"),
    *each("task_id", "-a", "a b", 5, "a\n"),
    *each("timeout_seconds", 0, -1, "5", True, 1e9),
    *each(
        "limits", {"memory_bytes": 0}, {"memory_bytes": 1.5}, {"cpu_seconds": "5"}, {"colour": 5}, {"processes": True}
    ),
    {"title": "x", "limits": []},
    {"title": "x", "context": {"cwd": 5}},
    {"title": "x", "dedupe_key": ""},
    {"title": "x", "extra": []},
]


def is_taken(value: Any) -> bool:
    try:
        read_drafts(value, Door(created_by="inbox"))
    except InvalidDrafts:
        return False
    return True


@pytest.mark.parametrize("name", SCHEMA_NAMES)
def test_every_schema_is_one_and_says_what_it_is(name: str) -> None:
    schema = schema_for(name)

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:dreamos-tasks:schema:{name}"
    assert schema["title"]
    assert schema["description"]


@pytest.mark.parametrize("name", ["task", "draft", "plan", "step", "retry"])
def test_every_field_is_described(name: str) -> None:
    assert [field for field, one in schema_for(name)["properties"].items() if not one.get("description")] == []


@pytest.mark.parametrize("value", ACCEPTED, ids=json.dumps)
def test_what_is_taken_is_valid(value: Any) -> None:
    assert is_taken(value)
    assert [error.message for error in FILE.iter_errors(value)] == []


@pytest.mark.parametrize("value", REFUSED, ids=lambda value: json.dumps(value)[:60])
def test_what_is_refused_is_invalid(value: Any) -> None:
    assert not is_taken(value)
    assert not FILE.is_valid(value)


@given(task_values)
def test_whatever_is_taken_is_valid(value: Any) -> None:
    if is_taken(value):
        assert [error.message for error in FILE.iter_errors(value)] == []


@pytest.mark.parametrize(
    "task", [full_task(), Task(task_id="dt-1", title="x", created_at=START, updated_at=START)], ids=["full", "bare"]
)
def test_a_task_as_it_is_written_is_valid(task: Task) -> None:
    for form in (task_to_json(task), task_told(task)):
        written = json.loads(json.dumps(form))

        assert [error.message for error in Draft202012Validator(schema_for("task")).iter_errors(written)] == []
        assert FILE.is_valid(written)


def test_the_parts_of_a_task_are_valid_by_their_own_schemas() -> None:
    task = full_task()

    assert task.plan is not None
    Draft202012Validator(schema_for("plan")).validate(to_json(task.plan))
    Draft202012Validator(schema_for("retry")).validate(to_json(task.retry))
    for step in task.plan.steps:
        Draft202012Validator(schema_for("step")).validate(to_json(step))
    for result in task.steps:
        Draft202012Validator(schema_for("step-result")).validate(to_json(result))


def test_a_task_lacks_no_field() -> None:
    assert set(schema_for("task")["required"]) == set(TASK_FIELDS)


def test_a_misspelt_schema_is_told_its_neighbour() -> None:
    with pytest.raises(NotFound) as caught:
        schema_for("taks")

    assert caught.value.fix == "did you mean task?"
