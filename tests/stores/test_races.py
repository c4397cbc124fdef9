"""Many processes at one board: exactly one wins a claim, and no write is lost."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import BoardLocked, BoardUnavailable
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.protocols import TaskStore
from dreamos_tasks.stores.replay import replay_problems
from tests.agents import in_processes, lock_held_elsewhere, racing, writing
from tests.fakes import START
from tests.kinds import board_path, make_store, open_store
from tests.torture.waiting import until

pytestmark = pytest.mark.usefixtures("agents")

PROCESSES = 8
ROUNDS = 10
ADDS = 40


def test_of_eight_agents_exactly_one_wins_each_claim(kind_on_disk: str, tmp_path: Path) -> None:
    path = board_path(kind_on_disk, tmp_path)
    with closing(make_store(kind_on_disk, tmp_path)) as store, racing(kind_on_disk, path, agents=PROCESSES) as race:
        nexus = TaskNexus(store, BoardClock(store))
        for number in range(ROUNDS):
            nexus.add_task(TaskDraft(title="x", task_id=f"t{number}"))

            assert [got for got in race() if got is not None] == [f"t{number}"]
        claims = [event for event in nexus.events() if event.type == "task_claimed"]
        assert len(claims) == ROUNDS


def test_a_queue_drained_by_many_gives_each_task_to_one(kind_on_disk: str, tmp_path: Path) -> None:
    path = board_path(kind_on_disk, tmp_path)
    with closing(make_store(kind_on_disk, tmp_path)) as store:
        nexus = TaskNexus(store, BoardClock(store))
        for number in range(ADDS):
            nexus.add_task(TaskDraft(title="x", task_id=f"t{number}"))

        got = in_processes(
            "claim_until_empty", [(kind_on_disk, str(path), f"agent-{number}") for number in range(PROCESSES)]
        )

        assert Counter(task_id for ids in got for task_id in ids) == {f"t{number}": 1 for number in range(ADDS)}
        claims = Counter(event.task_id for event in nexus.events() if event.type == "task_claimed")
        assert set(claims.values()) == {1}
        assert nexus.stats()["status"] == {"completed": ADDS}
        assert replay_problems(store.find(TaskQuery(), now=START), nexus.events(limit=10_000)) == ()


def test_nothing_that_was_added_is_lost(kind_on_disk: str, tmp_path: Path) -> None:
    path = board_path(kind_on_disk, tmp_path)
    with closing(make_store(kind_on_disk, tmp_path)) as store:
        in_processes("add_many", [(kind_on_disk, str(path), number, ADDS) for number in range(PROCESSES)])

        tasks = store.find(TaskQuery(), now=START)
        assert {task.task_id for task in tasks} == {f"t{n}-{i}" for n in range(PROCESSES) for i in range(ADDS)}
        seqs = [event.seq for event in store.events_after(0, limit=10_000)]
        assert seqs == list(range(1, PROCESSES * ADDS + 1))
        for number in range(PROCESSES):  # each process's tasks in the order it added them
            mine = [task.task_id for task in tasks if task.task_id.startswith(f"t{number}-")]
            assert mine == [f"t{number}-{index}" for index in range(ADDS)]


def test_one_dedupe_key_makes_one_task(kind_on_disk: str, tmp_path: Path) -> None:
    path = board_path(kind_on_disk, tmp_path)
    with closing(make_store(kind_on_disk, tmp_path)) as store:
        ids = in_processes("add_once", [(kind_on_disk, str(path), number) for number in range(PROCESSES)])

        assert len(set(ids)) == 1
        assert store.task_count() == 1


def test_a_board_made_by_many_at_once_is_one_board(kind_on_disk: str, tmp_path: Path) -> None:
    if kind_on_disk == "json_array":
        make_store(kind_on_disk, tmp_path).close()

    in_processes("make_and_add", [(kind_on_disk, str(tmp_path), number) for number in range(PROCESSES)])

    with closing(open_store(kind_on_disk, board_path(kind_on_disk, tmp_path))) as store:
        titles = {task.title for task in store.find(TaskQuery(), now=START)}
        assert titles == {f"by {number}" for number in range(PROCESSES)}


def test_a_lock_held_by_another_process_is_waited_for_so_long_and_no_longer(kind_on_disk: str, tmp_path: Path) -> None:
    path = board_path(kind_on_disk, tmp_path)
    make_store(kind_on_disk, tmp_path).close()
    with closing(open_store(kind_on_disk, path, lock_timeout_seconds=0.05)) as store:
        nexus = TaskNexus(store, BoardClock(store))
        nexus.add_task(TaskDraft(title="before"))
        with lock_held_elsewhere(path.with_name(path.name + ".lock")):
            with pytest.raises(BoardLocked) as caught:
                nexus.add_task(TaskDraft(title="meanwhile"))
            assert [task.title for task in nexus.get_all_tasks()] == ["before"]  # reading waits for nobody

        assert f"{path}.lock" in caught.value.cause
        nexus.add_task(TaskDraft(title="after"))
        assert [task.title for task in nexus.get_all_tasks()] == ["before", "after"]


def test_a_lock_file_deleted_while_it_is_held_locks_nobody_out_and_loses_nothing(
    kind_on_disk: str, tmp_path: Path
) -> None:
    path = board_path(kind_on_disk, tmp_path)
    lock = path.with_name(path.name + ".lock")
    with closing(make_store(kind_on_disk, tmp_path)) as store:
        nexus = TaskNexus(store, BoardClock(store))
        nexus.add_task(TaskDraft(title="before"))
        with lock_held_elsewhere(lock):
            lock.unlink()
            in_processes("add_many", [(kind_on_disk, str(path), 1, 3)])
        nexus.add_task(TaskDraft(title="after"))

        assert [task.title for task in nexus.get_all_tasks()] == ["before", "1-0", "1-1", "1-2", "after"]


@pytest.mark.parametrize("kind", ["json", "json_array"])
def test_two_writers_under_two_locks_do_not_write_over_one_another(kind: str, tmp_path: Path) -> None:
    """SQLite has a lock of its own below; a JSON board looks again before it replaces the file."""
    path = board_path(kind, tmp_path)
    with closing(make_store(kind, tmp_path)) as store:
        nexus = TaskNexus(store, BoardClock(store))

        def add_while_another_adds() -> None:
            with nexus.together():
                nexus.add_task(TaskDraft(title="mine"))
                path.with_name(path.name + ".lock").unlink()
                in_processes("add_many", [(kind, str(path), 1, 1)])

        with pytest.raises(BoardUnavailable, match="edited while"):
            add_while_another_adds()
        assert [task.title for task in nexus.get_all_tasks()] == ["1-0"]


def test_a_stale_lock_file_is_no_lock(kind_on_disk: str, tmp_path: Path) -> None:
    path = board_path(kind_on_disk, tmp_path)
    path.with_name(path.name + ".lock").write_text("4242", encoding="utf-8")
    with closing(make_store(kind_on_disk, tmp_path, lock_timeout_seconds=0.05)) as store:
        TaskNexus(store, BoardClock(store)).add_task(TaskDraft(title="x"))

        assert store.task_count() == 1


def has_begun(store: TaskStore, seq: int) -> bool:
    return store.last_seq() > seq


def test_a_writer_killed_at_any_moment_leaves_a_whole_board_and_nothing_else(kind_on_disk: str, tmp_path: Path) -> None:
    path = board_path(kind_on_disk, tmp_path)
    with closing(make_store(kind_on_disk, tmp_path)) as store:
        for number in range(6):
            already = store.last_seq()
            with writing(kind_on_disk, path, number) as kill:
                until(partial(has_begun, store, already + 3 * number))
                kill()  # in the middle of some write

        nexus = TaskNexus(store, BoardClock(store))
        nexus.add_task(TaskDraft(title="after"))
        tasks, events = store.find(TaskQuery(), now=START), store.events_after(0, limit=10_000)
        assert [event.seq for event in events] == list(range(1, len(tasks) + 1))
        assert replay_problems(tasks, events) == ()
        assert store.integrity_problems() in ((), [])
    with closing(open_store(kind_on_disk, path)) as store:
        TaskNexus(store, BoardClock(store)).add_task(TaskDraft(title="later"))
        assert [left.name for left in tmp_path.iterdir() if left.name.endswith(".part")] == []
