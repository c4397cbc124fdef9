"""Any sequence of verbs does the same to every kind of store as to a board in memory, and breaks no invariant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from dreamos_tasks.board.nexus import BoardRules, TaskNexus
from dreamos_tasks.errors import DreamosError, Refused
from dreamos_tasks.model.outcome import Cancelled, Failed, RetryLater, Snoozed, Succeeded
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, StepResult, StepStatus, TaskError
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Priority, ProcessIdentity, Progress, Status, TaskDraft
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.replay import replay_problems
from tests.fakes import START, FakeClock
from tests.kinds import ON_DISK, board_path, make_store, open_store

pytestmark = pytest.mark.torture

RULES = BoardRules(
    lease_seconds=100, max_lost_leases=3, retry=RetryPolicy(max_attempts=3, base_seconds=10, jitter="none")
)
PLAN = Plan(steps=(Step(name="build"), Step(name="test", needs=("build",))))
PROCESSES = [ProcessIdentity(pid=pid, started_ticks=1, boot_id="boot-1", instance="i") for pid in (7, 8)]
WORDS = ("pending", "ready", "blocked", "scheduled", "expired", "in_progress", "completed", "stalled", "paused")

agents = st.sampled_from(["ada", "ben", "daemon"])
tags = st.lists(st.sampled_from(["core", "ui"]), unique=True).map(tuple)
capabilities = st.lists(st.sampled_from(["gpu", "web"]), unique=True).map(tuple)
places = st.integers(0, 30)  # of a task, counted round and round
instants = st.none() | st.integers(-50, 500)
errors = st.builds(TaskError, category=st.sampled_from(ErrorCategory), message=st.just("broke"))
outcomes = st.one_of(
    st.builds(Succeeded, result=st.sampled_from([None, 1, {"files": ["a"]}])),
    st.builds(Failed, error=errors),
    st.builds(RetryLater, error=errors),
    st.just(Snoozed(reason="drain")),
    st.just(Cancelled(reason="no")),
)


class Boards(RuleBasedStateMachine):
    """Says every verb to a board of one kind and to one in memory, and compares what came of it."""

    kind = "memory"

    @initialize()
    def make_boards(self) -> None:
        self.folder = TemporaryDirectory()
        self.clock = FakeClock()
        self.expected = TaskNexus(MemoryStore(), self.clock, rules=RULES)
        self.board = TaskNexus(make_store(self.kind, Path(self.folder.name)), self.clock, rules=RULES)
        self.ids: list[str] = []
        self.tokens: dict[str, int] = {}

    def teardown(self) -> None:
        self.board.close()
        self.folder.cleanup()

    def both(self, act: Callable[[TaskNexus], Any]) -> Any:
        """Act on both boards; the results, or the refusals, are the same."""
        told = []
        for nexus in (self.expected, self.board):
            try:
                told.append(act(nexus))
            except DreamosError as error:
                told.append((type(error), error.message, error.cause, error.fix))
        assert told[0] == told[1]
        return told[0]

    def at(self, place: int) -> str:
        return self.ids[place % len(self.ids)] if self.ids else "nobody"

    def draft(self, number: int, asked: dict[str, Any]) -> TaskDraft:
        asked = dict(asked)
        for name in ("not_before", "due_at"):
            if asked[name] is not None:
                asked[name] = self.clock.advance(0) + (self.clock.now() - self.clock.now()) if False else asked[name]
        return TaskDraft(title=f"task {number}", task_id=f"t{number}", **asked)

    # -- verbs

    @rule(
        priority=st.sampled_from(Priority),
        tags=tags,
        needs=st.lists(places, max_size=2),
        assigned_to=st.none() | agents,
        requires=capabilities,
        plan=st.none() | st.just(PLAN),
        later=instants,
        due=instants,
        dedupe_key=st.sampled_from([None, None, "k1", "k2"]),
        parent=st.none() | places,
    )
    def add(self, **asked: Any) -> None:
        number = len(self.ids)
        needs = tuple(dict.fromkeys(self.at(place) for place in asked["needs"])) if self.ids else ()
        draft = TaskDraft(
            title=f"task {number}",
            task_id=f"t{number}",
            priority=asked["priority"],
            tags=asked["tags"],
            depends_on=needs,
            assigned_to=asked["assigned_to"],
            requires=asked["requires"],
            plan=asked["plan"],
            not_before=self.instant(asked["later"]),
            due_at=self.instant(asked["due"]),
            dedupe_key=asked["dedupe_key"],
            parent_id=self.at(asked["parent"]) if asked["parent"] is not None and self.ids else None,
        )
        task = self.both(lambda nexus: nexus.add_task(draft))
        if task.task_id not in self.ids:
            self.ids.append(task.task_id)
        else:
            self.ids.append(self.ids[0])  # the number is spent

    def instant(self, seconds: int | None) -> Any:
        return None if seconds is None else FakeClock(self.clock.now()).advance(seconds)
