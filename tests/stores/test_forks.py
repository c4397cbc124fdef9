"""Boards that are open in a process that forks: parent and child both go on, and nothing that either wrote is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import BoardUnavailable
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.stores import forking
from tests.kinds import board_path, make_store, open_store
from tests.waiting import PATIENCE_SECONDS, POLL_SECONDS

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

PROGRAM = """
import os, sys, threading, time
from dreamos_tasks import TaskDraft, TaskNexus
from dreamos_tasks.stores import forking

nexus, begun = TaskNexus.open(sys.argv[1]), threading.Event()
def write():
    with nexus.together():
        nexus.add_task(TaskDraft(title="of a thread"))
        begun.set()
        while not forking._held:
            time.sleep(0.005)
thread = threading.Thread(target=write)
thread.start()
begun.wait()
if os.fork() == 0:
    nexus.add_task(TaskDraft(title="of the child"))
    os._exit(0)
os.wait()
thread.join()
print(*[task.title for task in nexus.get_all_tasks()], sep=", ")
"""

Say = Callable[[str], None]
Hear = Callable[[], str]


@contextmanager
def forked(act: Callable[[Say, Hear], None]) -> Iterator[tuple[Say, Hear]]:
    """A child that does this and ends; it and the test talk to one another line by line."""
    (from_child, to_parent), (from_parent, to_child) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(to_child)  # so that it ends when the test has gone
            act(_sayer(to_parent), _hearer(from_parent))
        except BaseException as error:  # noqa: BLE001  told to the test
            _sayer(to_parent)(f"{type(error).__name__}: {error}")
        finally:
            os._exit(0)
    for fd in (to_parent, from_parent):
        os.close(fd)
    try:
        yield _sayer(to_child), _hearer(from_child)
    finally:
        os.close(to_child)
        os.waitpid(pid, 0)
        os.close(from_child)


def _sayer(fd: int) -> Say:
    def say(word: str) -> None:
        os.write(fd, f"{word}\n".encode())

    return say


def _hearer(fd: int) -> Hear:
    file = open(fd, encoding="utf-8", closefd=False)  # noqa: SIM115  the descriptor is closed by who opened it
    return lambda: file.readline().strip()


def nexus_at(path: Path, kind: str) -> TaskNexus:
    store = open_store(kind, path)
    store.survive_forks()
    return TaskNexus(store, BoardClock(store))


def titles_at(path: Path, kind: str) -> list[str]:
    with closing(nexus_at(path, kind)) as nexus:
        return [task.title for task in nexus.get_all_tasks()]


@pytest.mark.parametrize("whose", ["its own", "its parent's"])
def test_what_a_child_writes_lasts_whoever_closes_the_board_first(
    whose: str, kind_on_disk: str, tmp_path: Path
) -> None:
    kind, path = kind_on_disk, board_path(kind_on_disk, tmp_path)
    make_store(kind, tmp_path).close()
    nexus = nexus_at(path, kind)
    nexus.add_task(TaskDraft(title="of the parent"))

    def child(say: Say, hear: Hear) -> None:
        mine = nexus if whose == "its parent's" else nexus_at(path, kind)
        mine.add_task(TaskDraft(title="of the child"))
        say("added")
        hear()
        mine.add_task(TaskDraft(title="of the child, later"))
        say("added")

    with forked(child) as (say, hear):
        assert hear() == "added"
        nexus.close()
        with closing(nexus_at(path, kind)) as other:
            other.add_task(TaskDraft(title="of another"))
        say("go on")
        assert hear() == "added"

    assert titles_at(path, kind) == ["of the parent", "of the child", "of another", "of the child, later"]


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_of_a_transaction_that_is_forked_only_the_parents_is_written(kind: str, tmp_path: Path) -> None:
    path = board_path(kind, tmp_path)
    make_store(kind, tmp_path).close()
    with closing(nexus_at(path, kind)) as nexus:

        def child(say: Say, _: Hear) -> None:
            try:
                nexus.add_task(TaskDraft(title="of the child"))
                leave.__exit__(None, None, None)
            except BoardUnavailable:
                say("refused")

        leave = nexus.together()
        with leave:
            nexus.add_task(TaskDraft(title="of the parent"))
            with forked(child) as (_, hear):
                assert hear() == "refused"
        nexus.add_task(TaskDraft(title="of the parent, later"))

    assert titles_at(path, kind) == ["of the parent", "of the parent, later"]


def test_a_child_forked_from_a_transaction_is_told_so_whatever_it_opens(tmp_path: Path) -> None:
    path = board_path("sqlite", tmp_path)
    make_store("sqlite", tmp_path).close()
    with (
        closing(nexus_at(path, "sqlite")) as nexus,
        nexus.together(),
        forked(lambda say, _: say(nexus_at(path, "sqlite").add_task(TaskDraft(title="x")).task_id)) as line,
    ):
        assert "BoardUnsafe: this process was forked while a transaction was under way" in line[1]()


@pytest.mark.parametrize("kind", ["json", "sqlite"])
def test_a_fork_waits_for_the_transactions_of_other_threads(kind: str, tmp_path: Path) -> None:
    path = board_path(kind, tmp_path)
    make_store(kind, tmp_path).close()
    with closing(nexus_at(path, kind)) as nexus:
        begun = threading.Event()

        def write() -> None:
            with nexus.together():
                nexus.add_task(TaskDraft(title="of a thread"))
                begun.set()
                end = time.monotonic() + PATIENCE_SECONDS
                while not forking._held and time.monotonic() < end:
                    time.sleep(POLL_SECONDS)

        def child(say: Say, _: Hear) -> None:
            nexus.add_task(TaskDraft(title="of the child"))
            say("added")

        thread = threading.Thread(target=write)
        thread.start()
        begun.wait(PATIENCE_SECONDS)
        with forked(child) as (_, hear):
            assert hear() == "added"
        thread.join()

    assert titles_at(path, kind) == ["of a thread", "of the child"]


@pytest.mark.parametrize("name", ["nexus.json", "nexus.db"])
def test_a_program_forks_while_a_thread_is_at_the_board_whatever_was_imported_first(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / name)]

    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)

    assert done.stdout == "of a thread, of the child\n"
