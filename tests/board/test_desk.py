"""BoardDesk: in what order those who ask the board at the same moment are answered."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dreamos_tasks import TaskNexus
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.model.task import TaskDraft
from tests.waiting import PATIENCE_SECONDS

DRAFT = TaskDraft(title="a task")


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[BoardDesk]:
    desk = BoardDesk(lambda: TaskNexus.open(tmp_path / "nexus.db"))
    await desk.start()
    yield desk
    await desk.stop()


async def test_who_reads_does_not_wait_for_the_commit_of_who_asked_later(desk: BoardDesk) -> None:
    busy, looked = threading.Event(), threading.Event()
    first = asyncio.create_task(desk.read(lambda _: busy.wait(PATIENCE_SECONDS)))
    look = asyncio.create_task(desk.read(lambda nexus: nexus.events()))
    look.add_done_callback(lambda _: looked.set())
    add = asyncio.create_task(desk.write(lambda nexus: looked.wait(PATIENCE_SECONDS) and nexus.add_task(DRAFT)))
    await asyncio.sleep(0)
    busy.set()
    assert await first
    assert await look == []
    assert await add


async def test_who_reads_after_a_write_finds_what_was_written(desk: BoardDesk) -> None:
    busy = threading.Event()
    first = asyncio.create_task(desk.read(lambda _: busy.wait(PATIENCE_SECONDS)))
    add = asyncio.create_task(desk.write(lambda nexus: nexus.add_task(DRAFT)))
    look = asyncio.create_task(desk.read(lambda nexus: nexus.events()))
    await asyncio.sleep(0)
    busy.set()
    await asyncio.gather(first, add)
    assert len(await look) == 1
