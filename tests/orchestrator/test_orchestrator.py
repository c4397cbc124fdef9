"""A daemon's share of the work: real commands, on a board in a real file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from dreamos_tasks.app.identity import this_process
from dreamos_tasks.board.clock import BoardClock, SteadyClock
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.execution.executor import TaskExecutor
from dreamos_tasks.execution.step_executor import StepExecutor
from dreamos_tasks.execution.surroundings import Surroundings
from dreamos_tasks.execution.verification import Verifier
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.task import Status, TaskDraft
from dreamos_tasks.orchestrator.orchestrator import Orchestrator
from dreamos_tasks.orchestrator.patience import PatientDesk
from dreamos_tasks.stores.sqlite import SqliteStore
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.registry import ToolRegistry
from dreamos_tasks.tools.shell import ShellTool
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("subreaper")
LONG_SECONDS = 3600.0  # longer than any test


class Daemon:
    """The part of a daemon that runs tasks. `commits` holds what each commit has left, `statuses` how each task stands."""

    def __init__(self, folder: Path, *, capacity: int, rules: BoardRules | None = None) -> None:
        self._board = folder / "b.db"
        self._rules = rules
        self.commits: list[list[EventType]] = []
        self.statuses: dict[str, str] = {}
        self.desk = BoardDesk(self._nexus, on_commit=self._committed)
        environment = {"PATH": os.environ.get("PATH", os.defpath)}
        surroundings = Surroundings(workspace=folder, runs=folder / "runs", environment=environment)
        tools = ToolRegistry((ShellTool(Children(home_id=str(folder), instance="test")),))
        steps = StepExecutor(tools, surroundings, now=SteadyClock().now)
        self.orchestrator = Orchestrator(
            self.desk,
            TaskExecutor(PatientDesk(self.desk), steps, Verifier(steps)),
            agent_id="daemon",
            capabilities=(),
            process=this_process("test"),
            capacity=capacity,
            heartbeat_seconds=LONG_SECONDS,
        )

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        await self.desk.start()
        self.orchestrator.start()
        try:
            yield
        finally:
            await self.orchestrator.drain(0.0)
            await self.desk.stop()

    async def add(self, *commands: str, idempotent: bool = False) -> Sequence[str]:
        """A task of one step for each command; gives their ids."""
        drafts = [
            TaskDraft(
                title=command,
                plan=Plan(steps=(Step(name="run", params={"command": command}, idempotent=idempotent),)),
            )
            for command in commands
        ]
        added = await self.desk.write(lambda nexus: nexus.add_tasks(drafts))
        return [task.task_id for task in added]

    def is_done(self) -> bool:
        return bool(self.statuses) and set(self.statuses.values()) == {"completed"}

    def _nexus(self) -> TaskNexus:
        store = SqliteStore.create(self._board)
        return TaskNexus(store, BoardClock(store), rules=self._rules or BoardRules())

    def _committed(self, events: Sequence[Event]) -> None:
        self.commits.append([event.type for event in events])
        for event in events:
            self.statuses[event.task_id] = event.changes.get("status", self.statuses.get(event.task_id, "pending"))
        self.orchestrator.wake()


async def test_the_end_of_one_task_and_the_start_of_the_next_share_a_commit(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, capacity=1)
    async with daemon.at_work():
        await daemon.add("true", "true", "true")
        await until(daemon.is_done)

    start = [EventType.TASK_CLAIMED, EventType.STEP_STARTED]
    end = [EventType.STEP_COMPLETED, EventType.TASK_COMPLETED]
    added = [EventType.TASK_ADDED] * 3
    assert daemon.commits in (
        [added, start, end + start, end + start, end],
        [added + start, end + start, end + start, end],
    )


async def test_while_others_write_it_looks_now_and_then_and_ends_what_runs_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(tmp_path, capacity=2)
    looks: list[int] = []
    at_board = daemon.orchestrator._at_board

    def counted(*asked: Any) -> Any:
        looks.append(1)
        return at_board(*asked)

    monkeypatch.setattr(daemon.orchestrator, "_at_board", counted)
    async with daemon.at_work():
        await until(lambda: looks)
        await daemon.add("while [ ! -e gate ]; do sleep 0.01; done")
        await until(lambda: "in_progress" in daemon.statuses.values())
        monkeypatch.setattr("dreamos_tasks.orchestrator.orchestrator.BREATH_SECONDS", LONG_SECONDS)
        before = len(looks)
        for _ in range(50):
            await daemon.desk.write(lambda nexus: nexus.add_task(TaskDraft(title="for a person")))
        assert len(looks) - before <= 1
        (tmp_path / "gate").touch()
        await until(lambda: "completed" in daemon.statuses.values())


async def test_no_more_tasks_run_than_there_is_room_for(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, capacity=2)
    line = "mkdir a 2>/dev/null || mkdir b 2>/dev/null || exit 1; sleep 0.1; rmdir b 2>/dev/null || rmdir a"
    async with daemon.at_work():
        await daemon.add(*[line] * 6)
        await until(daemon.is_done)


async def test_a_daemon_that_is_full_asks_the_board_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = Daemon(tmp_path, capacity=1)
    async with daemon.at_work():
        await daemon.add("touch began; until test -e go; do sleep 0.02; done", "true")
        await until((tmp_path / "began").exists)
        write = AsyncMock(side_effect=daemon.desk.write)
        monkeypatch.setattr(daemon.desk, "write", write)

        daemon.orchestrator.wake()
        await asyncio.sleep(0)
        await daemon.desk.read(lambda nexus: nexus.store.last_seq())
        write.assert_not_awaited()

        (tmp_path / "go").touch()
        await until(daemon.is_done)


async def test_a_result_that_cannot_be_recorded_holds_up_nobody(tmp_path: Path) -> None:
    """Somebody cancels the task while its command ends: the settling is refused, and the place is free."""
    daemon = Daemon(tmp_path, capacity=1)
    async with daemon.at_work():
        (first,) = await daemon.add("touch began; until test -e go; do sleep 0.02; done")
        await until((tmp_path / "began").exists)
        await daemon.desk.write(lambda nexus: nexus.cancel_task(first, by="ada"))
        (tmp_path / "go").touch()
        (second,) = await daemon.add("true")
        await until(lambda: daemon.statuses[second] == "completed")

        assert daemon.statuses[first] == "cancelled"


async def test_a_drain_lets_what_runs_end_within_its_grace_and_takes_nothing_new(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, capacity=1)
    async with daemon.at_work():
        first, second = await daemon.add("touch began; until test -e go; do sleep 0.02; done", "true")
        await until((tmp_path / "began").exists)
        drained = asyncio.create_task(daemon.orchestrator.drain(LONG_SECONDS))
        await until(lambda: daemon.orchestrator.load().draining)
        (tmp_path / "go").touch()
        await drained

        assert daemon.statuses == {first: "completed", second: "pending"}


async def test_what_does_not_end_within_the_grace_is_put_back(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, capacity=1)
    async with daemon.at_work():
        (first,) = await daemon.add("touch began; sleep 3600")
        await until((tmp_path / "began").exists)
        await daemon.orchestrator.drain(0.05)

        task = await daemon.desk.read(lambda nexus: nexus.get_task_by_id(first))
        assert (task.status, task.claim) == (Status.PENDING, None)


async def test_a_task_whose_lease_was_lost_and_is_claimed_here_again_runs_once_at_a_time(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, capacity=2, rules=BoardRules(lease_seconds=2.0, max_lost_leases=1000))
    command = "if test -e first; then kill -0 $(cat first) && touch both; exit 0; fi; echo $$ > first; sleep 3600"
    async with daemon.at_work():
        await daemon.add(command, idempotent=True)
        await until(daemon.is_done)
        await until(lambda: daemon.orchestrator.load().running == ())

    assert [EventType.TASK_LEASE_EXPIRED in commit for commit in daemon.commits].count(True) >= 1
    assert not (tmp_path / "both").exists()
