"""Killed between claim, commit and filing, a full disk, a board that is away, folders that go: nothing lost, nothing twice."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import BoardUnavailable
from dreamos_tasks.intake import filing, folders
from dreamos_tasks.intake.admission import admit
from dreamos_tasks.stores.memory import MemoryStore
from tests.fakes import FakeClock
from tests.intake.dropping import Box
from tests.waiting import until

TASKS = [{"title": "one"}, {"title": "two", "dedupe_key": "k"}, {"title": "three", "task_id": "dt-three"}]


class Killed(BaseException):
    """Stands for the end of the process at some point of a scan."""


def killed(*_: Any, **__: Any) -> Any:
    raise Killed


def killed_after(act: Callable[..., object]) -> Callable[..., object]:
    def acted(*args: Any, **kwargs: Any) -> object:
        act(*args, **kwargs)
        raise Killed

    return acted


async def killed_at(box: Box, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    """Scan until the daemon is killed where it calls `target`; the next daemon is then at hand."""
    with monkeypatch.context() as patch:
        patch.setattr(target, killed)
        with pytest.raises(Killed):
            await box.watcher.scan_once()
    await box.restart()


@pytest.mark.parametrize(
    ("point", "target"),
    [
        ("after the claim", "dreamos_tasks.intake.claiming.drop_key"),
        ("after the commit", "dreamos_tasks.intake.scanner.Files.file"),
        ("before the receipt", "dreamos_tasks.intake.filing.write_whole"),
        ("after the receipt", "dreamos_tasks.intake.filing.os.path.relpath"),
        ("after the move", "dreamos_tasks.intake.filing.sync_folder"),
    ],
)
async def test_a_file_is_taken_exactly_once_wherever_the_daemon_is_killed(
    box: Box, monkeypatch: pytest.MonkeyPatch, point: str, target: str
) -> None:
    box.drop("a.json", TASKS, agent="ada")
    await killed_at(box, monkeypatch, target)
    assert box.tasks() == [] if point == "after the claim" else len(box.tasks()) == 3

    await box.watcher.scan_once()

    assert sorted(box.titles()) == ["one", "three", "two"], point
    assert {task.assigned_to for task in box.tasks()} == {"ada"}
    receipts = box.accepted()
    assert list(receipts) == ["a.json"]
    assert [task["duplicate_of"] for task in receipts["a.json"]["tasks"]] == [None, None, None]
    assert box.taken() == []
    assert len(list((box.inbox / "accepted").rglob("*.json"))) == 2


async def test_a_file_is_taken_exactly_once_when_its_receipt_is_linked_and_it_is_not_moved(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.drop("a.json", TASKS)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", killed_after(Path.symlink_to))
        with pytest.raises(Killed):
            await box.watcher.scan_once()
    await box.restart()

    await box.watcher.scan_once()

    assert list(box.accepted()) == ["a.json"]
    assert len(box.tasks()) == 3


async def test_a_file_that_is_taken_up_again_after_midnight_has_one_receipt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    box = Box(tmp_path, MemoryStore(), clock)
    await box.desk.start()
    box.drop("a.json", TASKS)
    await killed_at(box, monkeypatch, "dreamos_tasks.intake.filing.os.path.relpath")  # after the receipt
    clock.advance(86_400)

    await box.watcher.scan_once()
    await box.watcher.stop()
    await box.desk.stop()

    (receipt,) = (box.inbox / "accepted").rglob("*.receipt.json")
    assert receipt.parent.name == "2026-03-01"
    assert list(box.accepted()) == ["a.json"]


async def test_a_rejection_is_made_once_wherever_the_daemon_is_killed(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.drop("bad.json", {"title": 5})
    await killed_at(box, monkeypatch, "dreamos_tasks.intake.filing.os.rename")

    await box.watcher.scan_once()

    assert list(box.rejected()) == ["bad.json"]
    assert len(list((box.inbox / "rejected").iterdir())) == 2


async def test_what_was_left_taken_without_tasks_is_added_by_the_next_start(box: Box) -> None:
    box.leave_taken("a.json", {"title": "left"}, agent="ada")
    box.leave_taken("put here by hand.json", {"title": "odd"}).rename(box.inbox / ".taken" / "by hand.json")
    box.inbox.chmod(0o700)

    await box.watcher.start()

    await until(lambda: len(box.accepted()) == 2)
    assert {task.title: task.assigned_to for task in box.tasks()} == {"left": "ada", "odd": None}


async def test_the_result_of_a_file_that_was_taken_up_again_is_written(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.drop("a.json", {"title": "one"})
    await killed_at(box, monkeypatch, "dreamos_tasks.intake.scanner.Files.file")
    box.finish(box.tasks()[0])

    await box.watcher.start()

    await until(box.results)


async def test_a_file_that_had_to_be_filed_twice_still_has_its_result(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    box.drop("a.json", TASKS)
    for _ in range(2):
        with pytest.raises(OSError, match="No space"):
            await box.watcher.scan_once()
    first, *others = box.tasks()
    box.finish(first)  # and nobody is told
    disk.is_full = False
    await box.watcher.scan_once()

    for task in others:
        assert box.results() == {}
        box.watcher.on_settled(box.finish(task).task_id)
        await box.watcher.finish()

    assert list(box.results()) == ["a.json.result.json"]


async def test_another_process_leaves_alone_what_the_daemon_has_in_hand(box: Box) -> None:
    await box.watcher.scan_once()  # what lies in .taken is its own from now on
    box.leave_taken("in-hand.json", {"title": "in hand"})
    box.drop("new.json", {"title": "new"})
    other = box.new_watcher()

    await other.scan_once()
    await other.stop()

    assert box.titles() == ["new"]
    assert box.taken() == ["00000000,,in-hand.json"]


class FullDisk:
    """Every attempt to write a note fails until there is room."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = True
        real = folders.write_whole

        def write(path: Path, document: Any) -> None:
            if self.is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(path, document)

        monkeypatch.setattr(filing, "write_whole", write)


