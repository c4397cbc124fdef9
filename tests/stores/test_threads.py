"""One nexus in the hands of several threads: they take turns, and none is drawn into what another does."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Barrier, Thread
from types import FrameType
from typing import Any

from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.protocols import TaskStore
from dreamos_tasks.stores.sqlite import SqliteStore

THREADS = 6
TASKS = 30
TURN_SECONDS = 0.5  # longer than what another thread does meanwhile, unless it has to wait


class Broken(Exception):
    """What breaks off a group of verbs."""


def test_a_queue_drained_by_threads_of_one_nexus_gives_each_task_to_one(store: TaskStore) -> None:
    nexus = TaskNexus(store, BoardClock(store))
    added = {task.task_id for task in nexus.add_tasks([TaskDraft(title="x") for _ in range(TASKS)])}
    begin = Barrier(THREADS)

    def drain(agent_id: str) -> Sequence[str]:
        begin.wait()
        done = []
        while (task := nexus.get_next_task(agent_id)) is not None:
            nexus.heartbeat(task.task_id, agent_id)
            nexus.mark_task_completed(task.task_id, agent_id)
            done.append(task.task_id)
        return done

    with ThreadPoolExecutor(THREADS) as threads:
        done = threads.map(drain, (f"agent-{number}" for number in range(THREADS)))

    assert Counter(task_id for each in done for task_id in each) == dict.fromkeys(added, 1)
    assert store.integrity_problems() in ([], ())


def test_a_verb_of_another_thread_has_no_part_in_a_group(nexus: TaskNexus) -> None:
    other = Thread(target=nexus.add_task, args=(TaskDraft(title="of another thread"),))

    with suppress(Broken), nexus.together():
        nexus.add_task(TaskDraft(title="taken back"))
        other.start()
        raise Broken
    other.join()

    assert [task.title for task in nexus.get_all_tasks()] == ["of another thread"]


def test_a_board_that_grows_while_a_thread_asks_for_its_mark_is_not_taken_for_a_truncated_one(tmp_path: Path) -> None:
    with closing(SqliteStore.create(tmp_path / "nexus.db")) as store:
        nexus = TaskNexus(store, BoardClock(store))

        def grow() -> None:
            nexus.add_tasks([TaskDraft(title="x" * 500) for _ in range(50)])
            store._session.rows("PRAGMA wal_checkpoint")
            nexus.add_task(TaskDraft(title="sees how large it is"))

        grower = Thread(target=grow)

        def tick(_: FrameType, event: str, called: Any) -> None:
            if event == "c_return" and called is os.stat:  # it has seen how large the board was
                sys.setprofile(None)
                grower.start()
                grower.join(TURN_SECONDS)

        sys.setprofile(tick)
        try:
            store.change_mark()
        finally:
            sys.setprofile(None)
            grower.join()
