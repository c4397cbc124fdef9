"""LogWatch: a log that is too large is emptied, and only who reads on and on is an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from dreamos_tasks.app.log_watch import LogWatch
from dreamos_tasks.app.nexus import TaskNexus
from dreamos_tasks.model.task import TaskDraft


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Path]:
    """A board with a log, and a reader that can begin and end."""
    path = tmp_path / "nexus.db"
    with TaskNexus.open(path) as nexus:
        nexus.add_task(TaskDraft(title="x"))
        yield path


@pytest.fixture
def reader(board: Path) -> Iterator[apsw.Connection]:
    with closing(apsw.Connection(str(board))) as connection:
        connection.execute("BEGIN; SELECT count(*) FROM task").fetchall()
        yield connection


def size_of_log(board: Path) -> int:
    return board.with_name("nexus.db-wal").stat().st_size


async def test_who_reads_at_the_moment_of_one_look_is_no_alarm(board: Path, reader: apsw.Connection) -> None:
    watch = LogWatch(board, limit_bytes=0)

    await watch.look()
    assert watch.trouble == ""
    assert size_of_log(board) > 0
    reader.execute("COMMIT").fetchall()
    await watch.look()

    assert (watch.trouble, size_of_log(board)) == ("", 0)


async def test_who_reads_from_one_look_to_the_next_is_one_until_it_ends(board: Path, reader: apsw.Connection) -> None:
    watch = LogWatch(board, limit_bytes=0)

    await watch.look()
    await watch.look()
    assert "keeps an old state of the board open" in watch.trouble
    await watch.look()
    assert watch.trouble
    reader.execute("COMMIT").fetchall()
    await watch.look()

    assert (watch.trouble, size_of_log(board)) == ("", 0)