async def test_a_full_disk_is_said_and_nothing_is_lost_or_added_twice(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(monkeypatch)
    monkeypatch.setattr("dreamos_tasks.intake.inbox.BACKOFF_SECONDS", (0.01,))
    for number in range(3):
        box.drop(f"{number}.json", {"title": str(number)})
    box.drop("bad.json", {"title": 5})

    await box.watcher.start()
    await until(lambda: "No space left on device" in box.watcher.trouble)
    assert box.accepted() == {}
    assert len(box.taken()) + len(box.waiting()) == 4
    disk.is_full = False

    await until(lambda: len(box.accepted()) == 3)
    await until(lambda: len(box.rejected()) == 1)
    await until(lambda: box.watcher.trouble == "")
    assert sorted(box.titles()) == ["0", "1", "2"]
    assert not [note for name, note in box.accepted().items() if note["tasks"][0]["duplicate_of"]]


def test_a_write_that_fails_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    folders.write_whole(tmp_path / "a.json", {"n": 1})
    monkeypatch.setattr("dreamos_tasks.intake.folders.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        folders.write_whole(tmp_path / "a.json", {"n": 2})

    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert (tmp_path / "a.json").read_text() == '{\n  "n": 1\n}\n'


async def test_a_board_that_is_away_delays_files_and_loses_none(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamos_tasks.intake.inbox.BACKOFF_SECONDS", (0.01,))

    def away(*_: Any, **__: Any) -> Any:
        raise BoardUnavailable("the board is away")

    with monkeypatch.context() as patch:
        patch.setattr("dreamos_tasks.intake.scanner.admit", away)
        for number in range(5):
            box.drop(f"{number}.json", {"title": str(number)})
        await box.watcher.start()
        await until(lambda: box.watcher.trouble == "the board is away")

    await until(lambda: len(box.accepted()) == 5)
    assert sorted(box.titles()) == ["0", "1", "2", "3", "4"]


async def test_a_file_that_always_stumbles_holds_up_no_other(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbling(nexus: TaskNexus, drafts: Any, *args: Any, **kwargs: Any) -> Any:
        if drafts[0].title == "stumble":
            raise ZeroDivisionError("a mistake of ours")
        return admit(nexus, drafts, *args, **kwargs)

    monkeypatch.setattr("dreamos_tasks.intake.scanner.admit", stumbling)
    box.drop("a.json", {"title": "stumble"})
    box.drop("b.json", {"title": "good"})
    await box.watcher.start()

    await until(box.accepted)
    box.drop("c.json", {"title": "better"})
    await until(lambda: len(box.accepted()) == 2)
    assert len(box.taken()) == 1
    assert box.watcher.trouble == ""


async def test_an_inbox_that_is_deleted_and_made_again_is_watched_again(watched: Box) -> None:
    watched.drop("a.json", {"title": "before"})
    await until(lambda: watched.accepted() and not watched.taken())
    while watched.inbox.exists():  # a look that was under way may have made parts of it anew
        shutil.rmtree(watched.inbox, ignore_errors=True)
    await until((watched.inbox / ".open").exists)  # the watcher heard of it, and made it anew

    watched.drop("b.json", {"title": "after"})

    await until(watched.accepted)
    assert watched.titles() == ["before", "after"]


async def test_an_inbox_that_is_replaced_is_watched_again(watched: Box) -> None:
    watched.drop("a.json", {"title": "before"})
    await until(watched.accepted)
    aside = watched.inbox.with_name("aside")
    watched.inbox.rename(aside)
    await until((watched.inbox / ".open").exists)

    watched.drop("b.json", {"title": "after"})

    await until(lambda: "after" in watched.titles())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    contents=st.lists(
        st.binary(max_size=60)
        | st.text(alphabet='{}[]",:\\u12eE.-tfn itle', max_size=40).map(str.encode)
        | st.sampled_from([b'{"title": "x"}', b'[{"title": "y"}]', b'{"title": 5}', b'{"title": "z"}\n{"title": "w"}']),
        max_size=4,
    ),
    suffix=st.sampled_from(["json", "jsonl"]),
)
async def test_whatever_is_dropped_is_accepted_or_rejected_and_never_lost(
    tmp_path: Path, contents: list[bytes], suffix: str
) -> None:
    folder = tmp_path / os.urandom(6).hex()
    folder.mkdir()
    box = Box(folder, MemoryStore())
    await box.desk.start()
    for number, content in enumerate(contents):
        box.drop(f"{number}.{suffix}", content)

    await box.watcher.scan_once()
    box.seconds += 5
    await box.watcher.scan_once()
    await box.watcher.stop()
    await box.desk.stop()

    filed = {**box.accepted(), **box.rejected()}
    assert sorted(filed) == [f"{number}.{suffix}" for number in range(len(contents))]
    for number, content in enumerate(contents):
        (kept,) = [path for path in box.inbox.rglob(f"{number}.{suffix}") if path.is_file()]
        assert kept.read_bytes() == content
    told = sum(len(receipt["task_ids"]) for receipt in box.accepted().values())
    assert len(box.tasks()) == told
