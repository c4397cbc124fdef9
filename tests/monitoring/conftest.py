"""Boards for the monitoring tests: each test runs on a board in memory and on one in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamos_tasks.protocols import TaskStore
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.monitoring.fakes import Board


@pytest.fixture(params=["memory", "sqlite"])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Board]:
    store: TaskStore = MemoryStore() if request.param == "memory" else SqliteStore.create(tmp_path / "nexus.db")
    yield Board(store)
    store.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where a board in a file is; two stores opened on it are as two processes."""
    return tmp_path / "nexus.db"
