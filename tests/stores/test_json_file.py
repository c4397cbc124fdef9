"""The JSON board as a file: its text, hand edits, corruption, and what happens while it is open."""

from __future__ import annotations

import difflib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import (
    BoardCorrupt,
    BoardGone,
    BoardTooNew,
    BoardUnavailable,
    BoardUnsafe,
    InvalidInput,
    StaleToken,
    TaskNotFound,
)
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.history import state_changes
from dreamos_tasks.model.task import Priority, Status, TaskDraft
from dreamos_tasks.stores.json_file import JsonStore
from tests.fakes import FakeClock, FakeReading, at

Open = Callable[[], TaskNexus]
READING = FakeReading("boot-1", 5_000_000, 1_800_000_000_000_000)


def write(path: Path, text: str, *, seconds_later: float = 0) -> None:
    """Write as an editor does; `seconds_later` than now, as the file system counts."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    if seconds_later:
        moment = path.stat().st_mtime + seconds_later
        os.utime(path, (moment, moment))


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def tasks_in(path: Path) -> list[dict[str, Any]]:
    top = read(path)
    found: list[dict[str, Any]] = top if isinstance(top, list) else top["tasks"]
    return found


def edit(path: Path, **fields: Any) -> None:
    """Change fields of the first task in the file; None removes one."""
    top = read(path)
    task = (top if isinstance(top, list) else top["tasks"])[0]
    for name, value in fields.items():
        if value is None:
            task.pop(name)
        else:
            task[name] = value
    write(path, json.dumps(top))


def corrupt_copies(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.corrupt-*"))


# -- the text


def test_a_new_board_is_an_empty_one_in_the_projects_own_form_for_its_owner_alone(json_path: Path) -> None:
    JsonStore.create(json_path)

    assert json_path.read_text(encoding="utf-8") == '{\n  "dreamos_tasks": 1,\n  "tasks": []\n}\n'
    assert stat.S_IMODE(json_path.stat().st_mode) == 0o600


def test_the_file_is_indented_keeps_letters_as_they_are_and_ends_with_a_line_break(
    open_json: Open, json_path: Path
) -> None:
    open_json().add_task(TaskDraft(title="Größe prüfen ✓", task_id="dt-a"))

    text = json_path.read_text(encoding="utf-8")
    assert '      "title": "Größe prüfen ✓",\n' in text
    assert text.endswith("\n}\n")


def test_characters_that_would_deceive_a_reader_are_written_as_escapes(open_json: Open, json_path: Path) -> None:
    title = "\x1b[2J \u202e \x9b \u2066 \ufeff"
    open_json().add_task(TaskDraft(title=title, task_id="dt-a"))

    text = json_path.read_text(encoding="utf-8")
    assert not set(title) - {" ", "[", "2", "J"} & set(text)
    assert open_json().get_task_by_id("dt-a").title == title


def test_adding_a_task_only_adds_lines(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="first", task_id="dt-a"))
    before = json_path.read_text(encoding="utf-8").splitlines()

    nexus.add_task(TaskDraft(title="second", task_id="dt-b"))

    after = json_path.read_text(encoding="utf-8").splitlines()
    assert [line for line in difflib.ndiff(before, after) if line.startswith("- ")] == []


def test_an_event_is_one_line(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="first", task_id="dt-a"))
    nexus.get_next_task("ada")

    lines = json_path.read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if '"seq":' in line]) == 2


def test_an_array_stays_an_array(open_json: Open, json_path: Path) -> None:
    write(json_path, '[{"title": "Buy milk"}]')
    nexus = open_json()

    nexus.add_task(TaskDraft(title="Pay", task_id="dt-b"))

    assert [task["title"] for task in read(json_path)] == ["Buy milk", "Pay"]


def test_unknown_keys_of_tasks_and_of_the_top_level_are_kept_in_their_places(open_json: Open, json_path: Path) -> None:
    top = {
        "$schema": "https://example.org/board.json",
        "dreamos_tasks": 1,
        "owner": {"name": "Ada", "since": [1815]},
        "tasks": [{"task_id": "dt-a", "title": "x", "colour": "red", "estimate": None, "nested": {"a": [1]}}],
        "footer": None,
    }
    write(json_path, json.dumps(top))
    nexus = open_json()

    assert nexus.get_task_by_id("dt-a").extra == {"colour": "red", "estimate": None, "nested": {"a": [1]}}
    nexus.get_next_task("ada")

    saved = read(json_path)
    assert list(saved) == ["$schema", "dreamos_tasks", "owner", "tasks", "footer"]
    assert saved["owner"] == {"name": "Ada", "since": [1815]}
    task = saved["tasks"][0]
    assert (task["colour"], task["estimate"], task["nested"]) == ("red", None, {"a": [1]})


def test_unknown_keys_that_would_stand_for_something_else_are_kept_too(open_json: Open, json_path: Path) -> None:
    extra = {"events": "all day", "extra": 1, "title": "shadow", "colour": "red"}
    open_json().add_task(TaskDraft(title="x", task_id="dt-a", extra=extra))

    assert tasks_in(json_path)[0]["colour"] == "red"
    assert open_json().get_task_by_id("dt-a").extra == extra


def test_nothing_is_written_when_nothing_has_changed(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    nexus.get_next_task("ada")
    before = json_path.stat()

    assert nexus.get_next_task("ben") is None
    nexus.claim_task("dt-a", "ada")
    with pytest.raises(TaskNotFound):
        nexus.cancel_task("dt-zz", by="cli")

    after = json_path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_what_was_written_by_hand_keeps_its_layout_until_something_changes(open_json: Open, json_path: Path) -> None:
    open_json().add_task(TaskDraft(title="x", task_id="dt-a"))
    compact = json.dumps(read(json_path))
    write(json_path, compact)

    assert open_json().get_next_task("ada", tags=("none",)) is None

    assert json_path.read_text(encoding="utf-8") == compact


def test_the_full_form_of_a_task_is_read_as_well_as_the_sparse_one(open_json: Open, json_path: Path) -> None:
    full: dict[str, Any] = {
        "task_id": "dt-7k2m", "title": "Full", "description": "", "status": "pending", "priority": "medium", "tags": [],
        "depends_on": [], "parent_id": None, "related_task_id": None, "assigned_to": None, "requires": [],
        "plan": {"steps": [{"name": "run", "tool": "shell", "params": {"command": "make"}}]}, "verify": [],
        "context": {"cwd": "."}, "dedupe_key": None, "not_before": None, "due_at": None, "timeout_seconds": None,
        "limits": {}, "retry": {}, "concurrency_key": None, "attempt": 0, "claim": None, "progress": None,
        "result": None, "error": None, "created_by": "cli", "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z", "started_at": None, "finished_at": None,
    }  # fmt: skip
    write(json_path, json.dumps([full]))

    task = open_json().get_task_by_id("dt-7k2m")

    assert task.plan is not None
    assert task.plan.steps[0].params == {"command": "make"}
    assert task.retry is None
    assert task.created_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_numbers_that_json_cannot_hold_are_refused_and_change_nothing(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    nexus.get_next_task("ada")
    before = json_path.read_bytes()

    with pytest.raises(InvalidInput):
        nexus.mark_task_completed("dt-a", "ada", result={"ratio": float("nan")})

    assert json_path.read_bytes() == before
    assert nexus.get_task_by_id("dt-a").status is Status.IN_PROGRESS


# -- hand edits


def test_a_task_needs_no_more_than_a_title(open_json: Open, json_path: Path) -> None:
    write(json_path, '{"dreamos_tasks": 1, "tasks": [{"title": "Buy milk"}]}')
    saved_at = datetime.fromtimestamp(json_path.stat().st_mtime, UTC)

    (task,) = open_json().get_all_tasks()

    assert task.status is Status.PENDING
    assert task.task_id.startswith("dt-")
    assert task.created_by == "file"
    assert abs(task.created_at - saved_at) < timedelta(milliseconds=1)
    assert task.pending_since == task.created_at


def test_a_task_without_an_id_has_the_same_one_for_every_reader_and_keeps_it(open_json: Open, json_path: Path) -> None:
    write(json_path, '[{"title": "Buy milk"}, {"title": "Buy milk"}, {"title": "Pay"}]')
    first, second = open_json(), open_json()

    ids = [task.task_id for task in first.get_all_tasks()]
    assert len(set(ids)) == 3
    assert [task.task_id for task in second.get_all_tasks()] == ids

    second.cancel_task(ids[2], by="cli")
    assert [task["task_id"] for task in read(json_path)] == ids


def test_an_edit_is_seen_by_those_who_have_the_board_open(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))

    edit(json_path, title="better", priority="high")

    assert nexus.get_task_by_id("dt-a").title == "better"
    assert nexus.get_task_by_id("dt-a").priority is Priority.HIGH


def test_the_next_transaction_records_an_edit_so_that_the_log_replays_to_the_board(
    open_json: Open, json_path: Path
) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    nexus.add_task(TaskDraft(title="y", task_id="dt-b"))
    edit(json_path, title="better", status="cancelled", tags=["core"], colour="red")

    nexus.cancel_task("dt-b", by="cli")

    edited = nexus.events(task_id="dt-a")[-1]
    assert edited.type is EventType.TASK_EDITED
    assert edited.by == "file"
    assert edited.changes["title"] == "better"
    assert edited.changes["status"] == "cancelled"
    assert edited.changes["tags"] == ["core"]
    assert edited.changes["extra"] == {"colour": "red"}
    assert nexus.get_task_by_id("dt-a").finished_at is not None
    assert [change.after for change in state_changes(nexus.events(task_id="dt-a"))] == ["pending", "cancelled"]
    assert open_json().store.integrity_problems() == ()
    assert len(nexus.events(task_id="dt-a")) == 2


def test_a_refused_verb_leaves_an_edit_to_the_next_one(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    edit(json_path, title="better")
    with pytest.raises(TaskNotFound):
        nexus.cancel_task("dt-zz", by="cli")
    assert len(nexus.events()) == 1

    nexus.get_next_task("ada")

    assert [event.type for event in nexus.events()] == ["task_added", "task_edited", "task_claimed"]


def test_a_heartbeat_is_not_taken_for_an_edit(open_json: Open, json_path: Path, clock: FakeClock) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    nexus.get_next_task("ada")
    clock.advance(60)
    nexus.heartbeat("dt-a", "ada")

    open_json().add_task(TaskDraft(title="y", task_id="dt-b"))

    assert [event.type for event in nexus.events(task_id="dt-a")] == ["task_added", "task_claimed"]


def test_a_task_added_by_hand_in_any_state_gets_a_log_that_tells_it(open_json: Open, json_path: Path) -> None:
    open_json().add_task(TaskDraft(title="x", task_id="dt-a"))
    top = read(json_path)
    top["tasks"].insert(
        0,
        {
            "task_id": "old-1",
            "title": "Done long ago",
            "status": "Completed",
            "result": {"files": 3},
            "created_at": "2024-01-01T00:00:00Z",
        },
    )
    write(json_path, json.dumps(top))
    nexus = open_json()
    nexus.get_next_task("ada")

    log = nexus.events(task_id="old-1")
    assert [(event.type, event.by) for event in log] == [("task_added", "file"), ("task_edited", "file")]
    assert log[0].at == datetime(2024, 1, 1, tzinfo=UTC)
    assert nexus.get_task_by_id("old-1").result == {"files": 3}
    assert open_json().store.integrity_problems() == ()


def test_tolerated_ways_of_writing_are_normalised(open_json: Open, json_path: Path) -> None:
    task = {
        "title": "x",
        "task_id": "dt-a",
        "priority": 0,
        "status": "PENDING",
        "due_at": "2026-05-01T10:00:00.1234567Z",
        "not_before": "2026-05-01T10:00:00+00:00Z",
        "created_at": "2026-05-01T12:00:00+02:00",
        "updated_at": "2026-05-01T10:00:00",
        "tags": ["core", "core"],
        "plan": {"steps": [{"name": "run", "params": {"command": "make"}, "why": "because"}]},
    }
    write(json_path, "\ufeff" + json.dumps([task, {"title": "y", "priority": "Urgent"}]).replace(",", ",\r\n"))
    ten = datetime(2026, 5, 1, 10, tzinfo=UTC)

    found, other = open_json().get_all_tasks()

    assert found.priority is other.priority is Priority.CRITICAL
    assert found.due_at == ten.replace(microsecond=123456)
    assert found.not_before == found.created_at == found.updated_at == ten
    assert found.tags == ("core",)
    assert found.plan is not None
    assert found.plan.steps[0].extra == {"why": "because"}


def test_a_claim_may_be_written_as_the_contract_shows_it(open_json: Open, json_path: Path, clock: FakeClock) -> None:
    claim = {"agent_id": "ada", "token": 3, "claimed_at": "2026-03-01T09:00:00Z", "lease_until": "2026-03-01T09:15:00Z"}
    write(json_path, json.dumps([{"title": "x", "task_id": "dt-a", "status": "in_progress", "claim": claim}]))
    nexus = open_json()

    task = nexus.get_task_by_id("dt-a")
    assert task.claim is not None
    assert task.claim.heartbeat_at == task.claim.claimed_at
    clock.advance(3600)
    again = nexus.get_next_task("ben")
    assert again is not None
    assert again.claim is not None
    assert again.claim.token == 4


def test_a_task_taken_out_of_the_file_is_gone_and_seqs_go_on(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    for name in "abc":
        nexus.add_task(TaskDraft(title=name, task_id=f"dt-{name}"))
    top = read(json_path)
    del top["tasks"][1]
    write(json_path, json.dumps(top))

    nexus.add_task(TaskDraft(title="d", task_id="dt-d"))

    assert [task.task_id for task in nexus.get_all_tasks()] == ["dt-a", "dt-c", "dt-d"]
    assert [event.seq for event in nexus.events()] == [1, 3, 4]


def test_a_claim_taken_away_by_hand_is_over(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    nexus.get_next_task("ada")
    edit(json_path, status="pending", claim=None)

    with pytest.raises(StaleToken):
        nexus.mark_task_completed("dt-a", token=1)
    again = nexus.get_next_task("ben")
    assert again is not None
    assert again.last_token == 2
    assert [(a.agent_id, a.outcome) for a in nexus.attempts("dt-a")] == [("ada", "taken back by hand"), ("ben", None)]


def test_events_with_one_seq_after_a_merge_are_counted_on(open_json: Open, json_path: Path) -> None:
    open_json().add_task(TaskDraft(title="x", task_id="dt-a"))
    top = read(json_path)
    copy = json.loads(json.dumps(top["tasks"][0])) | {"task_id": "dt-b"}
    top["tasks"].append(copy)
    write(json_path, json.dumps(top))
    nexus = open_json()

    nexus.get_next_task("ada")

    assert [(event.seq, event.task_id) for event in nexus.events()] == [(1, "dt-a"), (2, "dt-b"), (3, "dt-a")]
    assert open_json().store.integrity_problems() == ()


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
    ([{"title": "x", "plan": {"steps": []}}], "/0/plan/steps", "a length of 1 or more"),
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


# -- while it is open


def test_a_file_that_vanishes_is_missed_and_never_made_anew(open_json: Open, json_path: Path, tmp_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    json_path.rename(tmp_path / "elsewhere.json")

    for verb in (
        lambda: nexus.add_task(TaskDraft(title="y")),
        nexus.get_all_tasks,
        lambda: nexus.get_next_task("ada"),
        nexus.store.change_mark,
    ):
        with pytest.raises(BoardGone):
            verb()
    assert not json_path.exists()

    (tmp_path / "elsewhere.json").rename(json_path)
    assert nexus.get_next_task("ada") is not None


@pytest.mark.parametrize("content", [b"", b"\n  \n"])
def test_an_emptied_file_is_corrupt_and_stays_as_it_is(open_json: Open, json_path: Path, content: bytes) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    json_path.write_bytes(content)

    with pytest.raises(BoardCorrupt, match="is empty"):
        nexus.add_task(TaskDraft(title="y"))
    with pytest.raises(BoardCorrupt, match="is empty"):
        JsonStore(json_path)

    assert json_path.read_bytes() == content
    assert corrupt_copies(json_path) == []


def test_what_an_editor_is_still_writing_is_waited_for(
    open_json: Open, json_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    whole = json_path.read_text(encoding="utf-8")
    states = [lambda: json_path.unlink(), lambda: write(json_path, whole.replace('"x"', '"y"'))]
    write(json_path, whole[:40])
    monkeypatch.setattr("dreamos_tasks.stores.json_file.time.sleep", lambda seconds: states.pop(0)())

    assert nexus.get_task_by_id("dt-a").title == "y"
    assert corrupt_copies(json_path) != []  # the torn half was kept, to be safe


def test_an_edit_made_during_a_transaction_is_not_written_over(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))

    def claim_while_somebody_edits() -> None:
        with nexus.together():
            nexus.get_next_task("ada")
            edit(json_path, title="edited meanwhile")

    with pytest.raises(BoardUnavailable, match="edited while"):
        claim_while_somebody_edits()

    assert nexus.get_task_by_id("dt-a").title == "edited meanwhile"
    assert nexus.get_task_by_id("dt-a").status is Status.PENDING


def test_a_change_made_so_quickly_that_the_stat_is_the_same_is_not_lost(open_json: Open, json_path: Path) -> None:
    nexus, other = open_json(), open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    other.get_all_tasks()
    before = json_path.stat()
    text = json_path.read_text(encoding="utf-8").replace('"x"', '"z"')
    with json_path.open("r+", encoding="utf-8") as file:
        file.write(text)
    os.utime(json_path, ns=(before.st_atime_ns, before.st_mtime_ns))

    other.cancel_task("dt-a", by="cli")

    assert other.get_task_by_id("dt-a").title == "z"


def test_two_stores_see_one_another(open_json: Open) -> None:
    first, second = open_json(), open_json()
    mark = second.store.change_mark()

    first.add_task(TaskDraft(title="x", task_id="dt-a"))

    assert second.store.change_mark() != mark
    assert second.get_next_task("ada") is not None
    assert first.get_task_by_id("dt-a").status is Status.IN_PROGRESS


def test_a_write_that_fails_changes_nothing(open_json: Open, json_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    before = json_path.read_bytes()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("dreamos_tasks.stores.board_file.os.fsync", full)
        with pytest.raises(BoardUnavailable, match="is full"):
            nexus.get_next_task("ada")

    assert json_path.read_bytes() == before
    assert nexus.get_task_by_id("dt-a").status is Status.PENDING
    assert [path.name for path in json_path.parent.iterdir() if path.name.endswith(".part")] == []
    assert nexus.get_next_task("ada") is not None


def test_a_board_reached_through_a_link_is_replaced_where_it_is(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "real").mkdir()
    real = tmp_path / "real" / "board.json"
    JsonStore.create(real)
    link = tmp_path / "link.json"
    link.symlink_to(real)

    TaskNexus(JsonStore(link), clock).add_task(TaskDraft(title="x", task_id="dt-a"))

    assert link.is_symlink()
    assert TaskNexus(JsonStore(real), clock).get_task_by_id("dt-a").title == "x"
    assert (tmp_path / "real" / "board.json.lock").exists()


def test_a_board_that_others_can_write_is_refused(json_path: Path) -> None:
    JsonStore.create(json_path)
    json_path.chmod(0o620)

    with pytest.raises(BoardUnsafe) as caught:
        JsonStore(json_path)

    assert caught.value.fix == f"chmod 600 {json_path}"


def test_a_folder_or_a_pipe_is_no_board(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json", 0o600)
    for path in (tmp_path, tmp_path / "pipe.json"):
        with pytest.raises(BoardUnsafe, match="not a regular file"):
            JsonStore(path)


def test_there_is_no_board_until_one_is_made(json_path: Path) -> None:
    with pytest.raises(BoardGone, match="there is no board"):
        JsonStore(json_path)
    assert not json_path.exists()


# -- the clock


def test_the_offset_to_board_time_is_kept_in_the_own_form_with_the_next_change(
    open_json: Open, json_path: Path
) -> None:
    nexus = open_json()
    offset = nexus.store.clock_offset(READING)
    assert "clock" not in read(json_path)

    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))

    assert read(json_path)["clock"] == {"boot_id": "boot-1", "offset_us": offset}
    later = FakeReading("boot-1", READING.since_boot_us, READING.wall_us + 3_600_000_000)
    assert open_json().store.clock_offset(later) == offset
    assert open_json().store.clock_offset(FakeReading("boot-2", 0, 7)) == 7


def test_an_array_goes_by_the_wall_clock(open_json: Open, json_path: Path) -> None:
    write(json_path, "[]")
    store = open_json().store

    assert store.clock_offset(READING) == READING.wall_us - READING.since_boot_us
    with store.transaction():
        store.set_clock_offset("boot-1", 5)
    assert store.clock_offset(READING) == READING.wall_us - READING.since_boot_us
    assert json_path.read_text(encoding="utf-8") == "[]"


def test_the_store_is_imported_without_what_is_slow_to_import() -> None:
    code = (
        "import sys, dreamos_tasks.stores.json_file; "
        "print([name for name in ('pydantic', 'loguru', 'asyncio', 'fastapi', 'rich', 'yaml') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_leases_in_the_file_are_board_time(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    nexus.get_next_task("ada")

    assert tasks_in(json_path)[0]["claim"]["lease_until"] == at(900).isoformat(timespec="microseconds")[:-6] + "Z"
