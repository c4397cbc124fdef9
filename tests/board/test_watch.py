"""Waiting for the board to change: woken by whoever commits, in any process, with a daemon or without."""

from __future__ import annotations

import os
import socket
import threading
import time
from pathlib import Path

import pytest

from dreamos_tasks.app.nexus import TaskNexus
from dreamos_tasks.board import watch as watch_module
from dreamos_tasks.board.doorbell import FOLLOWERS, Doorbell
from dreamos_tasks.board.feed import EventFeed
from dreamos_tasks.board.watch import BoardWatch
from dreamos_tasks.model.task import TaskDraft

PATIENCE_SECONDS = 120.0


@pytest.fixture
def board(tmp_path: Path) -> Path:
    TaskNexus.open(tmp_path / "nexus.db").close()
    return tmp_path / "nexus.db"


@pytest.fixture
def far_net(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a bell wakes in time."""
    monkeypatch.setattr(watch_module, "NET_SECONDS", 1000.0)


def test_whoever_commits_wakes_all_who_watch(board: Path, far_net: None) -> None:
    with TaskNexus.open(board) as reader, TaskNexus.open(board) as writer:
        doorbell = board.with_name("doorbell.sock")
        with BoardWatch(reader, doorbell) as one, BoardWatch(reader, doorbell) as other:
            marks = one.mark(), other.mark()
            writer.add_task(TaskDraft(title="x"))
            ends_at = time.monotonic() + PATIENCE_SECONDS
            assert one.wait(marks[0], until=ends_at)
            assert other.wait(marks[1], until=ends_at)
            assert time.monotonic() < ends_at


def test_a_watch_that_waits_already_is_woken(board: Path, far_net: None) -> None:
    with TaskNexus.open(board) as reader, BoardWatch(reader, board.with_name("doorbell.sock")) as watch:
        mark = watch.mark()

        def write() -> None:
            with TaskNexus.open(board) as writer:
                writer.add_task(TaskDraft(title="x"))

        writing = threading.Timer(0.1, write)
        writing.start()
        assert watch.wait(mark, until=time.monotonic() + PATIENCE_SECONDS)
        writing.join()


def test_when_nothing_changes_the_time_runs_out_and_rings_without_a_change_wake_nobody(board: Path) -> None:
    with TaskNexus.open(board) as reader, BoardWatch(reader, board.with_name("doorbell.sock")) as watch:
        Doorbell(board.with_name("doorbell.sock")).ring()
        assert not watch.wait(watch.mark(), until=time.monotonic() + 0.05)


def test_a_change_for_which_no_bell_rang_is_seen_all_the_same(board: Path) -> None:
    with TaskNexus.open(board) as reader, BoardWatch(reader, board.with_name("doorbell.sock")) as watch:
        mark = watch.mark()
        with TaskNexus.open(board) as writer:
            writer.ring = lambda: None
            writer.add_task(TaskDraft(title="x"))
        assert watch.wait(mark, until=time.monotonic() + PATIENCE_SECONDS)


def test_where_no_bell_can_be_hung_up_the_board_is_looked_at(board: Path) -> None:
    board.with_name(FOLLOWERS).write_text("in the way")
    doorbell = board.with_name("doorbell.sock")
    with TaskNexus.open(board) as reader, TaskNexus.open(board) as writer, BoardWatch(reader, doorbell) as watch:
        mark = watch.mark()
        writer.add_task(TaskDraft(title="x"))
        assert watch.wait(mark, until=time.monotonic() + PATIENCE_SECONDS)


@pytest.mark.parametrize("has_bell", [True, False])
def test_who_tells_somebody_ends_when_that_one_has_gone(board: Path, far_net: None, has_bell: bool) -> None:
    if not has_bell:
        board.with_name(FOLLOWERS).write_text("in the way")
    read, written = os.pipe()
    leaving = threading.Timer(0.1, os.close, (read,))
    doorbell = board.with_name("doorbell.sock")
    with TaskNexus.open(board) as reader, BoardWatch(reader, doorbell, output=written) as watch:
        assert not watch.wait(watch.mark(), until=time.monotonic() + 0.01)
        leaving.start()
        with pytest.raises(BrokenPipeError):
            watch.wait(watch.mark(), until=time.monotonic() + PATIENCE_SECONDS)
    leaving.join()
    os.close(written)


def test_a_watch_takes_its_bell_with_it_and_that_of_a_killed_one_goes_with_the_next_ring(board: Path) -> None:
    bells = board.with_name(FOLLOWERS)
    with TaskNexus.open(board) as nexus:
        with BoardWatch(nexus, board.with_name("doorbell.sock")):
            assert len(list(bells.iterdir())) == 1
        assert list(bells.iterdir()) == []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as killed:
            killed.bind(str(bells / "1-dead"))
        nexus.add_task(TaskDraft(title="x"))
    assert list(bells.iterdir()) == []


def test_nobody_is_held_up_by_one_who_does_not_listen(board: Path) -> None:
    with TaskNexus.open(board) as nexus, BoardWatch(nexus, board.with_name("doorbell.sock")):
        for number in range(500):  # far more than a socket takes
            nexus.add_task(TaskDraft(title=str(number)))
    assert list(board.with_name(FOLLOWERS).iterdir()) == []


def test_bells_are_their_owners_alone(board: Path) -> None:
    with TaskNexus.open(board) as nexus, BoardWatch(nexus, board.with_name("doorbell.sock")):
        bells = board.with_name(FOLLOWERS)
        assert bells.stat().st_mode & 0o077 == 0
        assert all(bell.stat().st_mode & 0o077 == 0 for bell in bells.iterdir())
        assert all(bell.name.startswith(f"{os.getpid()}-") for bell in bells.iterdir())


def test_a_feed_gives_what_there_is_and_then_what_others_write(board: Path, far_net: None) -> None:
    with TaskNexus.open(board) as reader, TaskNexus.open(board) as writer:
        writer.add_task(TaskDraft(title="before"))
        with BoardWatch(reader, board.with_name("doorbell.sock")) as watch:
            following = EventFeed(reader).follow(watch)
            assert next(following).changes["title"] == "before"
            writing = threading.Timer(0.1, lambda: writer.add_task(TaskDraft(title="after")))
            writing.start()
            assert next(following).changes["title"] == "after"
            writing.join()
