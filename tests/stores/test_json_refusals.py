"""JSON boards that are refused: what is wrong, where it stands, and that nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.errors import (
    BoardCorrupt,
    BoardTooNew,
)
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.stores.json_file import JsonStore
from tests.stores.json_boards import Open, corrupt_copies, write

# -- refusals

CLAIM = {"agent_id": "ada", "token": 1, "claimed_at": "2026-03-01T09:00:00Z", "lease_until": "2026-03-01T09:15:00Z"}
EVENT = {"seq": 1, "type": "task_added", "at": "2026-03-01T09:00:00Z", "by": "cli", "changes": {"title": "x"}}

BROKEN_TASKS: list[tuple[list[Any], str, str]] = [
    ([3], "/0", "an object"),
    ([{}], "/0/title", "neither title nor description"),
    ([{"title": "x" * 501}], "/0/title", "500 or less"),
    ([{"title": 5}], "/0/title", "a text"),
    ([{"title": "x", "priority": "hgih"}], "/0/priority", "critical, high, medium or low"),
    ([{"title": "x", "status": "pendign"}], "/0/status", "did you mean 'pending'"),
    ([{"title": "x", "status": "in_progress"}], "/0/status", "dt claim"),
    ([{"title": "x", "claim": CLAIM}], "/0/claim", "remove the claim"),
    ([{"title": "x", "status": "in_progress", "claim": {"agent_id": "a"}}], "/0/claim", "'token' is missing"),
    ([{"title": "x", "status": "in_progress", "claim": {**CLAIM, "agent": "a"}}], "/0/claim/agent", "'agent_id'"),
    ([{"title": "x", "status": "in_progress", "claim": CLAIM, "last_token": 4}], "/0/claim/token", '"token": 4'),
    ([{"title": "x"}, {"title": "y", "tags": "core"}], "/1/tags", "brackets"),
    ([{"title": "x", "tags": ["ok", "not ok"]}], "/0/tags/1", "not ok"),
    ([{"title": "x", "due_at": "tomorrow"}], "/0/due_at", "2026-01-31T09:30:00Z"),
    ([{"title": "x", "attempt": -1}], "/0/attempt", "0 or more"),
    ([{"title": "x", "attempt": True}], "/0/attempt", "a whole number"),
    ([{"title": "x", "timeout_seconds": 0}], "/0/timeout_seconds", "greater than 0"),
    ([{"title": "x", "plan": {"steps": [], "rollback": True}}], "/0/plan/steps", "a length of 1 or more"),
    ([{"title": "x", "plan": {"steps": [{"tool": "shell"}]}}], "/0/plan/steps/0", "'name' is missing"),
    ([{"title": "x", "retry": {"max_attempts": 0}}], "/0/retry/max_attempts", "1 or more"),
    ([{"title": "x", "task_id": "a b"}], "/0/task_id", "letters"),
    ([{"title": "x", "task_id": 7}], "/0/task_id", "a text"),
    ([{"title": "x", "task_id": "dt-a"}, {"title": "y", "task_id": "dt-a"}], "/1/task_id", "two tasks"),
    ([{"title": "x", "task_id": "dt-abc"}, {"title": "y", "depends_on": ["dt-abd"]}], "/1/depends_on/0", "'dt-abc'"),
    ([{"title": "x", "parent_id": "dt-q"}], "/0/parent_id", "put that task back"),
    (
        [
            {"title": "x", "task_id": "a", "depends_on": ["b"]},
            {"title": "y", "task_id": "b", "depends_on": ["c"]},
            {"title": "z", "task_id": "c", "depends_on": ["a"]},
        ],
        "/depends_on",
        "a -> b -> c",
    ),
    ([{"title": "x", "events": {}}], "/0/events", "the list"),
    ([{"title": "x", "events": [{**EVENT, "type": "exploded"}]}], "/0/events/0/type", "one of"),
    ([{"title": "x", "events": [{**EVENT, "seq": None}]}], "/0/events/0", "'seq' is missing"),
    ([{"title": "x", "events": [EVENT, {**EVENT, "seq": 2}]}], "/0/events/1", "replayed"),
    ([{"title": "x", "events": [{**EVENT, "changes": {"title": "x", "due_at": "soon"}}]}], "/0/events/0", "replayed"),
    ([{"title": "x", "events": [EVENT, {**EVENT, "seq": 2, "type": "task_claimed"}]}], "/0/events/1", "holder"),
    (
        [{"title": "x", "priority": "hgih", "events": [{**EVENT, "changes": {"priority": "hgih"}}]}],
        "/0/priority",
        "high",
    ),
]


@pytest.mark.parametrize(("tasks", "pointer", "help_"), BROKEN_TASKS, ids=lambda value: str(value)[:50])
@pytest.mark.parametrize("own_form", [False, True], ids=["array", "own form"])
def test_a_hand_edit_that_breaks_a_rule_is_refused_with_its_place_and_the_fix(
    json_path: Path, own_form: bool, tasks: list[Any], pointer: str, help_: str
) -> None:
    write(json_path, json.dumps({"dreamos_tasks": 1, "tasks": tasks} if own_form else tasks, indent=2))
    before = json_path.read_bytes()

    with pytest.raises(BoardCorrupt) as caught:
        JsonStore(json_path)

    error = caught.value
    assert str(json_path) in error.message
    assert "line " in error.message
    assert pointer in error.message
    assert help_ in f"{error.message} {error.cause} {error.fix}"
    assert error.fix
    assert json_path.read_bytes() == before
    (copy,) = corrupt_copies(json_path)
    assert copy.read_bytes() == before
    assert str(copy) in error.cause


BROKEN_TEXTS: list[tuple[bytes, str]] = [
    (b'[\n  {"title": "x",}\n]', "line 2, column 1"),
    (b'[{"title": "x"}', "line 1, column 16"),
    (b'[{"title": "\xff"}]', "line 1, column 13"),
    (b'[{"title": "x", "title": "y"}]', "'title' stands twice"),
    (b'[{"title": "x", "n": NaN}]', "NaN"),
    (b'[{"title": "x", "n": 1e999}]', "1e999"),
    (b'[{"title": "x", "n": ' + b"9" * 5000 + b"}]", "too long"),
    (b"[" * 100_000, "too deeply"),
    (b'{"dreamos_tasks": 1}', "no list of tasks"),
    (b'{"dreamos_tasks": "one", "tasks": []}', "/dreamos_tasks"),
    (b'{"dreamos_tasks": 1, "clock": 5, "tasks": []}', "/clock"),
    (b"<<<<<<< HEAD\n[]\n=======\n", "line 1, column 1"),
]


@pytest.mark.parametrize(("content", "place"), BROKEN_TEXTS, ids=[place for _, place in BROKEN_TEXTS])
def test_a_text_that_is_no_sound_json_is_refused_and_kept(json_path: Path, content: bytes, place: str) -> None:
    json_path.write_bytes(content)

    with pytest.raises(BoardCorrupt) as caught:
        JsonStore(json_path)

    assert place in caught.value.message
    assert json_path.read_bytes() == content
    assert [copy.read_bytes() for copy in corrupt_copies(json_path)] == [content]


@pytest.mark.parametrize("text", ['{"name": "x", "version": "1"}', '"board"', "3", "null"])
def test_a_file_of_something_else_is_refused_and_left_alone(json_path: Path, text: str) -> None:
    write(json_path, text)

    with pytest.raises(BoardCorrupt, match="this is no board"):
        JsonStore(json_path)

    assert json_path.read_text(encoding="utf-8") == text
    assert corrupt_copies(json_path) == []


def test_a_board_of_a_newer_form_is_refused(json_path: Path) -> None:
    write(json_path, '{"dreamos_tasks": 2, "tasks": []}')

    with pytest.raises(BoardTooNew):
        JsonStore(json_path)


def test_a_corrupt_content_is_copied_aside_once(json_path: Path) -> None:
    for content in ("[1", "[1", "[2"):
        write(json_path, content)
        with pytest.raises(BoardCorrupt):
            JsonStore(json_path)

    assert sorted(copy.read_text() for copy in corrupt_copies(json_path)) == ["[1", "[2"]


def test_an_edit_that_breaks_an_open_board_stops_every_verb_until_it_is_mended(
    open_json: Open, json_path: Path
) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    good = json_path.read_text(encoding="utf-8")
    write(json_path, good.replace('"pending"', '"pnding"'))
    broken = json_path.read_bytes()

    for verb in (
        lambda: nexus.get_task_by_id("dt-a"),
        nexus.get_all_tasks,
        nexus.stats,
        nexus.events,
        lambda: nexus.get_next_task("ada"),
        lambda: nexus.add_task(TaskDraft(title="y")),
        nexus.store.integrity_problems,
    ):
        with pytest.raises(BoardCorrupt):
            verb()
    assert json_path.read_bytes() == broken

    write(json_path, good)
    assert nexus.get_next_task("ada") is not None
