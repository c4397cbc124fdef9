"""Boards are made on their first use, and never in the place of one that was lost."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Barrier

import pytest

from dreamos_tasks.app.boards import open_store
from dreamos_tasks.app.nexus import TaskNexus
from dreamos_tasks.errors import BoardGone, ConfigError
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.stores.board_file import UNFINISHED

OPENERS = 6
ROUNDS = 5


def open_files() -> Iterator[str]:
    """What this process has open."""
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            yield os.readlink(f"/proc/self/fd/{name}")


@pytest.mark.parametrize("name", ["nexus.db", "nexus.json"])
def test_a_board_that_is_gone_is_not_made_anew(name: str, tmp_path: Path) -> None:
    path = tmp_path / "runtime" / name
    with closing(open_store(path)) as store, store.transaction():
        pass
    path.unlink()

    with pytest.raises(BoardGone, match="is gone"):
        open_store(path)
    assert not path.exists()


@pytest.mark.parametrize("name", ["nexus.db", "nexus.json"])
def test_any_number_of_threads_may_make_one_board_at_once(name: str, tmp_path: Path) -> None:
    begin = Barrier(OPENERS)

    def add(folder: Path, number: int) -> None:
        begin.wait()
        with TaskNexus.open(folder / name) as nexus:
            nexus.add_task(TaskDraft(title=f"Task {number}"))

    with ThreadPoolExecutor(OPENERS) as threads:
        for number in range(ROUNDS):
            (folder := tmp_path / str(number)).mkdir()
            list(threads.map(add, [folder] * OPENERS, range(OPENERS)))
            with TaskNexus.open(folder / name) as nexus:
                assert nexus.stats()["status"] == {"pending": OPENERS}
            assert [path.name for path in folder.iterdir() if path.name.endswith(UNFINISHED)] == []


@pytest.mark.parametrize("name", ["nexus.db", "nexus.json"])
def test_a_board_that_is_forgotten_leaves_no_file_open(name: str, tmp_path: Path) -> None:
    nexus = TaskNexus.open(tmp_path / name)
    nexus.add_task(TaskDraft(title="Fix it"))

    del nexus
    gc.collect()

    assert [file for file in open_files() if file.startswith(str(tmp_path))] == []


def test_a_url_is_no_file_and_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match="postgresql"):
        TaskNexus.open("postgresql://user@host/board")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nexus.db", "nexus.json"])
def test_a_board_that_another_makes_just_now_is_not_taken_for_a_lost_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    exists = Path.exists
    asked: list[Path] = []

    def exists_before(asked_about: Path) -> bool:
        answer = exists(asked_about)
        if not asked:
            asked.append(asked_about)
            with closing(open_store(path)) as store, store.transaction():
                pass
        return answer

    monkeypatch.setattr(Path, "exists", exists_before)

    with closing(open_store(path)) as store:
        assert store.task_count() == 0
