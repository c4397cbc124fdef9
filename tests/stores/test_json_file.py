"""The JSON board as a file: its text, what happens while it is open, and its clock."""

from __future__ import annotations

import difflib
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import (
    BoardCorrupt,
    BoardGone,
    BoardUnavailable,
    BoardUnsafe,
    InvalidInput,
    TaskNotFound,
)
from dreamos_tasks.model.task import Status, TaskDraft
from dreamos_tasks.model.told_form import task_told
from dreamos_tasks.stores.json_file import JsonStore
from tests.fakes import FakeClock, FakeReading, at
from tests.stores.json_boards import READING, Open, corrupt_copies, edit, read, tasks_in, write

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


def test_a_task_without_a_plan_is_read_as_it_is_told(open_json: Open, json_path: Path) -> None:
    told = task_told(open_json().add_task(TaskDraft(title="Left to an agent")))
    write(json_path, json.dumps([told]))

    task = open_json().get_task_by_id(told["task_id"])

    assert (task.plan, task.retry) == (None, None)


def test_numbers_that_json_cannot_hold_are_refused_and_change_nothing(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    nexus.get_next_task("ada")
    before = json_path.read_bytes()

    with pytest.raises(InvalidInput):
        nexus.mark_task_completed("dt-a", "ada", result={"ratio": float("nan")})

    assert json_path.read_bytes() == before
    assert nexus.get_task_by_id("dt-a").status is Status.IN_PROGRESS


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
