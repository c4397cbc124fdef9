"""Inboxes over a board in memory and over one in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dreamos_tasks.protocols import TaskStore
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.intake.dropping import Box


@pytest.fixture(params=["memory", "sqlite"])
async def box(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Box]:
    """An inbox, its watcher not started."""
    store: TaskStore = MemoryStore() if request.param == "memory" else SqliteStore.create(tmp_path / "nexus.db")
    box = Box(tmp_path, store)
    await box.desk.start()
    yield box
    await box.watcher.stop()
    await box.desk.stop()
    store.close()


@pytest.fixture
async def watched(box: Box) -> Box:
    """An inbox that is watched."""
    await box.watcher.start()
    return box
