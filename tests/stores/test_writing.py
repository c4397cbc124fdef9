"""Transactions, saving and events are the same for every kind of store."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import DuplicateTaskId, Refused, TaskNotFound
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Change
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.protocols import TaskStore
from dreamos_tasks.stores.replay import replay_problems
from tests.fakes import START, FakeClock, FakeReading, at
from tests.full_task import full_events, full_task
from tests.kinds import board_path, make_store, open_store


def added(task_id: str, now: datetime = START) -> Change:
    return lifecycle.add(TaskDraft(title=f"do {task_id}"), task_id=task_id, now=now)


def ids(store: TaskStore) -> list[str]:
    return [task.task_id for task in store.find(TaskQuery(), now=START)]


def told_otherwise(nexus: TaskNexus) -> tuple[str, ...]:
    return replay_problems(nexus.store.find(TaskQuery(), now=START), nexus.events())


def test_what_a_transaction_saved_is_there_afterwards(store: TaskStore) -> None:
    with store.transaction():
        store.save(added("a"))
        store.save(added("b"))
        assert ids(store) == ["a", "b"]

    assert ids(store) == ["a", "b"]
    assert store.last_seq() == 2


def test_an_error_takes_back_the_whole_transaction(store: TaskStore) -> None:
    with store.transaction():
        store.save(added("a"))
        store.set_clock_offset("boot", 1)
    before = store.get("a")

    def fail_after_writing() -> None:
        with store.transaction():
            store.save(added("b"))
            assert before is not None
            store.save(lifecycle.pause(before, by="cli", now=at(1)))
            store.set_clock_offset("boot", 2)
            raise TaskNotFound("c")

    with pytest.raises(TaskNotFound):
        fail_after_writing()

    assert ids(store) == ["a"]
    assert store.get("a") == before
    assert [event.seq for event in store.events_after(0)] == [1]
    assert store.last_seq() == 1


def test_a_transaction_inside_another_can_fail_alone(store: TaskStore) -> None:
    def fail_inside() -> None:
        with store.transaction():
            store.save(added("inner"))
            with store.transaction():
                store.save(added("innermost"))
            raise TaskNotFound("x")

    with store.transaction():
        store.save(added("before"))
        with pytest.raises(TaskNotFound):
            fail_inside()
        assert store.get("inner") is None
        with store.transaction():
            store.save(added("after"))

    assert ids(store) == ["before", "after"]
    assert [event.seq for event in store.events_after(0)] == [1, 2]


def test_the_outer_transaction_takes_the_inner_one_with_it(store: TaskStore) -> None:
    def fail_outside() -> None:
        with store.transaction():
            with store.transaction():
                store.save(added("inner"))
            raise TaskNotFound("x")

    with pytest.raises(TaskNotFound):
        fail_outside()

    assert ids(store) == []


def test_a_store_can_be_used_again_after_a_transaction_failed(store: TaskStore) -> None:
    for _ in range(3):
        with pytest.raises(TaskNotFound), store.transaction():
            raise TaskNotFound("x")

    with store.transaction():
        store.save(added("a"))
    assert ids(store) == ["a"]


def test_threads_take_turns(nexus: TaskNexus) -> None:
    def add(number: int) -> None:
        for index in range(10):
            nexus.add_task(TaskDraft(title="x", task_id=f"t{number}-{index}"))

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ids(nexus.store)) == 40
    assert [event.seq for event in nexus.events()] == list(range(1, 41))


def test_saving_needs_a_transaction(store: TaskStore) -> None:
    with pytest.raises(RuntimeError, match="transaction"):
        store.save(added("a"))
    with pytest.raises(RuntimeError, match="transaction"):
        store.load([], [], offsets={})


def test_an_id_is_taken_once(store: TaskStore) -> None:
    with store.transaction():
        store.save(added("a"))

    with pytest.raises(DuplicateTaskId), store.transaction():
        store.save(added("a"))
    assert store.last_seq() == 1


def test_an_id_that_is_taken_leaves_no_gap_between_the_events_of_one_commit(store: TaskStore) -> None:
    with store.transaction():
        store.save(added("a"))
        with pytest.raises(DuplicateTaskId):
            store.save(added("a"))
        store.save(added("b"))

    assert [(event.seq, event.task_id) for event in store.events_after(0)] == [(1, "a"), (2, "b")]


def test_there_is_no_task_of_an_unknown_id(store: TaskStore) -> None:
    assert store.get("a") is None


def test_a_task_comes_back_as_it_was_saved(store: TaskStore) -> None:
    task = full_task()
    with store.transaction():
        store.load([task], full_events(task), offsets={})

    assert store.get(task.task_id) == task


def test_a_retry_policy_of_its_own_is_kept_even_when_it_says_nothing_new(store: TaskStore) -> None:
    draft = TaskDraft(title="x", retry=RetryPolicy())
    with store.transaction():
        store.save(lifecycle.add(draft, task_id="a", now=START))

    task = store.get("a")
    assert task is not None
    assert task.retry == RetryPolicy()


def test_instants_are_kept_to_the_microsecond(store: TaskStore) -> None:
    now = START + timedelta(microseconds=123_457)
    with store.transaction():
        store.save(added("a", now))

    task = store.get("a")
    assert task is not None
    assert task.created_at == now
    assert store.events_after(0)[0].at == now


def test_events_come_in_pages_and_by_task(nexus: TaskNexus) -> None:
    for task_id in ("a", "b", "c"):
        nexus.add_task(TaskDraft(title="x", task_id=task_id))
    for task_id in ("a", "b", "c"):
        nexus.pause_task(task_id, by="cli")
        nexus.resume_task(task_id, by="cli")
    store = nexus.store

    every = store.events_after(0)
    assert [event.seq for event in every] == list(range(1, 10))
    assert store.events_after(0, limit=4) == every[:4]
    assert store.events_after(4, limit=4) == every[4:8]
    assert store.events_after(9) == []
    of_b = [event for event in every if event.task_id == "b"]
    assert store.events_after(0, task_id="b") == of_b
    assert store.events_after(of_b[0].seq, task_id="b") == of_b[1:]
    assert store.events_after(0, task_id="b", limit=2) == of_b[:2]
    assert store.events_after(0, task_id="no-such-task") == []
    assert store.last_seq() == 9


def test_the_change_mark_moves_when_another_has_written_and_only_then(kind_on_disk: str, tmp_path: Path) -> None:
    with (
        closing(make_store(kind_on_disk, tmp_path)) as mine,
        closing(open_store(kind_on_disk, board_path(kind_on_disk, tmp_path))) as anothers,
    ):
        here, there = (TaskNexus(store, FakeClock()) for store in (mine, anothers))
        marks = [mine.change_mark()]
        for act in (here.add_task, here.add_task, there.add_task, here.add_task, there.add_task):
            act(TaskDraft(title="x"))
            marks.append(mine.change_mark())
            here.get_all_tasks()
            assert mine.change_mark() == marks[-1]

    moved = [before != after for before, after in pairwise(marks)]
    assert moved == [False, False, True, False, True]


def test_a_write_of_another_is_not_hidden_by_ones_own(kind_on_disk: str, tmp_path: Path) -> None:
    with (
        closing(make_store(kind_on_disk, tmp_path)) as mine,
        closing(open_store(kind_on_disk, board_path(kind_on_disk, tmp_path))) as anothers,
    ):
        mark = mine.change_mark()
        for store in (anothers, mine):
            TaskNexus(store, FakeClock()).add_task(TaskDraft(title="x"))

        assert mine.change_mark() != mark


def test_the_offset_of_a_boot_is_measured_once(store: TaskStore) -> None:
    first = FakeReading("boot-1", 5_000_000, 1_000_000_000)
    with store.transaction():
        store.save(added("a"))
        offset = store.clock_offset(first)

    assert offset == 995_000_000
    again = store.clock_offset(FakeReading("boot-2", 1_000_000, 7_000_000))
    assert again == 6_000_000


def test_only_an_empty_board_can_be_filled(store: TaskStore) -> None:
    with store.transaction():
        store.save(added("a"))

    with pytest.raises(Refused, match="not empty"), store.transaction():
        store.load([full_task()], [], offsets={})
    assert ids(store) == ["a"]


def test_a_store_may_be_closed_twice(store: TaskStore) -> None:
    store.close()
    store.close()


def test_events_tell_the_board(nexus: TaskNexus, clock: FakeClock) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="a", tags=("core",), retry=RetryPolicy()))
    nexus.get_next_task("ada")
    clock.advance(30)
    nexus.heartbeat("a", "ada")
    assert told_otherwise(nexus) == ()
    clock.advance(2000)
    nexus.expire_leases()
    nexus.edit_task("a", {"title": "y"}, by="cli")

    assert told_otherwise(nexus) == ()


def test_what_the_events_do_not_tell_is_found() -> None:
    task = full_task()
    first, second = full_events(task)

    assert replay_problems([task], [first, second]) == ()
    (problem,) = replay_problems([task], [first])
    assert problem.startswith("dt-full: its events tell something else of title, ")
    assert replay_problems([task], []) == ("dt-full: no event tells of it",)
    assert replay_problems([], [first]) == ("dt-full: there are events, but no task",)
    broken = replace(second, changes={"due_at": "soon"})
    assert replay_problems([task], [first, broken])[0].startswith("dt-full: event 8 cannot be replayed")
