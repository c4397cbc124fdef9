"""What the tool `files` changes it changes back, but never what somebody else has done since."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.tools.files import FilesOptions
from tests.tools.filing import Filing


@pytest.fixture
def files(tmp_path: Path) -> Filing:
    files = Filing.in_folder(tmp_path)
    files.file("notes.txt", "one\ntwo\n", mode=0o640)
    files.file("folder/deep/script", "run", mode=0o755)
    files.file("folder/größe", "text")
    (files.root / "folder/link").symlink_to("../notes.txt")
    os.utime(files.root / "notes.txt", (1_000_000_000, 1_000_000_000))
    (files.root / "folder/deep").chmod(0o550)
    return files


def words(params: dict[str, Any]) -> str:
    """A change in words."""
    return " ".join(str(params[name]) for name in ("action", "path", "to") if name in params)


CHANGES: list[dict[str, Any]] = [
    {"action": "write", "path": "a/b/new.txt", "content": "new"},
    {"action": "write", "path": "notes.txt", "content": "other"},
    {"action": "edit", "path": "notes.txt", "old": "one", "new": "three"},
    {"action": "move", "path": "notes.txt", "to": "a/b/moved.txt"},
    {"action": "move", "path": "notes.txt", "to": "folder/größe", "overwrite": True},
    {"action": "move", "path": "folder", "to": "a/moved"},
    {"action": "move", "path": "folder/link", "to": "link"},
    {"action": "delete", "path": "notes.txt"},
    {"action": "delete", "path": "folder", "recursive": True},
    {"action": "delete", "path": "folder/link"},
]


@pytest.mark.parametrize("params", CHANGES, ids=words)
async def test_a_change_is_taken_back(files: Filing, params: dict[str, Any]) -> None:
    before = files.all
    done = await files.do(**params)
    assert files.all != before

    undone = await files.undo(done)

    assert (undone.category, undone.value["undone"]) == (None, True)
    assert files.all == before


@pytest.mark.parametrize("params", CHANGES, ids=words)
async def test_undoing_twice_is_as_undoing_once(files: Filing, params: dict[str, Any]) -> None:
    before = files.all
    done = await files.do(**params)
    await files.undo(done)

    again = await files.undo(done)

    assert (again.category, again.value["undone"]) == (None, False)
    assert files.all == before


async def test_a_file_gets_its_time_back(files: Filing) -> None:
    await files.undo(await files.do("write", path="notes.txt", content="other"))

    assert (files.root / "notes.txt").stat().st_mtime == 1_000_000_000


async def test_many_changes_are_taken_back_newest_first(files: Filing) -> None:
    before = files.all
    done = [
        await files.do("write", path="notes.txt", content="a"),
        await files.do("edit", path="notes.txt", old="a", new="b"),
        await files.do("move", path="notes.txt", to="folder/notes.txt"),
        await files.do("move", path="folder", to="other"),
        await files.do("edit", path="other/notes.txt", old="b", new="c"),
        await files.do("delete", path="other", recursive=True),
        await files.do("write", path="folder", content="now a file"),
    ]
    assert [result.category for result in done] == [None] * len(done)

    undone = [await files.undo(result) for result in reversed(done)]

    assert [result.category for result in undone] == [None] * len(done)
    assert files.all == before


@pytest.mark.parametrize("params", CHANGES[:5], ids=words)
async def test_what_somebody_changed_since_is_left(files: Filing, params: dict[str, Any]) -> None:
    done = await files.do(**params)
    changed = files.root / done.value.get("to", done.value["path"])
    changed.write_text("theirs")
    theirs = files.all

    refused = await files.undo(done)

    assert refused.category is ErrorCategory.LOGIC
    assert "has been changed since, and is left as it is" in refused.message
    assert files.all == theirs


@pytest.mark.parametrize("params", CHANGES[7:], ids=words)
async def test_nothing_is_restored_over_what_has_come_since(files: Filing, params: dict[str, Any]) -> None:
    done = await files.do(**params)
    (files.root / params["path"]).mkdir()

    refused = await files.undo(done)

    assert (refused.category, refused.message) == (ErrorCategory.LOGIC, f"something else is at {params['path']} now")


async def test_folders_that_were_made_stay_when_something_is_in_them(files: Filing) -> None:
    done = await files.do("write", path="a/b/new.txt", content="new")
    files.file("a/theirs")

    await files.undo(done)

    assert os.listdir(files.root / "a") == ["theirs"]


async def test_what_was_there_is_kept_for_its_owner_alone(files: Filing) -> None:
    await files.do("write", path="notes.txt", content="other")
    await files.do("delete", path="folder", recursive=True)

    kept = sorted(files.context.run_dir.rglob("*"))
    assert [path.relative_to(files.context.run_dir).as_posix() for path in kept] == [
        "undo-0001-step",
        "undo-0001-step/before",
        "undo-0001-step/record.json",
        "undo-0002-step",
        "undo-0002-step/before",
        "undo-0002-step/record.json",
    ]
    assert {path.stat().st_mode & 0o077 for path in (*kept, files.context.run_dir, files.context.run_dir.parent)} == {0}


async def test_a_later_call_can_take_an_earlier_runs_change_back(files: Filing) -> None:
    before = files.all
    done = await files.do("write", path="notes.txt", content="other")
    later = files.with_context(token=2, step="undo", run_dir=files.context.run_dir.parent / "2")

    assert (await later.undo(done)).category is None
    assert files.all == before


async def test_a_file_with_a_secret_is_changed_but_not_kept(files: Filing) -> None:
    files.file(".env", "TOKEN=hunter2-hunter2\n")
    careful = files.with_context(secrets=("hunter2-hunter2",))

    done = await careful.do("edit", path=".env", old="hunter2-hunter2", new="other")

    assert (done.category, done.undo) == (None, None)
    assert done.message == "this cannot be undone: what was there holds a secret"
    assert (files.root / ".env").read_text() == "TOKEN=other\n"
    assert [path for path in files.context.run_dir.rglob("*") if path.is_file()] == []


async def test_a_folder_with_a_secret_in_it_is_not_kept(files: Filing) -> None:
    files.file("folder/deep2/.env", b"x" * 3_000_000 + b"hunter2-hunter2")
    careful = files.with_context(secrets=("hunter2-hunter2",))

    done = await careful.do("delete", path="folder", recursive=True)

    assert (done.category, done.undo) == (None, None)
    assert not (files.root / "folder").exists()
    assert [path for path in files.context.run_dir.rglob("*") if path.is_file()] == []


async def test_a_secret_may_be_written_and_that_be_undone(files: Filing) -> None:
    before = files.all
    careful = files.with_context(secrets=("hunter2-hunter2",))

    done = await careful.do("write", path=".env", content="hunter2-hunter2")
    assert (files.root / ".env").read_text() == "hunter2-hunter2"
    assert "hunter2" not in json.dumps(done.undo)

    await careful.undo(done)
    assert files.all == before


async def test_what_is_too_large_to_be_kept_is_said(tmp_path: Path) -> None:
    files = Filing.in_folder(tmp_path, FilesOptions(min_free_bytes=0, undo_bytes=10))
    files.file("large", "x" * 11)

    done = await files.do("delete", path="large")

    assert (done.category, done.undo) == (None, None)
    assert done.message == "this cannot be undone: large has 11 bytes, and at most 10 are kept"


@pytest.mark.parametrize("damage", ["gone", "other"])
async def test_kept_content_that_is_damaged_is_not_restored(files: Filing, damage: str) -> None:
    done = await files.do("delete", path="notes.txt")
    kept = files.context.run_dir / "undo-0001-step/before"
    if damage == "gone":
        kept.unlink()
    else:
        kept.write_text("other")
    before = files.all

    refused = await files.undo(done)

    assert refused.category is ErrorCategory.LOGIC
    assert files.all == before


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        {"change": "put"},
        {"journal": "1/undo-0001-x", "change": "burn", "path": "notes.txt"},
        {"journal": "../../../etc", "change": "put", "path": "notes.txt", "beside": "", "before": None},
        {"journal": "1/undo-0001-x", "change": "delete", "path": "notes.txt", "beside": "x", "before": None},
        {"journal": "1/undo-0001-x", "change": "put", "path": "notes.txt", "beside": "x", "before": None},
        {"journal": "1/undo-0001-x", "change": "move", "path": "notes.txt", "to": "x", "before": {"kind": "link"}},
    ],
)
async def test_what_is_no_record_is_refused(files: Filing, record: object) -> None:
    before = files.all

    refused = await files.tool.undo(record, files.context)

    assert refused.category is ErrorCategory.CONFIGURATION
    assert files.all == before


async def test_a_record_cannot_lead_out(files: Filing, tmp_path: Path) -> None:
    done = await files.do("write", path="new", content="new")
    (tmp_path / "outside").write_text("new")

    refused = await files.tool.undo({**done.undo, "path": "../outside"}, files.context)

    assert refused.category is ErrorCategory.CONFIGURATION
    assert (tmp_path / "outside").exists()


async def test_a_call_that_failed_leaves_nothing_kept(files: Filing) -> None:
    results: list[ToolResult] = [
        await files.do("edit", path="notes.txt", old="missing", new="x"),
        await files.do("move", path="folder", to="notes.txt"),
        await files.do("delete", path="folder"),
    ]

    assert all(result.category is not None and result.undo is None for result in results)
    assert not files.context.run_dir.exists()


async def test_what_can_be_made_anew_is_deleted_without_a_copy(files: Filing) -> None:
    done = await files.do("delete", path="folder", recursive=True, keep=False)

    assert (done.category, done.message, done.undo) == (None, "", None)
    assert not (files.root / "folder").exists()
    assert not files.context.run_dir.exists()


async def test_a_copy_that_the_disk_has_no_room_for_is_not_begun(tmp_path: Path) -> None:
    files = Filing.in_folder(tmp_path, FilesOptions(min_free_bytes=2**60))
    files.file("large", "x" * 1000)

    refused = await files.do("delete", path="large")
    deleted = await files.do("delete", path="large", keep=False)

    assert refused.category is ErrorCategory.RESOURCE
    assert deleted.category is None
