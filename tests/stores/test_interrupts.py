"""Ctrl-C at the worst moments of a verb, in a program that goes on after it: a notebook, a shell, a server of its own."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.stores.file_lock import FileLock
from dreamos_tasks.stores.sqlite_session import SqliteSession
from tests.kinds import board_path, make_store, open_store

FREE_SECONDS = 5.0  # a lock that nobody holds is had at once
MOMENTS = (
    ("json", "return", "acquire", ""),  # the lock has been taken
    ("sqlite", "return", "acquire", ""),
    ("sqlite", "c_return", "acquire", "flock"),
    ("sqlite", "c_return", SqliteSession._begin.__name__, "execute"),  # the transaction has just begun
    ("sqlite", "call", SqliteSession._commit.__name__, ""),
)


@contextmanager
def interrupted(event: str, function: str, called: str = "") -> Iterator[None]:
    """Ctrl-C arrives at the first such moment: in the function, after it called `called`. It must arrive."""
    wanted = (event, function, called)

    def tick(frame: FrameType, event: str, arg: Any) -> None:
        code: CodeType = frame.f_code
        name = arg.__name__ if event.startswith("c_") else ""
        if (event, code.co_name, name) == wanted:
            sys.setprofile(None)
            raise KeyboardInterrupt

    sys.setprofile(tick)
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        sys.setprofile(None)
    pytest.fail(f"there was no such moment: {wanted}")


@pytest.mark.parametrize(("kind", "event", "function", "called"), MOMENTS)
def test_an_interrupted_verb_leaves_the_board_to_all(
    kind: str, event: str, function: str, called: str, tmp_path: Path
) -> None:
    path = board_path(kind, tmp_path)
    with (
        closing(make_store(kind, tmp_path)) as store,
        closing(open_store(kind, path, lock_timeout_seconds=FREE_SECONDS)) as also,
    ):
        nexus, other = TaskNexus(store, BoardClock(store)), TaskNexus(also, BoardClock(also))
        nexus.add_task(TaskDraft(title="before"))

        with interrupted(event, function, called):
            nexus.add_task(TaskDraft(title="interrupted"))

        other.add_task(TaskDraft(title="of another"))
        nexus.add_task(TaskDraft(title="of mine"))
        told = [task.title for task in other.get_all_tasks()]
        assert told == ["before", "of another", "of mine"]


def test_a_wait_for_the_lock_that_is_broken_off_takes_it_from_nobody(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    holder, waiter, other = (FileLock(path, timeout_seconds=FREE_SECONDS) for _ in range(3))
    with closing(holder), closing(waiter), closing(other):
        holder.acquire()

        with interrupted("return", threading.Thread.start.__name__):
            waiter.acquire()

        holder.release()
        other.acquire()
        other.release()
        waiter.acquire()
