"""What a store remembers of the tasks that its user holds."""

from __future__ import annotations

from contextlib import closing, suppress
from pathlib import Path

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import StaleToken
from dreamos_tasks.model.task import Progress, Status, Task, TaskDraft
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def held(nexus: TaskNexus) -> Task:
    nexus.add_task(TaskDraft(title="a", context={"cwd": "."}))
    task = nexus.get_next_task("ada")
    assert task is not None
    return task


def test_what_another_process_wrote_is_seen_at_once(tmp_path: Path, clock: FakeClock) -> None:
    with closing(SqliteStore.create(tmp_path / "b.db")) as store, closing(SqliteStore(tmp_path / "b.db")) as other:
        task = held(TaskNexus(store, clock))
        TaskNexus(other, clock).record_progress(task.task_id, Progress(percent=50), agent_id="ada")

        seen = store.get(task.task_id)

        assert seen is not None
        assert seen.progress is not None
        assert seen == other.get(task.task_id)


def test_a_heartbeat_of_another_process_is_seen_at_once(tmp_path: Path, clock: FakeClock) -> None:
    with closing(SqliteStore.create(tmp_path / "b.db")) as store, closing(SqliteStore(tmp_path / "b.db")) as other:
        task = held(TaskNexus(store, clock))
        clock.advance(60)
        TaskNexus(other, clock).heartbeat(task.task_id, "ada")

        assert store.get(task.task_id) == other.get(task.task_id)


def test_what_was_taken_back_is_not_remembered(tmp_path: Path, clock: FakeClock) -> None:
    with closing(SqliteStore.create(tmp_path / "b.db")) as store:
        nexus = TaskNexus(store, clock)
        added = nexus.add_task(TaskDraft(title="a"))
        with suppress(RuntimeError), nexus.together():
            nexus.get_next_task("ada")
            raise RuntimeError("the group breaks off")

        assert store.get(added.task_id) == added
        again = nexus.get_next_task("bob")
        assert again is not None
        assert again.claim is not None
        assert again.claim.token == 1


def test_a_claim_that_was_lost_meanwhile_is_refused(tmp_path: Path, clock: FakeClock) -> None:
    with closing(SqliteStore.create(tmp_path / "b.db")) as store, closing(SqliteStore(tmp_path / "b.db")) as other:
        nexus = TaskNexus(store, clock)
        task = held(nexus)
        TaskNexus(other, clock).cancel_task(task.task_id, by="bob")

        with pytest.raises(StaleToken):
            nexus.mark_task_completed(task.task_id, token=1)

        assert nexus.get_task_by_id(task.task_id).status is Status.CANCELLED
