"""Copies of boards: online backups, and conversion between the kinds of store without loss."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import BoardUnavailable, InvalidInput, Refused
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Event
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, TaskError
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Priority, ProcessIdentity, Progress, Task, TaskDraft
from dreamos_tasks.protocols import TaskStore
from dreamos_tasks.stores.convert import copy_board
from dreamos_tasks.stores.replay import replay_problems
from tests.fakes import START, FakeClock, FakeReading, at
from tests.kinds import KINDS, board_path, make_store, open_store

READING = FakeReading("boot-1", 5_000_000, 1_772_355_600_000_000)
PROCESS = ProcessIdentity(pid=7, started_ticks=99, boot_id="boot-1", instance="abc")


def fill(store: TaskStore) -> TaskNexus:
    """A board with a history: every state, links in both directions of age, claims, tokens, an offset."""
    clock = FakeClock()
    nexus = TaskNexus(store, clock)
    with store.transaction():
        store.clock_offset(READING)
        nexus.add_task(
            TaskDraft(title="oldest", task_id="oldest", tags=("core",), extra={"events": 1, "colour": "red"})
        )
    nexus.add_task(TaskDraft(title="done", task_id="done", verify=(), retry=RetryPolicy()))
    nexus.add_task(TaskDraft(title="held", task_id="held", context={"n": 1.0}, priority=Priority.HIGH))
    nexus.add_task(TaskDraft(title="lost", task_id="lost", plan=Plan(steps=(Step(name="run"),))))
    nexus.add_task(TaskDraft(title="child", task_id="done.1", parent_id="done", depends_on=("done", "held")))
    nexus.add_task(TaskDraft(title="later", task_id="later", not_before=at(5000), due_at=at(9000), dedupe_key="k"))
    nexus.add_task(TaskDraft(title="flaky", task_id="flaky", created_by="cli"))
    nexus.edit_task("oldest", {"depends_on": ("done.1",), "tags": ("core", "ui")}, by="cli")
    nexus.claim_task("lost", "dead", process=PROCESS)
    clock.advance(600)
    nexus.claim_task("done", "ada")
    nexus.mark_task_completed("done", "ada", result={"status": "success", "data": [1, {"a": None}]})
    for _ in range(3):
        nexus.claim_task("held", "ada")
        nexus.release_task("held", "ada", reason="again")
    nexus.claim_task("held", "ada", process=PROCESS)
    nexus.record_progress("held", Progress(percent=12.5, note="½"), agent_id="ada")
    clock.advance(310)
    nexus.heartbeat("held", "ada")
    nexus.claim_task("flaky", "ben")
    nexus.mark_task_failed("flaky", "ben", error=TaskError(category=ErrorCategory.TRANSIENT, message="again"))
    nexus.pause_task("later", by="cli", reason="wait")
    nexus.mark_task_stalled("done.1", by="monitor", reason="long")
    return nexus


def everything(store: TaskStore) -> tuple[Sequence[Task], Sequence[Event], list[str], int]:
    return (
        list(store.find(TaskQuery(), now=START)),
        list(store.events_after(0)),
        [task.task_id for task in store.find(TaskQuery(order=Order.QUEUE), now=START)],
        store.last_seq(),
    )


def test_a_backup_is_a_whole_board_for_its_owner_alone(kind_on_disk: str, tmp_path: Path) -> None:
    with closing(make_store(kind_on_disk, tmp_path)) as store:
        fill(store)
        copy = tmp_path / "copies" / board_path(kind_on_disk, tmp_path).name
        copy.parent.mkdir()
        store.backup(copy)

        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        assert [path.name for path in copy.parent.iterdir()] == [copy.name]
        with closing(open_store(kind_on_disk, copy)) as again:
            assert everything(again) == everything(store)
            assert again.integrity_problems() in ((), [])
            assert again.clock_offset(READING) == store.clock_offset(READING)


def test_a_backup_leaves_out_what_is_not_yet_committed(kind_on_disk: str, tmp_path: Path) -> None:
    with closing(make_store(kind_on_disk, tmp_path)) as store:
        nexus = fill(store)
        before = everything(store)
        copy = tmp_path / f"copy{board_path(kind_on_disk, tmp_path).suffix}"
        with nexus.together():
            nexus.add_task(TaskDraft(title="not yet"))
            with closing(open_store(kind_on_disk, board_path(kind_on_disk, tmp_path))) as other:
                other.backup(copy)

        with closing(open_store(kind_on_disk, copy)) as again:
            assert everything(again) == before


def test_a_backup_never_writes_over_anything(kind_on_disk: str, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("mine", encoding="utf-8")

    with closing(make_store(kind_on_disk, tmp_path)) as store, pytest.raises(BoardUnavailable, match="there already"):
        store.backup(target)
    assert target.read_text(encoding="utf-8") == "mine"


def test_a_backup_into_a_folder_that_is_not_there_says_so(kind_on_disk: str, tmp_path: Path) -> None:
    with closing(make_store(kind_on_disk, tmp_path)) as store, pytest.raises(BoardUnavailable, match="copy"):
        store.backup(tmp_path / "nowhere" / "copy")


def test_a_restored_backup_goes_on_where_it_was_made(kind_on_disk: str, tmp_path: Path) -> None:
    path = board_path(kind_on_disk, tmp_path)
    with closing(make_store(kind_on_disk, tmp_path)) as store:
        fill(store)
        store.backup(tmp_path / "copy")
        TaskNexus(store, FakeClock()).cancel_task("held", by="cli")
    for beside in tmp_path.glob(path.name + "-*"):
        beside.unlink()
    os.rename(tmp_path / "copy", path)

    with closing(open_store(kind_on_disk, path)) as store:
        nexus = TaskNexus(store, FakeClock(at(920)))
        assert nexus.mark_task_completed("held", token=4).status == "completed"
        assert store.last_seq() == len(store.events_after(0))


def test_a_board_in_memory_has_no_backup(tmp_path: Path) -> None:
    with closing(make_store("memory", tmp_path)) as store, pytest.raises(BoardUnavailable):
        store.backup(tmp_path / "copy")


@pytest.mark.parametrize("target_kind", KINDS)
def test_a_board_is_the_same_after_conversion(kind: str, target_kind: str, tmp_path: Path) -> None:
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    source, target = make_store(kind, tmp_path / "source"), make_store(target_kind, tmp_path / "target")
    with closing(source), closing(target):
        fill(source)

        assert copy_board(source, target, measure=READING) == 7

        assert everything(target) == everything(source)
        assert target.clock_offset(READING) == source.clock_offset(READING)
        assert replay_problems(target.find(TaskQuery(), now=START), target.events_after(0)) == ()
        assert target.integrity_problems() in ((), [])
        assert {field: target.count(field, now=at(920)) for field in ("status", "priority", "agent", "tag")} == {
            field: source.count(field, now=at(920)) for field in ("status", "priority", "agent", "tag")
        }


@pytest.mark.parametrize("target_kind", KINDS)
def test_a_converted_board_goes_on_like_the_one_it_was_made_from(kind: str, target_kind: str, tmp_path: Path) -> None:
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
    source, target = make_store(kind, tmp_path / "source"), make_store(target_kind, tmp_path / "target")
    with closing(source), closing(target):
        fill(source)
        copy_board(source, target, measure=READING)

        told = []
        for store in (source, target):
            clock = FakeClock(at(920))
            nexus = TaskNexus(store, clock)
            story: list[object] = [
                nexus.get_next_task("ada"),  # its backoff is over; all others wait for something
                nexus.get_next_task("daemon", runs_plans=True),  # the lease that ran out
                nexus.mark_task_completed("held", token=4),
                nexus.get_next_task("ada"),  # the stalled child, whose dependencies are met now
                nexus.mark_task_completed("done.1", "ada"),
                nexus.get_next_task("ada", tags=("ui",)),
                nexus.resume_task("later", by="cli"),
                store.next_instant(now=clock.now()),
                clock.advance(6000),
                nexus.find_tasks(TaskQuery(statuses=frozenset({"ready"}))),
                store.events_after(0),
            ]
            told.append(story)
        assert told[0] == told[1]
        assert [task and task.task_id for task in told[1][:2] if isinstance(task, Task | None)] == ["flaky", "lost"]


def test_only_an_empty_board_is_converted_into(kind: str, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with closing(make_store("memory", tmp_path)) as source, closing(make_store(kind, tmp_path / "target")) as target:
        fill(source)
        with target.transaction():
            target.save(lifecycle.add(TaskDraft(title="x"), task_id="mine", now=START))
        before = everything(target)

        with pytest.raises(Refused, match="not empty"):
            copy_board(source, target, measure=READING)
        assert everything(target) == before


def test_a_board_without_tasks_is_converted_too(kind: str, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with closing(make_store(kind, tmp_path)) as source, closing(make_store("sqlite", tmp_path / "target")) as target:
        assert copy_board(source, target, measure=READING) == 0
        assert everything(target) == ([], [], [], 0)


def test_text_that_sqlite_cannot_keep_is_refused_and_leaves_an_empty_board(tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with closing(make_store("json", tmp_path)) as source, closing(make_store("sqlite", tmp_path / "target")) as target:
        TaskNexus(source, FakeClock()).add_task(TaskDraft(title="half a character: \ud83d"))

        with pytest.raises(InvalidInput, match="Unicode"):
            copy_board(source, target, measure=READING)
        assert everything(target) == ([], [], [], 0)
