"""import and export: whole boards come and go, and what became of everything in them is said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.interfaces.cli.conftest import Dt

BACKLOG = [
    {
        "task_id": "BUS-1",
        "name": "Refactor the bus",
        "priority": 1,
        "status": "BLOCKED",
        "dependencies": ["DONE-1"],
        "notes": ["kept as it is"],
    },
    {"task_id": "BUS 2!", "name": "Odd id", "priority": "HIGHEST", "status": "OBSOLETE", "due_date": "{{DUE}}"},
    {"task_id": "BUS-3", "name": "Held up", "status": "blocked", "dependencies": ["GONE-1"]},
    7,
]
WORKING = [{"task_id": "GO-1", "name": "Going on", "status": "WORKING", "claimed_by": "Agent-2", "tags": ["core bus"]}]
COMPLETED = [
    {
        "task_id": "DONE-1",
        "title": "Done",
        "status": "ARCHIVED",
        "completion_summary": "all fine",
        "timestamp_completed_utc": "2025-04-29T10:00:00.1234567+00:00Z",
    },
    {"task_id": "DONE-2", "name": "It says nothing of its state"},
    {"task_id": "BAD-1", "name": "Broken", "status": "FAILED", "error": {"message": "no disk"}},
    {"task_id": "NAMELESS-1"},
]


@pytest.fixture
def old_board(tmp_path: Path) -> str:
    folder = tmp_path / "old"
    folder.mkdir()
    for name, tasks in (("task_backlog", BACKLOG), ("working_tasks", WORKING), ("completed_tasks", COMPLETED)):
        (folder / f"{name}.json").write_text(json.dumps(tasks))
    return str(folder)


def board(dt: Dt) -> dict[str, Any]:
    return {task["task_id"]: task for task in dt("list", "--json").json}


def test_a_board_in_four_files_comes_with_its_states(dt: Dt, old_board: str) -> None:
    said = dt("import", old_board, "--json")
    tasks = board(dt)
    assert said.code == 7  # one of them has no title
    assert set(said.json["refused"]) == {"NAMELESS-1"}
    assert {task_id: task["status"] for task_id, task in tasks.items()} == {
        "BUS-1": "pending",
        "BUS-2": "cancelled",
        "BUS-3": "paused",
        "GO-1": "pending",
        "DONE-1": "completed",
        "DONE-2": "completed",
        "BAD-1": "failed",
    }
    assert (tasks["BUS-1"]["priority"], tasks["BUS-2"]["priority"]) == ("high", "critical")
    assert (tasks["BUS-1"]["depends_on"], tasks["BUS-1"]["waiting_for"]) == (["DONE-1"], [])
    assert tasks["BUS-1"]["extra"] == {"notes": ["kept as it is"]}
    assert (tasks["GO-1"]["assigned_to"], tasks["GO-1"]["claim"], tasks["GO-1"]["tags"]) == (
        "Agent-2",
        None,
        ["core-bus"],
    )
    assert (tasks["DONE-1"]["result"], tasks["DONE-1"]["finished_at"]) == ("all fine", "2025-04-29T10:00:00.123456Z")
    assert tasks["BAD-1"]["error"]["message"] == "no disk"


def test_everything_that_is_not_as_it_was_is_said(dt: Dt, old_board: str) -> None:
    notes = [(note["kind"], note["where"], note["said"]) for note in dt("import", old_board, "--json").json["notes"]]
    assert ("refused", "task_backlog.json#/3", "a task is an object, and this is 7") in notes
    assert ("mapped", "task_backlog.json#/1", 'the id "BUS 2!" is BUS-2 here') in notes
    assert ("mapped", "task_backlog.json#/1", 'status "OBSOLETE" is cancelled') in notes
    assert ("refused", "task_backlog.json#/1", 'due_date: "{{DUE}}" is the text of a template') in notes
    assert ("refused", "task_backlog.json#/2", "it depends on what is not there: GONE-1") in notes
    assert ("kept", "task_backlog.json#/0", "in extra: notes") in notes
    assert any("a claim cannot be taken over" in said for _, _, said in notes)


def test_a_dry_run_says_the_same_and_adds_nothing(dt: Dt, old_board: str) -> None:
    tried = dt("import", old_board, "--dry-run", "--json").json
    assert board(dt) == {}
    done = dt("import", old_board, "--json").json
    assert (tried.pop("dry_run"), done.pop("dry_run")) == (True, False)
    assert tried == done


def test_what_was_imported_once_is_not_imported_again(dt: Dt, old_board: str) -> None:
    dt("import", old_board)
    dt("cancel", "BUS-1")
    before = board(dt)
    again = dt("import", old_board, "--json").json
    assert again["added"] == {}
    assert set(again["here"]) == {"BUS-1", "BUS 2!", "BUS-3", "GO-1", "DONE-1", "DONE-2", "BAD-1"}
    assert board(dt) == before


def test_an_id_that_is_another_tasks_here_is_refused(dt: Dt, tmp_path: Path) -> None:
    dt("add", "--file", _file(tmp_path, {"title": "Ours", "task_id": "X-1"}))
    said = dt("import", _file(tmp_path, [{"id": "X-1", "title": "Theirs"}]), "--json")
    assert said.code == 7
    assert "X-1 is another task on this board: Ours" in said.json["refused"]["X-1"]
    assert [task["title"] for task in board(dt).values()] == ["Ours"]


def imported(dt: Dt, folder: Path, tasks: Sequence[Mapping[str, Any]], *options: str) -> Any:
    (folder / "other.json").write_text(json.dumps(tasks))
    return dt("import", str(folder / "other.json"), *options, "--json")


def test_two_ids_that_are_the_same_here_cost_one_task_and_not_the_import(dt: Dt, tmp_path: Path) -> None:
    said = imported(dt, tmp_path, [{"id": "a b", "title": "x"}, {"id": "a-b", "title": "y"}, {"id": "c", "title": "z"}])
    assert (set(board(dt)), list(said.json["refused"])) == ({"a-b", "c"}, ["a-b"])
    assert "'a b'" in said.json["refused"]["a-b"]


def test_ids_in_another_script_stay_apart_and_linked(dt: Dt, tmp_path: Path) -> None:
    tasks: list[dict[str, Any]] = [
        {"id": "задача-1", "title": "x"},
        {"id": "日本", "title": "y", "depends_on": ["задача-1"]},
    ]
    said = imported(dt, tmp_path, tasks)
    first, second = said.json["added"]["задача-1"], said.json["added"]["日本"]
    assert board(dt)[second]["depends_on"] == [first]
    assert imported(dt, tmp_path, tasks).json["added"] == {}


def test_a_template_in_place_of_any_instant_is_said_once(dt: Dt, tmp_path: Path) -> None:
    task = {"id": "a", "title": "x", "created_at": "{{TIMESTAMP}}", "due": "<DATE>", "history": "{{HISTORY}}"}
    notes = [note["said"] for note in imported(dt, tmp_path, [task]).json["notes"] if note["kind"] == "refused"]
    assert sorted(notes) == [
        'created_at: "{{TIMESTAMP}}" is the text of a template',
        'due: "<DATE>" is the text of a template',
    ]


@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["import", "dry run"])
def test_a_ring_is_opened_and_said(dt: Dt, tmp_path: Path, options: tuple[str, ...]) -> None:
    tasks: list[dict[str, Any]] = [
        {"id": "a", "title": "x", "depends_on": ["b"]},
        {"id": "b", "title": "y", "depends_on": ["c", "a"]},
    ]
    said = imported(dt, tmp_path, [*tasks, {"id": "c", "title": "z"}], *options)
    assert set(said.json["added"]) == {"a", "b", "c"}
    assert "it would close a ring of dependencies: a" in json.dumps(said.json["notes"])
    if not options:
        tasks_here = board(dt)
        assert (tasks_here["a"]["depends_on"], tasks_here["b"]["depends_on"]) == (["b"], ["c"])


@pytest.mark.parametrize("priority", ["²", "9" * 5000])
def test_a_priority_that_only_looks_like_a_number_is_no_crash(dt: Dt, tmp_path: Path, priority: str) -> None:
    assert imported(dt, tmp_path, [{"id": "a", "title": "x", "priority": priority}]).code == 0


@pytest.mark.parametrize("form", ["json", "jsonl", "boards"])
def test_what_is_exported_is_imported_again_as_it_was(dt: Dt, old_board: str, tmp_path: Path, form: str) -> None:
    dt("import", old_board)
    out = str(tmp_path / ("four" if form == "boards" else f"out.{form}"))
    assert dt("export", "--format", form, "--output", out).code == 0
    dt("--home", str(tmp_path / "other"), "init")
    back = dt("--home", str(tmp_path / "other"), "import", out, "--json")
    assert (back.code, back.json["refused"]) == (0, {})
    kept = ("title", "status", "priority", "tags", "depends_on", "assigned_to", "result", "finished_at")
    first, second = (
        board(dt),
        {task["task_id"]: task for task in dt("--home", str(tmp_path / "other"), "list", "--json").json},
    )
    assert {task_id: [task[name] for name in kept] for task_id, task in first.items()} == {
        task_id: [task[name] for name in kept] for task_id, task in second.items()
    }


def test_counters_that_count_nothing_are_not_kept_as_somebodys_own(dt: Dt, tmp_path: Path) -> None:
    task_id = dt.add("x")
    (tmp_path / "board.json").write_text(dt("export").out)
    dt("--home", str(tmp_path / "other"), "init")

    dt("--home", str(tmp_path / "other"), "import", str(tmp_path / "board.json"))

    there = dt("--home", str(tmp_path / "other"), "show", task_id, "--json").json["extra"]
    assert set(there) == {"created_at", "updated_at", "pending_since"}


def test_a_plan_comes_along_and_a_wrong_one_is_refused_with_the_place(dt: Dt, tmp_path: Path) -> None:
    good = {"title": "good", "id": "a-1", "run": "make test", "verify": ["true"]}
    bad = {"title": "bad", "id": "a-2", "plan": {"steps": [{"name": "x", "tool": "shel", "params": {}}]}}
    said = dt("import", _file(tmp_path, [good, bad]), "--json")
    assert list(said.json["added"]) == ["a-1"]
    assert "/plan/steps/0/tool" in said.json["refused"]["a-2"]
    assert board(dt)["a-1"]["plan"]["steps"][0]["params"] == {"command": "make test"}


def test_lists_that_are_texts_are_taken_apart(dt: Dt, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(
        json.dumps(
            [
                {"id": "a", "title": "A"},
                {"id": "b", "title": "B"},
                {"id": "c", "title": "C", "depends_on": "a, b", "tags": "core;late"},
            ]
        )
    )
    said = dt("import", str(tmp_path / "old.json"), "--json")
    assert (said.code, said.json["refused"]) == (0, {})
    assert (board(dt)["c"]["depends_on"], board(dt)["c"]["tags"]) == (["a", "b"], ["core", "late"])


def test_tasks_without_an_id_are_told_apart_by_what_they_say(dt: Dt, tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps([{"title": "A"}, {"title": "B"}]))
    two.write_text(json.dumps([{"title": "C"}]))
    for path in (one, two):
        assert dt("import", str(path)).code == 0
    one.write_text(json.dumps([{"title": "new"}, {"title": "A", "status": "done"}, {"title": "B"}]))
    said = dt("import", str(one), "--json").json
    assert (len(said["added"]), len(said["here"])) == (1, 2)
    assert sorted(task["title"] for task in board(dt).values()) == ["A", "B", "C", "new"]


def test_two_boards_that_count_their_tasks_alike_lose_none_in_silence(dt: Dt, tmp_path: Path) -> None:
    for name, title in (("one", "A"), ("two", "B")):
        (tmp_path / f"{name}.json").write_text(json.dumps([{"id": 1, "title": title}]))
    assert dt("import", str(tmp_path / "one.json")).code == 0
    again, other = dt("import", str(tmp_path / "one.json")), dt("import", str(tmp_path / "two.json"))
    assert "refused" not in again.out
    assert "came before" in other.out
    assert '"B"' in other.out


def test_files_of_a_folder_that_are_none_of_the_four_are_named(dt: Dt, old_board: str) -> None:
    (Path(old_board) / "ready_queue.json").write_text("[]")
    said = dt("import", old_board)
    assert "ready_queue.json" in said.out
    assert "not read" in said.out


def test_markdown_is_for_people_and_no_title_breaks_out_of_its_line(dt: Dt) -> None:
    dt("add", "One *bold*\n# heading", "--priority", "high", "--tag", "core")
    printed = dt("export", "--format", "markdown").out.splitlines()
    assert printed[0] == "## Pending"
    assert printed[2].startswith(r"- [ ] One \*bold\* # heading (dt-")
    assert printed[2].endswith(", high, #core)")


def test_what_is_no_board_is_a_clear_error(dt: Dt, tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('[{"title": "x"},')
    (tmp_path / "empty").mkdir()
    broken = dt("import", str(tmp_path / "broken.json"), "--json")
    assert (broken.code, broken.error["code"]) == (7, "invalid_input")
    assert "line 1" in broken.error["message"]
    assert dt("import", str(tmp_path / "empty")).code == 7
    assert dt("import", str(tmp_path / "missing.json")).code == 7
    assert board(dt) == {}


def _file(folder: Path, value: Any) -> str:
    path = folder / "given.json"
    path.write_text(json.dumps(value))
    return str(path)
