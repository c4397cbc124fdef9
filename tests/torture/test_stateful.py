"""Any sequence of verbs does the same to every kind of store as to a board in memory, and breaks no invariant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.errors import DreamosError, Refused
from dreamos_tasks.model.outcome import Cancelled, Failed, RetryLater, Snoozed, Succeeded
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, StepResult, StepStatus, TaskError
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Priority, ProcessIdentity, Progress, Status, Task, TaskDraft
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.replay import replay_problems
from tests.fakes import FakeClock
from tests.kinds import KINDS, ON_DISK, board_path, make_store, open_store

pytestmark = pytest.mark.torture

LEASE_SECONDS = 100
RULES = BoardRules(
    lease_seconds=LEASE_SECONDS,
    max_lost_leases=3,
    retry=RetryPolicy(max_attempts=3, base_seconds=10, jitter="none"),
)
PLAN = Plan(steps=(Step(name="build"), Step(name="test", needs=("build",))))
PROCESSES = [ProcessIdentity(pid=pid, started_ticks=1, boot_id="boot-1", instance="i") for pid in (7, 8)]
WORDS = (
    "pending",
    "ready",
    "blocked",
    "scheduled",
    "expired",
    "in_progress",
    "completed",
    "failed",
    "stalled",
    "paused",
)

agents = st.sampled_from(["ada", "ben", "daemon"])
tags = st.lists(st.sampled_from(["core", "ui"]), unique=True).map(tuple)
capabilities = st.lists(st.sampled_from(["gpu", "web"]), unique=True).map(tuple)
often = st.sampled_from([True, True, True, False])
recorded = st.sampled_from([StepStatus.RUNNING, StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.SKIPPED])
places = st.integers(0, 30)  # of a task, counted round and round
moments = st.none() | st.integers(-50, 500)  # seconds from now
errors = st.builds(TaskError, category=st.sampled_from(ErrorCategory), message=st.just("broke"))
outcomes = st.one_of(
    st.builds(Succeeded, result=st.sampled_from([None, 1, {"files": ["a"]}])),
    st.builds(Failed, error=errors),
    st.builds(RetryLater, error=errors),
    st.just(Snoozed(reason="drain")),
    st.just(Cancelled(reason="no")),
)
asked = st.fixed_dictionaries(
    {"priority": st.sampled_from(Priority), "tags": tags, "depends_on": st.lists(places, max_size=2)},
    optional={
        "assigned_to": agents,
        "requires": capabilities,
        "plan": st.just(PLAN),
        "not_before": moments,
        "due_at": moments,
        "parent_id": places,
        "retry": st.builds(RetryPolicy, base_seconds=st.integers(0, 20), jitter=st.just("none")),
    },
)


class Boards(RuleBasedStateMachine):
    """Says every verb to a board of one kind and to one in memory, and compares what came of it."""

    kind = "memory"

    @initialize(wanted=st.lists(asked, min_size=3, max_size=8), plain=st.integers(1, 3))
    def make_boards(self, wanted: list[dict[str, Any]], plain: int) -> None:
        self.folder = TemporaryDirectory(prefix="stateful-boards-")  # nobody who tidies up takes it for his own
        self.path = board_path(self.kind, Path(self.folder.name))
        self.clock = FakeClock()
        self.expected = TaskNexus(MemoryStore(), self.clock, rules=RULES)
        self.board = TaskNexus(make_store(self.kind, Path(self.folder.name)), self.clock, rules=RULES)
        self.ids: list[str] = []
        self.tokens: dict[str, int] = {}
        self.number = 0
        for each in [{"depends_on": []}] * plain + wanted:
            draft = self.draft(each)
            self.note(self.both(partial(TaskNexus.add_task, draft=draft)))
        self.both(lambda nexus: nexus.claim_task("t1", "ada"))

    def teardown(self) -> None:
        self.board.close()
        self.folder.cleanup()

    def both(self, act: Callable[[TaskNexus], Any]) -> Any:
        """Act on both boards: the results, or the refusals, are the same."""
        told = [_told(act, nexus) for nexus in (self.expected, self.board)]
        assert told[0] == told[1]
        return told[0]

    def at(self, place: int) -> str:
        return self.ids[place % len(self.ids)] if self.ids else "nobody"

    def later(self, seconds: int | None) -> datetime | None:
        return None if seconds is None else FakeClock(self.clock.now()).advance(seconds)

    def fields(self, wanted: dict[str, Any]) -> dict[str, Any]:
        """What a draft or an edit says, with places and moments made into ids and instants."""
        fields = dict(wanted)
        fields["depends_on"] = tuple(dict.fromkeys(self.at(place) for place in fields["depends_on"]))
        for name in ("not_before", "due_at"):
            if name in fields:
                fields[name] = self.later(fields[name])
        if "parent_id" in fields:
            fields["parent_id"] = self.at(fields["parent_id"])
        return fields

    def draft(self, wanted: dict[str, Any], **more: Any) -> TaskDraft:
        self.number += 1
        return TaskDraft(title=f"task {self.number}", task_id=f"t{self.number}", **self.fields(wanted), **more)

    # -- adding and claiming

    @rule(wanted=asked, dedupe_key=st.sampled_from([None, None, "k1", "k2"]))
    def add(self, wanted: dict[str, Any], dedupe_key: str | None) -> None:
        draft = self.draft(wanted, dedupe_key=dedupe_key)
        self.note(self.both(lambda nexus: nexus.add_task(draft)))

    @rule(wanted=st.lists(asked, min_size=1, max_size=4), is_broken=st.booleans())
    def add_many(self, wanted: list[dict[str, Any]], is_broken: bool) -> None:
        drafts = [self.draft(each) for each in wanted]
        if is_broken:
            drafts.append(TaskDraft(title="x", task_id="broken", depends_on=(drafts[0].task_id, "nowhere")))
        self.note(self.both(lambda nexus: nexus.add_tasks(drafts)))

    def note(self, added: Any) -> None:
        tasks = [added] if isinstance(added, Task) else added
        self.ids += [t.task_id for t in tasks if isinstance(t, Task) and t.task_id not in self.ids]

    @rule(
        agent=agents,
        tags=st.just(()) | tags,
        offers=st.just(("gpu", "web")) | capabilities,
        runs_plans=st.booleans(),
        process=st.sampled_from([None, *PROCESSES]),
    )
    def get_next(
        self, agent: str, tags: tuple[str, ...], offers: tuple[str, ...], runs_plans: bool, process: Any
    ) -> None:
        self.both(
            lambda nexus: nexus.get_next_task(
                agent, tags=tags, capabilities=offers, runs_plans=runs_plans, process=process
            )
        )

    @rule(place=places, agent=agents, offers=st.none() | capabilities)
    def claim(self, place: int, agent: str, offers: tuple[str, ...] | None) -> None:
        self.both(lambda nexus: nexus.claim_task(self.at(place), agent, capabilities=offers))

    # -- under a claim, rightly or wrongly

    def holder(self, place: int, agent: str, rightly: bool) -> tuple[str, dict[str, Any]]:
        """A task, and who says to hold it: who does, if there is a task that somebody holds."""
        held = [task for task in self.expected.get_all_tasks() if task.claim is not None]
        if not rightly or not held:
            return self.at(place), {"agent_id": agent, "token": self.tokens.get(self.at(place))}
        task = held[place % len(held)]
        assert task.claim is not None
        return task.task_id, {"agent_id": task.claim.agent_id} if place % 2 else {"token": task.claim.token}

    @rule(place=places, agent=agents, rightly=often)
    def heartbeat(self, place: int, agent: str, rightly: bool) -> None:
        task_id, who = self.holder(place, agent, rightly)
        self.both(lambda nexus: nexus.heartbeat(task_id, **who))

    @rule(place=places, agent=agents, rightly=often, percent=st.integers(0, 100))
    def progress(self, place: int, agent: str, rightly: bool, percent: int) -> None:
        task_id, who = self.holder(place, agent, rightly)
        self.both(lambda nexus: nexus.record_progress(task_id, Progress(percent=percent), **who))

    @rule(place=places, agent=agents, rightly=often, name=st.sampled_from(["build", "test"]), status=recorded)
    def step(self, place: int, agent: str, rightly: bool, name: str, status: StepStatus) -> None:
        task_id, who = self.holder(place, agent, rightly)
        result = StepResult(name=name, status=status, value={"n": 1})
        self.both(lambda nexus: nexus.record_step(task_id, result, **who))

    @rule(place=places, agent=agents, rightly=often, outcome=outcomes)
    def settle(self, place: int, agent: str, rightly: bool, outcome: Any) -> None:
        task_id, who = self.holder(place, agent, rightly)
        self.both(lambda nexus: nexus.settle(task_id, outcome, **who))

    @rule(place=places, agent=agents, outcome=outcomes, tags=tags)
    def settle_and_go_on(self, place: int, agent: str, outcome: Any, tags: tuple[str, ...]) -> None:
        task_id, who = self.holder(place, agent, rightly=True)
        who = {"agent_id": agent, **who}
        self.both(lambda nexus: nexus.complete_and_claim_next(task_id, outcome, tags=tags, **who))

    @rule(place=places, agent=agents, rightly=often)
    def release(self, place: int, agent: str, rightly: bool) -> None:
        task_id, who = self.holder(place, agent, rightly)
        self.both(lambda nexus: nexus.release_task(task_id, reason="x", **who))

    # -- steering

    @rule(place=places, verb=st.sampled_from(["pause", "resume", "cancel", "retry", "stall", "reassign", "note"]))
    def steer(self, place: int, verb: str) -> None:
        task_id = self.at(place)
        verbs: dict[str, Callable[[TaskNexus], Any]] = {
            "pause": lambda nexus: nexus.pause_task(task_id, by="cli"),
            "resume": lambda nexus: nexus.resume_task(task_id, by="cli"),
            "cancel": lambda nexus: nexus.cancel_task(task_id, by="cli"),
            "retry": lambda nexus: nexus.retry_task(task_id, by="cli"),
            "stall": lambda nexus: nexus.mark_task_stalled(task_id, by="monitor", reason="x"),
            "reassign": lambda nexus: nexus.reassign_task(task_id, by="monitor", reason="x"),
            "note": lambda nexus: nexus.note_stall(task_id, by="monitor", strategy="log_only", reason="x"),
        }
        self.both(verbs[verb])

    @rule(place=places, wanted=asked, names=st.sets(st.sampled_from(["priority", "tags", "depends_on", "not_before"])))
    def edit(self, place: int, wanted: dict[str, Any], names: set[str]) -> None:
        fields = {name: value for name, value in self.fields(wanted).items() if name in names}
        self.both(lambda nexus: nexus.edit_task(self.at(place), fields, by="cli"))

    @rule(seconds=st.sampled_from([0.000001, 1, 10, LEASE_SECONDS / 2, LEASE_SECONDS, 1000]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def expire(self) -> None:
        self.both(lambda nexus: nexus.expire_leases())

    @rule(agent=agents, alive=st.sampled_from(PROCESSES))
    def recover(self, agent: str, alive: ProcessIdentity) -> None:
        self.both(lambda nexus: nexus.recover_claims(agent, is_alive=lambda process: process == alive, by="daemon"))

    # -- the store itself

    @rule(places=st.lists(places, max_size=3), agent=agents, breaks_off=st.booleans())
    def act_together(self, places: list[int], agent: str, breaks_off: bool) -> None:
        def act(nexus: TaskNexus) -> list[Any]:
            told = []
            with nexus.together():
                for task_id in map(self.at, places):
                    told.append(_told(partial(TaskNexus.claim_task, task_id=task_id, agent_id=agent), nexus))
                    told.append(
                        _told(partial(TaskNexus.settle, task_id=task_id, outcome=Succeeded(), agent_id=agent), nexus)
                    )
                if breaks_off:
                    raise Refused("enough")
            return told

        self.both(act)

    @rule()
    def open_again(self) -> None:
        if self.kind in ON_DISK:
            self.board.close()
            self.board = TaskNexus(open_store(self.kind, self.path), self.clock, rules=RULES)

    # -- what must hold

    @invariant()
    def the_boards_are_equal(self) -> None:
        now = self.clock.now()
        for store in (self.expected.store, self.board.store):
            assert [task.claim is not None for task in store.find(TaskQuery(), now=now)] == [
                task.status is Status.IN_PROGRESS for task in store.find(TaskQuery(), now=now)
            ]
        self.both(lambda nexus: list(nexus.store.find(TaskQuery(), now=now)))
        self.both(lambda nexus: list(nexus.events(limit=10_000)))
        self.both(lambda nexus: nexus.store.next_instant(now=now))

    @invariant()
    def lists_and_counts_agree(self) -> None:
        stats = self.both(lambda nexus: nexus.stats())
        tasks = self.both(lambda nexus: nexus.get_all_tasks())
        assert sum(stats["status"].values()) == sum(stats["priority"].values()) == len(tasks)
        for word in WORDS:
            query = TaskQuery(statuses=frozenset({word}), order=Order.QUEUE)
            found = self.both(partial(TaskNexus.find_tasks, query=query))
            if word in stats["status"]:
                assert len(found) == stats["status"][word]
        assert sum(stats["agent"].values()) == stats["status"].get("in_progress", 0)

    @invariant()
    def tokens_only_grow(self) -> None:
        for task in self.board.get_all_tasks():
            assert task.last_token >= self.tokens.get(task.task_id, 0)
            assert task.claim is None or task.claim.token == task.last_token
            self.tokens[task.task_id] = task.last_token

    @invariant()
    def events_tell_the_board(self) -> None:
        tasks = self.board.store.find(TaskQuery(), now=self.clock.now())
        assert replay_problems(tasks, self.board.events(limit=10_000)) == ()


def _told(act: Callable[[TaskNexus], Any], nexus: TaskNexus) -> Any:
    """The result, or what the refusal says."""
    try:
        return act(nexus)
    except DreamosError as error:
        return type(error), error.message, error.cause, error.fix


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_store_is_the_same_board(kind: str, long_run: bool) -> None:
    class OfThisKind(Boards):
        pass

    OfThisKind.kind = kind
    run_state_machine_as_test(
        OfThisKind,
        settings=settings(
            max_examples=400 if long_run else 25,
            stateful_step_count=60 if long_run else 40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
