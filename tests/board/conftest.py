"""A nexus over a board in memory, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.replay import replay_problems
from tests.fakes import START, FakeClock

RULES = BoardRules(lease_seconds=900, max_lost_leases=3, retry=RetryPolicy(max_attempts=3, jitter="none"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rings() -> list[int]:
    """One entry for each time the bell rang: the newest seq then."""
    return []


@pytest.fixture
def nexus(clock: FakeClock, rings: list[int]) -> TaskNexus:
    store = MemoryStore()
    return TaskNexus(store, clock, rules=RULES, ring=lambda: rings.append(store.last_seq()))


@pytest.fixture
def replayed(nexus: TaskNexus) -> Iterator[None]:
    """When the test is over, the events tell the board as it is."""
    yield
    assert replay_problems(nexus.store.find(TaskQuery(), now=START), nexus.events(limit=10_000)) == ()
