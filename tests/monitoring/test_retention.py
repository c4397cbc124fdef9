"""Pruning: what long-finished tasks have left is removed, whatever is not over stays, and the board tells the same."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.settings import RetentionSettings
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.undone import Rollback, RollbackCause
from dreamos_tasks.monitoring.pruning import Pruned, Pruner, prune_now
from dreamos_tasks.monitoring.retention import RetentionService
from dreamos_tasks.stores.replay import replay_problems
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.monitoring.fakes import Board
from tests.monitoring.thread_desk import ThreadDesk
from tests.waiting import until

DAY = 86_400.0


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def finish(board: Board, task: Task) -> Task:
    """The task, done by somebody."""
    board.nexus.claim_task(task.task_id, "ada")
    return board.nexus.mark_task_completed(task.task_id, "ada")


def leave_output(runs: Path, task: Task, token: int = 1) -> Path:
    folder = runs / task.task_id / str(token)
    folder.mkdir(parents=True)
    (folder / "build.log").write_text("made\n")
    return folder


def prune(board: Board, runs: Path, *, days: float = 30, is_dry: bool = False) -> Pruned:
    before = board.clock.now() - timedelta(days=days)
    return prune_now(Pruner(runs, is_dry=is_dry), board.nexus, runs_before=before, events_before=before)


def is_told(board: Board) -> bool:
    """Whether the log replays to the board."""
    return replay_problems(board.nexus.get_all_tasks(), board.nexus.events(limit=100_000)) == ()


def test_what_a_task_has_left_goes_when_it_has_long_been_over(board: Board, runs: Path) -> None:
    task = finish(board, board.add())
    folder = leave_output(runs, task)
    board.later(31 * DAY)
    pruned = prune(board, runs)
    assert pruned == Pruned(histories=1, events=1, folders=1, bytes=5)
    assert not folder.parent.exists()
    assert [event.type for event in board.nexus.events()] == [EventType.TASK_ADDED, EventType.HISTORY_PRUNED]
    assert board.get(task) == task
    assert is_told(board)


def test_what_is_not_over_or_not_for_long_stays_whatever_its_age(board: Board, runs: Path) -> None:
    waiting, held, paused = board.add(), board.add(), board.add()
    board.nexus.claim_task(held.task_id, "ada")
    board.nexus.pause_task(paused.task_id, by="ada")
    young = board.add()
    board.later(400 * DAY)
    finish(board, young)
    folders = [leave_output(runs, task) for task in (waiting, held, paused, young)]
    before = board.nexus.events(limit=1000)
    assert prune(board, runs) == Pruned()
    assert all(folder.exists() for folder in folders)
    assert board.nexus.events(limit=1000) == before


def test_a_dry_run_tells_and_removes_nothing(board: Board, runs: Path) -> None:
    folder = leave_output(runs, finish(board, board.add()))
    board.later(31 * DAY)
    before = board.nexus.events()
    assert (
        prune(board, runs, is_dry=True)
        == prune(board, runs, is_dry=True)
        == Pruned(histories=1, events=1, folders=1, bytes=5)
    )
    assert folder.exists()
    assert board.nexus.events() == before


def test_what_depends_on_a_pruned_task_is_as_ready_as_before(board: Board, runs: Path) -> None:
    first = finish(board, board.add())
    failed = board.add()
    board.nexus.cancel_task(failed.task_id, by="ada")
    ready = board.add(depends_on=(first.task_id,))
    blocked = board.add(depends_on=(failed.task_id,))
    board.later(31 * DAY)
    prune(board, runs)
    assert not board.nexus.waiting_for(board.get(ready))
    assert board.nexus.waiting_for(board.get(blocked))
    assert not board.nexus.waiting_for(board.add(depends_on=(first.task_id,)))


def test_a_task_that_is_being_taken_back_keeps_what_that_needs(board: Board, runs: Path) -> None:
    task = finish(board, board.add())
    folder = leave_output(runs, task)
    board.nexus.begin_undo(task.task_id, by="ada")
    rollback = board.nexus.fetch(task.task_id).rollback
    assert rollback is not None
    assert rollback == Rollback(cause=RollbackCause.ASKED, since=rollback.since, started_at=rollback.since)
    board.later(31 * DAY)
    assert prune(board, runs) == Pruned()
    assert folder.exists()


def test_the_runs_of_a_task_tried_again_meanwhile_stay(board: Board, runs: Path) -> None:
    old = finish(board, board.add())
    folder = leave_output(runs, old)
    board.later(31 * DAY)
    pruner = Pruner(runs)
    (found,) = pruner.old(board.nexus, [old.task_id], before=board.clock.now())
    retried = leave_output(runs, old, token=found.last_token + 1)  # between the look and the removal
    pruner.remove_folders(found)
    assert retried.exists()
    assert not folder.exists()


def test_folders_of_other_things_stay(board: Board, runs: Path) -> None:
    task = finish(board, board.add())
    leave_output(runs, task)
    (runs / "not-a-task" / "1").mkdir(parents=True)
    (runs / task.task_id / "notes").mkdir()
    outside = runs.parent / "outside"
    outside.mkdir()
    (runs / task.task_id / "2").symlink_to(outside)
    board.later(31 * DAY)
    prune(board, runs)
    assert (runs / "not-a-task" / "1").exists()
    assert (runs / task.task_id / "notes").exists()
    assert outside.exists()


def test_a_folder_that_cannot_be_removed_is_named(board: Board, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = leave_output(runs, finish(board, board.add()))
    board.later(31 * DAY)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("shutil.rmtree", refuse)
    assert prune(board, runs).kept == (f"{folder}: Permission denied",)


def test_many_histories_are_shortened_page_by_page(board: Board, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamos_tasks.monitoring.pruning.TASKS_A_LOOK", 3)
    for _ in range(10):
        finish(board, board.add())
    board.add()
    board.later(31 * DAY)
    assert prune(board, runs).histories == 10
    assert prune(board, runs) == Pruned()
    assert is_told(board)


async def test_a_daemon_prunes_by_itself_as_the_settings_say(file: Path, runs: Path) -> None:
    store = SqliteStore.create(file)
    board = Board(store)
    old = finish(board, board.add())
    folder = leave_output(runs, old)
    board.later(31 * DAY)
    young = finish(board, board.add())
    kept = leave_output(runs, young)
    settings = RetentionSettings(runs_days=30, events_days=30)
    service = RetentionService(ThreadDesk(TaskNexus(store, board.clock)), Pruner(runs), settings)
    service.start()
    await until(lambda: not folder.exists())
    await service.stop()
    assert len(board.nexus.events(task_id=old.task_id)) == 2
    assert len(board.nexus.events(task_id=young.task_id)) == 3
    assert kept.exists()
    store.close()


async def test_by_default_everything_is_kept(file: Path, runs: Path) -> None:
    store = SqliteStore.create(file)
    board = Board(store)
    folder = leave_output(runs, finish(board, board.add()))
    board.later(4000 * DAY)
    service = RetentionService(ThreadDesk(board.nexus), Pruner(runs), RetentionSettings())
    service.start()
    assert await service.prune() == Pruned()
    await service.stop()
    assert folder.exists()
    store.close()
