"""Stores of every kind, and a nexus with a fake clock over each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.protocols import TaskStore
from dreamos_tasks.stores.json_file import JsonStore
from tests.fakes import FakeClock
from tests.kinds import KINDS, ON_DISK, make_store
from tests.nursery import nursery


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=ON_DISK)
def kind_on_disk(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def agents() -> Iterator[None]:
    """Agents in processes of their own can be started."""
    with nursery():
        yield


@pytest.fixture
def store(kind: str, tmp_path: Path) -> Iterator[TaskStore]:
    with closing(make_store(kind, tmp_path)) as made:
        yield made


@pytest.fixture
def nexus(store: TaskStore, clock: FakeClock) -> TaskNexus:
    return TaskNexus(store, clock)


@pytest.fixture
def json_path(tmp_path: Path) -> Path:
    return tmp_path / "nexus.json"


@pytest.fixture
def open_json(json_path: Path, clock: FakeClock) -> Iterator[Callable[[], TaskNexus]]:
    """Opens the JSON board once more, as another process would."""
    with ExitStack() as stack:
        yield lambda: TaskNexus(stack.enter_context(closing(JsonStore.create(json_path))), clock)
