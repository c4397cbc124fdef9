"""Steps that share a tool or a host: left alone when it fails, held to a rate and a number, done otherwise if they can."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.execution.executor import TaskExecutor
from dreamos_tasks.execution.gates import SharedLimits, StepGates
from dreamos_tasks.execution.step_executor import StepExecutor
from dreamos_tasks.execution.surroundings import Surroundings
from dreamos_tasks.execution.verification import Verifier
from dreamos_tasks.model.breaker import BreakerRule, Position
from dreamos_tasks.model.hold import WaitKind
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, StepStatus
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Status, Task, TaskDraft
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.tools.registry import ToolRegistry
from tests.fakes import FakeClock, at

Result = TypeVar("Result")
RULE = BreakerRule(failures=2, window_seconds=60, open_seconds=30)
REFUSED = ToolResult(category=ErrorCategory.TRANSIENT, message="connection refused")
DONE = ToolResult(value="done")


@dataclass
class Caller:
    """A tool that calls a host; what the host answers is told by the test."""

    name: str = "call"
    answers: dict[str, ToolResult] = field(default_factory=dict)
    health_now: Health = field(default_factory=lambda: Health(ok=True))
    asked_for_health: int = 0
    calls: list[str] = field(default_factory=list)
    gate: asyncio.Event | None = None  # when there is one, calls last until it is set
    called: asyncio.Event = field(default_factory=asyncio.Event)

    def params_schema(self) -> Mapping[str, object]:
        return {"type": "object"}

    def validate(self, _params: Mapping[str, object]) -> Sequence[ParamProblem]:
        return ()

    def estimate(self, _params: Mapping[str, object]) -> Estimate:
        return Estimate()

    def resource_of(self, params: Mapping[str, object]) -> str | None:
        return str(params["host"]) if "host" in params else None

    async def health(self) -> Health:
        self.asked_for_health += 1
        return self.health_now

    async def execute(self, params: Mapping[str, object], context: ToolContext) -> ToolResult:
        host = str(params.get("host", ""))
        self.calls.append(f"{context.task_id} {host}")
        self.called.set()
        if self.gate is not None:
            await self.gate.wait()
        return self.answers.get(host, DONE)


class Bench:
    """A board in memory whose time is told, and an executor with two tools."""

    def __init__(self, folder: Path, **limits: Any) -> None:
        self.clock = FakeClock()
        self.call, self.other = Caller(), Caller(name="other")
        retry = RetryPolicy(max_attempts=2, base_seconds=10, jitter="none")
        self.nexus = TaskNexus(MemoryStore(), self.clock, rules=BoardRules(lease_seconds=10**6, retry=retry))
        tools = ToolRegistry((self.call, self.other))
        shared = SharedLimits(**{"breaker": RULE, **limits})
        steps = StepExecutor(
            tools,
            Surroundings(workspace=folder, runs=folder / "runs", environment={}),
            now=self.clock.now,
            gates=StepGates(tools, now=self.clock.now, limits={"call": shared, "other": shared}),
        )
        self.executor = TaskExecutor(self, steps, Verifier(steps), retry=retry)

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        return act(self.nexus)

    async def write(self, act: Callable[[TaskNexus], Result]) -> Result:
        return act(self.nexus)

    def add(self, *task_ids: str, host: str = "a", step: Mapping[str, Any] | None = None) -> None:
        for task_id in task_ids:
            call = Step(name="call", tool="call", params={"host": host}, **(step or {}))
            self.nexus.add_task(TaskDraft(title="x", task_id=task_id, plan=Plan(steps=(call,))))

    def claim(self, task_id: str) -> Task:
        return self.nexus.claim_task(task_id, "daemon", first_step=self.executor.first_step)

    async def attempt(self, task_id: str) -> Task:
        return await self.executor.run(self.claim(task_id))

    async def fail(self, *task_ids: str, host: str = "a") -> None:
        """So many tasks try the host and are refused."""
        self.call.answers[host] = REFUSED
        for task_id in task_ids:
            self.add(task_id, host=host)
            await self.attempt(task_id)

    def gate(self, key: str) -> Any:
        return next((gate for gate in self.nexus.gates() if gate.key == key), None)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_a_host_that_fails_is_left_alone_and_other_hosts_are_not(bench: Bench) -> None:
    await bench.fail("a1", "a2")
    assert bench.gate("call a").breaker is Position.OPEN

    bench.add("a3")
    waiting = await bench.attempt("a3")
    assert (waiting.status, waiting.claim, waiting.not_before) == (Status.PENDING, None, at(30))
    assert waiting.gate_wait is not None
    assert waiting.gate_wait.kind is WaitKind.BREAKER
    assert (waiting.failures, waiting.deferrals, waiting.steps) == (0, 0, ())
    assert "connection refused" in " ".join(bench.nexus.waiting_for(waiting))

    bench.add("b1", host="b")
    assert (await bench.attempt("b1")).status is Status.COMPLETED
    assert bench.call.calls == ["a1 a", "a2 a", "b1 b"]


async def test_one_probe_goes_through_and_its_answer_lets_all_go_on(bench: Bench) -> None:
    await bench.fail("a1", "a2")
    for task_id in ("a3", "a4", "a5"):
        bench.add(task_id)
        await bench.attempt(task_id)
    bench.clock.advance(33)
    bench.call.answers.clear()
    bench.call.gate = asyncio.Event()
    bench.call.called.clear()
    probing = asyncio.create_task(bench.attempt("a3"))
    await bench.call.called.wait()

    late = await bench.attempt("a4")
    assert late.status is Status.PENDING
    assert bench.gate("call a").probe == "a3"
    assert bench.call.calls[2:] == ["a3 a"]

    bench.call.gate.set()
    assert (await probing).status is Status.COMPLETED
    assert bench.gate("call a") is None
    assert [bench.nexus.fetch(name).not_before for name in ("a4", "a5")] == [None, None]
    assert (await bench.attempt("a5")).status is Status.COMPLETED


async def test_a_probe_that_fails_opens_the_breaker_again(bench: Bench) -> None:
    await bench.fail("a1", "a2")
    bench.clock.advance(31)
    await bench.fail("a3")
    assert bench.gate("call a").open_until == at(61)


async def test_a_probe_that_is_killed_makes_room_for_another(bench: Bench) -> None:
    await bench.fail("a1", "a2")
    bench.clock.advance(31)
    bench.add("a3", "a4")
    bench.call.gate = asyncio.Event()
    bench.call.called.clear()
    probing = asyncio.create_task(bench.attempt("a3"))
    await bench.call.called.wait()
    probing.cancel()
    await asyncio.wait([probing])
    bench.call.gate = None
    assert (await bench.attempt("a4")).status is Status.PENDING, "nobody knows that it is dead"

    bench.nexus.recover_claims("daemon", is_alive=lambda _: False, by="daemon")
    bench.nexus.reassign_task("a3", by="monitor", reason="dead")
    bench.clock.advance(10)
    bench.call.answers.clear()
    assert (await bench.attempt("a4")).status is Status.COMPLETED


async def test_a_fallback_is_used_while_the_breaker_is_open_and_the_record_says_so(bench: Bench) -> None:
    await bench.fail("a1", "a2")
    bench.add("a3", step={"fallback": "other"})
    done = await bench.attempt("a3")
    assert (done.status, done.steps[0].tool) == (Status.COMPLETED, "other")
    assert bench.other.calls == ["a3 a"]


async def test_a_fallback_is_used_when_the_tool_is_not_well_and_that_is_asked_once_in_a_while(bench: Bench) -> None:
    bench.call.health_now = Health(ok=False, detail="no certificates")
    bench.add("a1", "a2", step={"fallback": "other"})
    done = await bench.attempt("a1")
    assert (done.status, done.steps[0].tool, bench.call.calls) == (Status.COMPLETED, "other", [])
    await bench.attempt("a2")
    assert bench.call.asked_for_health == 1

    bench.clock.advance(31)
    bench.call.health_now = Health(ok=True)
    bench.add("a3", step={"fallback": "other"})
    assert (await bench.attempt("a3")).steps[0].tool is None
    assert bench.call.asked_for_health == 2


async def test_how_a_tool_is_is_not_asked_for_a_step_that_has_no_choice(bench: Bench) -> None:
    bench.call.health_now = Health(ok=False, detail="no certificates")
    bench.add("a1")
    assert (await bench.attempt("a1")).status is Status.COMPLETED
    assert bench.call.asked_for_health == 0


async def test_when_the_fallback_is_left_alone_too_the_task_waits(bench: Bench) -> None:
    await bench.fail("a1", "a2")
    bench.other.answers["a"] = REFUSED
    for task_id in ("a3", "a4"):
        bench.add(task_id, step={"fallback": "other"})
        await bench.attempt(task_id)
    bench.add("a5", step={"fallback": "other"})
    waiting = await bench.attempt("a5")
    assert (waiting.status, waiting.not_before) == (Status.PENDING, at(30))


async def test_an_optional_step_is_skipped_with_the_reason(bench: Bench) -> None:
    await bench.fail("a1", "a2")
    bench.add("a3", step={"optional": True})
    done = await bench.attempt("a3")
    assert (done.status, done.steps[0].status) == (Status.COMPLETED, StepStatus.SKIPPED)
    assert done.steps[0].error is not None
    assert "call a fails and is left alone" in done.steps[0].error.message


async def test_what_waits_for_room_is_woken_by_whoever_leaves(tmp_path: Path) -> None:
    bench = Bench(tmp_path, most=1)
    bench.add("a1", "a2", "a3")
    bench.call.gate = asyncio.Event()
    bench.call.called.clear()
    first = asyncio.create_task(bench.attempt("a1"))
    await bench.call.called.wait()
    for task_id in ("a2", "a3"):
        waiting = await bench.attempt(task_id)
        assert waiting.gate_wait is not None
        assert waiting.gate_wait.kind is WaitKind.ROOM
    assert "place 2 in line" in bench.nexus.waiting_for(bench.nexus.fetch("a3"))[0]

    bench.call.gate.set()
    assert (await first).status is Status.COMPLETED
    assert [bench.nexus.fetch(name).not_before is None for name in ("a2", "a3")] == [True, False]
    assert (await bench.attempt("a2")).status is Status.COMPLETED
    assert (await bench.attempt("a3")).status is Status.COMPLETED


async def test_room_that_was_made_before_the_task_was_let_go_is_not_missed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, most=1)
    bench.add("a1", "a2")
    bench.call.gate = asyncio.Event()
    bench.call.called.clear()
    first = asyncio.create_task(bench.attempt("a1"))
    await bench.call.called.wait()
    end = await bench.executor.attempt(bench.claim("a2"))  # refused, and not yet on the board
    bench.call.gate.set()
    await first
    assert end.settle(bench.nexus).not_before is None


async def test_side_by_side_steps_share_the_room_and_none_is_forgotten(tmp_path: Path) -> None:
    bench = Bench(tmp_path, most=2)
    steps = tuple(Step(name=f"s{n}", tool="call", params={"host": "a"}) for n in range(5))
    bench.nexus.add_task(TaskDraft(title="x", task_id="a", plan=Plan(steps=steps, max_concurrent_steps=5)))
    done = await bench.attempt("a")
    assert done.status is Status.COMPLETED
    assert [record.status for record in done.steps] == [StepStatus.COMPLETED] * 5


async def test_a_step_that_was_cut_and_is_held_back_does_not_run(tmp_path: Path) -> None:
    bench = Bench(tmp_path, most=1)
    bench.add("a1", step={"idempotent": True})
    bench.add("a2")
    bench.call.gate = asyncio.Event()
    cut = asyncio.create_task(bench.attempt("a1"))
    await bench.call.called.wait()
    cut.cancel()
    await asyncio.wait([cut])
    bench.nexus.reassign_task("a1", by="monitor", reason="its daemon died")
    bench.call.called.clear()
    other = asyncio.create_task(bench.attempt("a2"))
    await bench.call.called.wait()

    async with asyncio.timeout(30):  # if it ran, it would wait for the gate
        assert (await bench.attempt("a1")).status is Status.PENDING
    assert bench.call.calls == ["a1 a", "a2 a"]
    bench.call.gate.set()
    await other
    assert (await bench.attempt("a1")).status is Status.COMPLETED


async def test_as_many_are_woken_as_places_have_come_free(tmp_path: Path) -> None:
    bench = Bench(tmp_path, most=2)
    steps = tuple(Step(name=f"s{n}", tool="call", params={"host": "a"}) for n in range(2))
    bench.nexus.add_task(TaskDraft(title="x", task_id="both", plan=Plan(steps=steps, max_concurrent_steps=2)))
    bench.add("a1", "a2", "a3")
    bench.call.gate = asyncio.Event()
    both = asyncio.create_task(bench.attempt("both"))
    await bench.call.called.wait()
    for task_id in ("a1", "a2", "a3"):
        await bench.attempt(task_id)
    bench.call.gate.set()
    await both
    assert [bench.nexus.fetch(name).not_before is None for name in ("a1", "a2", "a3")] == [True, True, False]


async def test_who_waits_is_pending_since_it_was_not_since_it_was_last_put_off(bench: Bench) -> None:
    await bench.fail("a1", "a2")
    bench.add("a3")
    for _ in range(3):
        await bench.attempt("a3")
        bench.nexus.edit_task("a3", {"not_before": None}, by="cli")
        bench.clock.advance(5)
    assert bench.nexus.fetch("a3").pending_since == at(0)


async def test_a_rate_puts_tasks_off_until_their_own_instants(tmp_path: Path) -> None:
    bench = Bench(tmp_path, per_minute=2)
    for index, task_id in enumerate(("a1", "a2", "a3", "a4", "a5")):
        bench.add(task_id)
        task = await bench.attempt(task_id)
        assert task.status is (Status.COMPLETED if index < 2 else Status.PENDING)
        bench.clock.advance(1)
    assert [bench.nexus.fetch(name).not_before for name in ("a3", "a4", "a5")] == [at(60), at(61), at(120)]
    assert bench.gate("call").waiting == 3

    bench.clock.advance(55.5)
    assert (await bench.attempt("a3")).status is Status.COMPLETED


async def test_each_host_has_its_own_rate_beside_that_of_the_tool(tmp_path: Path) -> None:
    bench = Bench(tmp_path, per_minute_per_host=1, per_minute=2)
    ends = []
    for task_id, host in (("a1", "a"), ("a2", "a"), ("b1", "b"), ("c1", "c")):
        bench.add(task_id, host=host)
        ends.append((await bench.attempt(task_id)).status)
    assert ends == [Status.COMPLETED, Status.PENDING, Status.COMPLETED, Status.PENDING]
    waits = [bench.nexus.fetch(name).gate_wait for name in ("a2", "c1")]
    assert [wait.gate if wait else None for wait in waits] == ["call a", "call"]


async def test_a_step_without_limits_leaves_nothing_on_the_board(tmp_path: Path) -> None:
    bench = Bench(tmp_path, breaker=None)
    bench.add("a1")
    await bench.attempt("a1")
    assert bench.nexus.store.all_kept("gate") == {}


async def test_answers_leave_nothing_on_the_board_while_the_breaker_is_closed(bench: Bench) -> None:
    bench.add("a1")
    await bench.attempt("a1")
    assert bench.nexus.store.all_kept("gate") == {}
