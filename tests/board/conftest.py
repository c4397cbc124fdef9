"""A nexus over a board in memory, and a clock that stands still."""

from __future__ import annotations

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.stores.memory import MemoryStore
from tests.fakes import FakeClock

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
