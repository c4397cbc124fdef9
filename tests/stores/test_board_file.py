"""What lies beside a board's file: a killed writer's is removed, a living one's never."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from dreamos_tasks.errors import BoardUnavailable
from dreamos_tasks.stores.board_file import CREATION_TRIES, remove_unfinished
from tests.kinds import board_path, make_store, open_store


@pytest.fixture
def dead_pid() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


def others(folder: Path) -> set[str]:
    """Everything but the board and what belongs to it."""
    return {left.name for left in folder.iterdir() if not left.name.startswith("nexus.")}


def test_only_what_a_writer_that_is_no_more_left_of_this_very_file_is_removed(tmp_path: Path, dead_pid: int) -> None:
    left = {
        f".nexus.json.{writer}.{kind}"
        for writer in (dead_pid, f"{dead_pid}-{threading.get_ident()}")
        for kind in ("part", "new", "new-journal")
    }
    kept = {
        f".nexus.json.{os.getpid()}.part",
        f".nexus.json.{os.getpid()}-{threading.get_ident()}.part",
        ".nexus.json.1.part",
        f".nexus.json.{dead_pid}.aside",
        f".nexus.json.copy.{dead_pid}.part",
        ".nexus.json.x.part",
        ".nexus.json.part",
        f"nexus.json.{dead_pid}.part",
        f".other.json.{dead_pid}.part",
    }
    for name in left | kept:
        (tmp_path / name).touch()

    remove_unfinished(tmp_path / "nexus.json")

    assert {path.name for path in tmp_path.iterdir()} == kept


def test_making_a_board_removes_what_was_left_of_it(kind_on_disk: str, tmp_path: Path, dead_pid: int) -> None:
    path = board_path(kind_on_disk, tmp_path)
    for kind in ("part", "new", "new-journal"):
        path.with_name(f".{path.name}.{dead_pid}.{kind}").write_text("half")

    with closing(make_store(kind_on_disk, tmp_path)) as store, store.transaction():
        assert others(tmp_path) == set()


def test_the_second_name_of_a_board_whose_maker_was_killed_is_removed(tmp_path: Path, dead_pid: int) -> None:
    make_store("sqlite", tmp_path).close()
    path = board_path("sqlite", tmp_path)
    os.link(path, path.with_name(f".{path.name}.{dead_pid}.new"))

    open_store("sqlite", path).close()

    assert others(tmp_path) == set()
    assert path.stat().st_nlink == 1


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_whoever_is_taken_for_dead_while_making_a_board_makes_it_again(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = robbed(1)
    monkeypatch.setattr(os, "link", link)

    with closing(make_store(kind, tmp_path)) as store:
        assert store.integrity_problems() in ((), [])
    assert others(tmp_path) == set()


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_a_board_that_cannot_be_made_at_all_is_said(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", robbed(CREATION_TRIES))

    with pytest.raises(BoardUnavailable):
        make_store(kind, tmp_path)


def robbed(times: int) -> Callable[[Path, Path], None]:
    """os.link, before which somebody so many times removes what is to be linked."""
    link, left = os.link, times

    def act(source: Path, target: Path) -> None:
        nonlocal left
        if left:
            left -= 1
            source.unlink()
        link(source, target)

    return act
