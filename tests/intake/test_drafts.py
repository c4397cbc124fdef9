"""Drafts: shorthands, synonyms, and all that is wrong with a value at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import Reading, read_drafts, read_text
from dreamos_tasks.intake.json_text import UnreadableJson
from dreamos_tasks.intake.problems import InvalidDrafts, Problem
from dreamos_tasks.model.plan import ApprovalMode, Plan, Step
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import DRAFT_FIELDS, Priority, Task, TaskDraft
from dreamos_tasks.model.told_form import task_told
from dreamos_tasks.model.tool import NoSuchTool, ParamProblem
from tests.fakes import START
from tests.full_task import full_task

DOOR = Door(created_by="inbox")


def draft(value: Any, door: Door = DOOR) -> TaskDraft:
    (only,) = read_drafts(value, door).drafts
    return only


def problems(value: Any, door: Door = DOOR) -> dict[str, Problem]:
    with pytest.raises(InvalidDrafts) as caught:
        read_drafts(value, door)
    return {problem.pointer: problem for problem in caught.value.problems}


def notices(reading: Reading) -> dict[str, str]:
    return {notice.pointer: notice.message for notice in reading.notices}


def test_a_title_is_enough() -> None:
    assert draft({"title": "Fix it"}) == TaskDraft(title="Fix it", created_by="inbox")


def test_a_description_is_enough() -> None:
    assert draft({"description": "\nFix it\nsoon"}).title == "Fix it"


def test_null_stands_for_the_default() -> None:
    assert draft(dict.fromkeys((*DRAFT_FIELDS, "run")) | {"title": "x"}) == TaskDraft(title="x", created_by="inbox")


@pytest.mark.parametrize(
    ("value", "is_array", "titles"),
    [
        ({"title": "a"}, False, ["a"]),
        ([{"title": "a"}, {"title": "b"}], True, ["a", "b"]),
        ({"tasks": [{"title": "a"}, {"title": "b"}]}, True, ["a", "b"]),
    ],
)
def test_a_task_an_array_and_an_object_of_tasks_are_read(value: Any, is_array: bool, titles: list[str]) -> None:
    reading = read_drafts(value, DOOR)

    assert [one.title for one in reading.drafts] == titles
    assert reading.is_array is is_array


@pytest.mark.parametrize(
    ("word", "priority"),
    [("HIGH", "high"), ("Urgent", "critical"), (" normal ", "medium"), (0, "critical"), ("3", "low"), (2.0, "medium")],
)
def test_priorities_are_words_or_numbers(word: Any, priority: str) -> None:
    assert draft({"title": "x", "priority": word}).priority is Priority(priority)


@pytest.mark.parametrize("word", ["hihg", 4, -1, True, 1.5, [], {}])
def test_a_strange_priority_is_refused(word: Any) -> None:
    assert "critical, high" in problems({"title": "x", "priority": word})["/priority"].expected


def test_a_misspelt_priority_is_told_its_neighbour() -> None:
    assert problems({"title": "x", "priority": "hihg"})["/priority"].nearest_field == "high"


@pytest.mark.parametrize(
    "text",
    [
        "2030-01-31T10:30:00Z",
        "2030-01-31t10:30:00.0000000z",
        "2030-01-31T12:30:00+02:00",
        "2030-01-31T10:30:00.0000009+00:00Z",
        "2030-01-31 05:30:00-05:00",
        "2030-01-31T10:30Z",
    ],
)
def test_instants_are_read_in_every_form_of_rfc_3339_and_kept_in_utc(text: str) -> None:
    instant = draft({"title": "x", "not_before": text}).not_before

    assert instant == datetime(2030, 1, 31, 10, 30, tzinfo=UTC)
    assert instant.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("2030-01-31T10:30:00", 'write "2030-01-31T10:30:00Z" if it is UTC'),
        ("2030-01-31", 'write "2030-01-31T00:00:00Z" if it is UTC'),
        ("tomorrow", 'write it like "2030-01-31T09:30:00Z"'),
        ("2030-02-30T00:00:00Z", 'write it like "2030-01-31T09:30:00Z"'),
        ("0001-01-01T00:00:00+14:00", 'write it like "2030-01-31T09:30:00Z"'),
        (1_900_000_000, 'write it like "2030-01-31T09:30:00Z"'),
    ],
)
def test_an_instant_without_an_offset_is_refused_with_what_to_write(text: Any, fix: str) -> None:
    assert problems({"title": "x", "due_at": text})["/due_at"].fix.startswith(fix)


def test_run_is_short_for_a_plan() -> None:
    assert draft({"title": "x", "run": "make"}).plan == Plan(steps=(Step(name="run", params={"command": "make"}),))
    assert draft({"title": "x", "run": ["make", "make test"]}).plan == Plan(
        steps=(Step(name="run-1", params={"command": "make"}), Step(name="run-2", params={"command": "make test"}))
    )


def test_shell_lines_stand_for_steps_in_verify_and_in_a_plan() -> None:
    made = draft(
        {
            "title": "x",
            "plan": {"steps": ["make", {"tool": "http", "params": {"url": "u"}}, {"run": "ls"}, {"run": "pwd"}]},
            "verify": ["make test", {"name": "lint", "run": "ruff check"}],
        }
    )

    assert made.plan is not None
    assert [(step.name, step.tool) for step in made.plan.steps] == [
        ("run", "shell"),
        ("http", "http"),
        ("step-3", "shell"),
        ("step-4", "shell"),
    ]
    assert [(step.name, step.params) for step in made.verify] == [
        ("verify", {"command": "make test"}),
        ("lint", {"command": "ruff check"}),
    ]
    assert draft({"title": "x", "verify": "make test"}).verify == (
        Step(name="verify", params={"command": "make test"}),
    )


def test_a_step_without_a_name_never_takes_that_of_another() -> None:
    made = draft(
        {"title": "x", "plan": {"steps": [{"tool": "http"}, {"name": "http", "run": "ls"}, {"name": "step-1"}]}}
    )

    assert made.plan is not None
    assert [step.name for step in made.plan.steps] == ["step-1-1", "http", "step-1"]


def test_a_plan_keeps_everything_that_was_said_about_a_step() -> None:
    step = {
        "name": "deploy",
        "tool": "http",
        "params": {"url": "u", "deep": [None, {"a": 1.5}]},
        "critical": False,
        "optional": True,
        "needs": ["build"],
        "timeout_seconds": 5,
        "retry": {"max_attempts": 2},
        "approval": "required",
        "idempotent": True,
        "fallback": "shell",
        "undo": {"tool": "http", "params": {"url": "v"}},
        "colour": "red",
    }

    made = draft({"title": "x", "plan": {"steps": [{"name": "build", "run": "make"}, step], "why": "because"}})

    assert made.plan is not None
    assert made.plan.extra == {"why": "because"}
    assert made.plan.steps[1] == Step(
        name="deploy",
        tool="http",
        params={"url": "u", "deep": [None, {"a": 1.5}]},
        critical=False,
        optional=True,
        needs=("build",),
        timeout_seconds=5,
        retry={"max_attempts": 2},
        approval=ApprovalMode.REQUIRED,
        idempotent=True,
        fallback="shell",
        undo={"tool": "http", "params": {"url": "v"}},
        extra={"colour": "red"},
    )


def test_unknown_keys_are_kept_and_the_nearest_field_is_named() -> None:
    reading = read_drafts({"title": "x", "tag": ["a"], "colour": "red", "extra": {"old": 1}}, DOOR)

    assert reading.drafts[0].extra == {"old": 1, "tag": ["a"], "colour": "red"}
    assert "did you mean 'tags'?" in notices(reading)["/tag"]
    assert notices(reading)["/colour"] == '"colour" is no field of a task; it is kept in extra'


def test_a_task_without_a_plan_is_read_as_it_is_told() -> None:
    told = task_told(Task(task_id="dt-1", title="x", created_at=START, updated_at=START))

    (again,) = read_drafts(json.loads(json.dumps(told)), DOOR).drafts
    assert (again.plan, again.verify, again.retry) == (None, (), None)


def test_what_the_board_printed_can_be_dropped_again() -> None:
    printed = {**task_told(full_task()), "waiting_for": []}

    reading = read_drafts(json.loads(json.dumps(printed)), DOOR)

    (again,) = reading.drafts
    assert again == TaskDraft(**{name: getattr(full_task(), name) for name in DRAFT_FIELDS})
    assert "status" in notices(reading)[""]
    assert "waiting_for" in notices(reading)[""]


def test_what_dt_show_adds_to_a_task_is_not_kept_but_somebodys_own_is() -> None:
    printed = {"title": "x", "waiting_for": [], "eta": None, "next_commands": ["dt claim dt-1"]}

    assert draft(printed).extra == {}
    assert draft({"title": "x", "eta": "tomorrow"}).extra == {"eta": "tomorrow"}


def test_the_contracts_example_is_taken() -> None:
    again = draft({"title": "x", "limits": {}, "retry": {}, "context": {"cwd": "."}, "claim": None, "attempt": 0})

    assert again.retry is None
    assert again.context == {"cwd": "."}


def test_a_retry_policy_is_read() -> None:
    made = draft(
        {"title": "x", "retry": {"max_attempts": 5.0, "categories": ["logic"], "jitter": "none", "factor": None}}
    )

    assert made.retry == RetryPolicy(max_attempts=5, categories=(made.retry.categories[0],), jitter="none")  # type: ignore[union-attr,index]


def test_everything_wrong_with_a_file_is_told_at_once() -> None:
    found = problems(
        [
            {"title": "fine"},
            {
                "titel": "x",
                "priority": "hihg",
                "tags": ["a b", 5],
                "assigned_to": "-ada",
                "task_id": "no/slash",
                "timeout_seconds": -1,
                "dedupe_key": "",
                "context": {"cwd": 5},
                "limits": {"memory_bytes": 0},
                "retry": {"max_atempts": 3, "jitter": "half", "factor": 0},
                "due_at": "soon",
                "extra": [],
                "plan": {
                    "steps": [
                        {"name": "a", "needs": ["b", "z"]},
                        {"name": "b", "needs": ["a"]},
                        {"name": "a", "critical": "yes", "approval": "maybe"},
                        5,
                    ]
                },
                "verify": [{"name": ""}],
            },
            "just text",
        ]
    )

    assert set(found) == {
        "/1/titel",
        "/1/priority",
        "/1/tags/0",
        "/1/tags/1",
        "/1/assigned_to",
        "/1/task_id",
        "/1/timeout_seconds",
        "/1/dedupe_key",
        "/1/context/cwd",
        "/1/limits/memory_bytes",
        "/1/retry/max_atempts",
        "/1/retry/jitter",
        "/1/retry/factor",
        "/1/due_at",
        "/1/extra",
        "/1/plan/steps/0/needs",
        "/1/plan/steps/0/needs/1",
        "/1/plan/steps/2/name",
        "/1/plan/steps/2/critical",
        "/1/plan/steps/2/approval",
        "/1/plan/steps/3",
        "/1/verify/0/name",
        "/2",
    }
    assert found["/1/titel"].nearest_field == "title"
    assert found["/1/retry/max_atempts"].nearest_field == "max_attempts"
    assert found["/1/tags/1"].expected == "a text"
    assert found["/1/tags/1"].found == "5"
    assert found["/1/timeout_seconds"].expected == "a number greater than 0"
    assert found["/1/plan/steps/2/approval"].expected == "one of 'none' or 'required'"
    assert all(problem.expected for problem in found.values())


@pytest.mark.parametrize(
    ("value", "pointer", "words"),
    [
        ({}, "/title", "a task needs a title"),
        ({"title": "  "}, "/title", "a task needs a title"),
        ({"title": 5}, "/title", "5 does not fit here"),
        ({"title": "x" * 501}, "/title", "does not fit here"),
        ([], "", "no task"),
        ({"tasks": []}, "", "no task"),
        ({"tasks": 5}, "/tasks", "5 does not fit here"),
        ({"tasks": [{}]}, "/tasks/0/title", "a task needs a title"),
        ({"tasks": [], "title": "x"}, "", "either a task or a list"),
        ("x", "", "does not fit here"),
        (None, "", "null does not fit here"),
        ({"title": "x", "run": "ls", "plan": {"steps": ["ls"]}}, "/run", "either run or a plan"),
        ({"title": "x", "run": []}, "/run", "an empty list does not fit"),
        ({"title": "x", "run": ["ls", " "]}, "/run/1", "does not fit"),
        ({"title": "x", "plan": ["ls"]}, "/plan", "a list does not fit"),
        ({"title": "x", "plan": {"steps": [], "rollback": True}}, "/plan/steps", "a plan needs a step"),
        ({"title": "x", "plan": {"steps": [["ls"]]}}, "/plan/steps/0", "a list does not fit"),
        ({"title": "x", "plan": {"steps": ["ls"] * 1001}}, "/plan/steps", "1,001 steps are too many"),
        ({"title": "x", "plan": {"steps": [{"run": "ls", "params": {}}]}}, "/plan/steps/0/run", "either run, or"),
        ({"title": "x", "plan": {"steps": [{"name": "a", "needs": ["a"]}]}}, "/plan/steps/0/needs", "ring: a -> a"),
        ({"title": "x", "task_id": "a", "depends_on": ["a"]}, "/depends_on", "depends on itself"),
        ({"title": "x", "depends_on": "dt-1"}, "/depends_on", "does not fit"),
        ({"title": "x", "timeout_seconds": "60"}, "/timeout_seconds", "does not fit"),
        ({"title": "x", "timeout_seconds": True}, "/timeout_seconds", "true does not fit"),
        ({"title": "x", "timeout_seconds": 1e300}, "/timeout_seconds", "does not fit"),
        ({"title": "x", "retry": {"max_seconds": 1e300}}, "/retry/max_seconds", "does not fit"),
        ({"title": "x", "context": []}, "/context", "does not fit"),
        ({"title": "x", "context": {"n": float("nan")}}, "", "no JSON form"),
    ],
)
def test_a_wrong_value_is_refused_where_it_stands(value: Any, pointer: str, words: str) -> None:
    assert words in problems(value)[pointer].message


def test_parameters_are_checked_by_their_tools_where_they_were_written() -> None:
    def check_call(tool: str, params: Mapping[str, Any]) -> Sequence[ParamProblem]:
        if params.get("command") == "good":
            return ()
        return [ParamProblem(pointer="/command", message=f"{tool} cannot do that", fix="write good")]

    door = Door(created_by="inbox", check_call=check_call)
    good = {"tool": "http", "params": {"command": "good"}}
    bad = {"tool": "http", "params": {"command": "bad"}}

    assert set(problems({"title": "x", "run": "bad"}, door)) == {"/run"}
    assert set(problems({"title": "x", "run": ["good", "bad"]}, door)) == {"/run/1"}
    assert set(problems({"title": "x", "verify": ["bad", {"run": "bad"}, good]}, door)) == {
        "/verify/0",
        "/verify/1/run",
    }
    found = problems({"title": "x", "plan": {"steps": [good, bad]}}, door)
    assert found["/plan/steps/1/params/command"].message == "http cannot do that"
    assert found["/plan/steps/1/params/command"].fix == "write good"


def test_a_folder_assigns_its_tasks_and_says_when_it_overrules() -> None:
    door = Door(created_by="inbox", assigned_to="ada")

    assert draft({"title": "x"}, door).assigned_to == "ada"
    reading = read_drafts({"title": "x", "assigned_to": "bob"}, door)
    assert reading.drafts[0].assigned_to == "ada"
    assert "assigned to ada" in notices(reading)["/assigned_to"]


def test_line_and_column_of_each_problem_are_told() -> None:
    text = '[\n  {"title": "a"},\n  {"title": "b",\n   "tags": ["ok", 5]},\n  {}\n]'

    with pytest.raises(InvalidDrafts) as caught:
        read_text(text, DOOR)

    assert [(problem.pointer, problem.line, problem.column) for problem in caught.value.problems] == [
        ("/1/tags/1", 4, 19),
        ("/2/title", 5, 3),
    ]
    assert caught.value.message.endswith("(and 1 more problem)")
    assert "line 5, /2/title: a task needs a title" in caught.value.cause


def test_json_lines_are_a_task_a_line() -> None:
    reading = read_text('{"title": "a"}\r\n\n  {"title": "b\\u2028"}\n', DOOR, lines=True)

    assert [one.title for one in reading.drafts] == ["a", "b\u2028"]
    assert reading.is_array


def test_json_lines_are_recognised() -> None:
    assert [one.title for one in read_text('{"title":"a"}\n{"title":"b"}\n', DOOR).drafts] == ["a", "b"]
    one = read_text('{"title":\n"a"}', Door(created_by="cli"))
    assert (one.drafts, one.is_array) == ((TaskDraft(title="a", created_by="cli"),), False)


def test_every_wrong_line_is_told() -> None:
    with pytest.raises(InvalidDrafts) as caught:
        read_text('{"title": "a"}\n\n{"title": 5}\n{nope}\n{}\n', DOOR, lines=True)

    assert {(problem.pointer, problem.line) for problem in caught.value.problems} == {
        ("/1/title", 3),
        ("/2", 4),
        ("/3/title", 5),
    }


@pytest.mark.parametrize("text", ["", "\n \n", '{"title": "a"}\n{"tit', '{"title": "a'])
def test_lines_that_end_midway_are_unfinished(text: str) -> None:
    with pytest.raises(UnreadableJson) as caught:
        read_text(text, DOOR, lines=True)

    assert caught.value.unfinished


def test_a_file_holds_no_more_tasks_than_it_may() -> None:
    tasks = [{"title": str(number)} for number in range(4)]

    assert len(read_drafts(tasks, DOOR, max_tasks=4).drafts) == 4
    with pytest.raises(InvalidDrafts, match="more than 3 tasks"):
        read_drafts(tasks, DOOR, max_tasks=3)
    with pytest.raises(InvalidDrafts, match="more than 3 tasks"):
        read_text("\n".join(map(json.dumps, tasks)), DOOR, lines=True, max_tasks=3)


def test_what_is_shown_of_a_value_obeys_no_escape() -> None:
    found = problems({"title": "x", "priority": "\x1b[31m\u202eevil" + "x" * 1000})["/priority"]

    assert found.found.startswith('"\\u001b[31m\\u202eevil')
    assert len(found.found) < 100


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
step_keys = st.sampled_from(["name", "tool", "params", "run", "needs", "retry", "approval", "critical", "undo", "x"])
steps = st.lists(st.dictionaries(step_keys, json_values | st.just(["a"]), max_size=4) | json_values, max_size=3)
task_values = st.dictionaries(
    st.sampled_from([*DRAFT_FIELDS, "run", "status", "tasks", "titel"]),
    json_values | steps | st.fixed_dictionaries({"steps": steps}),
    max_size=6,
)


@given(task_values | st.lists(task_values, max_size=3) | json_values)
def test_no_value_raises_anything_but_invalid_input(value: Any) -> None:
    try:
        reading = read_drafts(value, DOOR)
    except InvalidInput as error:
        json.dumps(error.to_json() if isinstance(error, InvalidDrafts) else error.message)
    else:
        assert all(1 <= len(one.title) <= 500 for one in reading.drafts)


def test_a_wrong_limit_is_told_once() -> None:
    for limits in ({"memory": 5}, {"memory_bytes": -5}):
        with pytest.raises(InvalidDrafts) as caught:
            read_drafts({"title": "x", "limits": limits}, DOOR)
        assert [problem.pointer for problem in caught.value.problems] == [f"/limits/{next(iter(limits))}"]


def test_a_tool_that_is_not_there_is_told_where_it_is_named() -> None:
    door = Door(created_by="inbox", check_call=lambda tool, _: (NoSuchTool(pointer="", message="no", nearest="shell"),))

    found = problems({"title": "x", "plan": {"steps": [{"tool": "shel", "params": {}}]}}, door)

    assert (found["/plan/steps/0/tool"].found, found["/plan/steps/0/tool"].nearest_field) == ('"shel"', "shell")


@pytest.mark.parametrize(
    ("task", "place", "meant"),
    [
        ({"plan": {"steps": [{"run": "rm -r build", "aproval": "required"}]}}, "/plan/steps/0/aproval", "approval"),
        ({"plan": {"steps": [{"run": "a"}, {"run": "b", "nedds": ["run"]}]}}, "/plan/steps/1/nedds", "needs"),
        ({"plan": {"steps": [{"run": "a", "timeout": 5}]}}, "/plan/steps/0/timeout", "timeout_seconds"),
        ({"plan": {"steps": ["a"], "rollbak": True}}, "/plan/rollbak", "rollback"),
        ({"run": "a", "verfy": ["b"]}, "/verfy", "verify"),
        ({"run": "a", "Depends_On": ["dt-1aaa"]}, "/Depends_On", "depends_on"),
    ],
)
def test_a_misspelt_field_that_would_hold_something_back_is_refused(task: Any, place: str, meant: str) -> None:
    found = problems({"title": "x", **task})

    assert found[place].nearest_field == meant
    assert f'write "{meant}"' in found[place].fix


def test_a_key_that_only_resembles_a_field_of_a_step_is_kept() -> None:
    plan = draft({"title": "x", "plan": {"steps": [{"run": "a", "notes": "first", "critical_path": True}]}}).plan

    assert plan is not None
    assert plan.steps[0].extra == {"notes": "first", "critical_path": True}


def test_a_plan_whose_only_step_is_wrong_is_not_called_too_short_besides() -> None:
    found = problems({"title": "x", "plan": {"steps": [{"name": "a", "run": "ls", "approval": "requierd"}]}})

    assert set(found) == {"/plan/steps/0/approval"}
