"""One task at a time, run by a real executor with real commands, on a board in memory whose time is told."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.execution.executor import TaskExecutor
from dreamos_tasks.execution.permits import ApprovalRules
from dreamos_tasks.execution.step_executor import StepExecutor
from dreamos_tasks.execution.surroundings import Surroundings
from dreamos_tasks.execution.verification import Verifier
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Task, TaskDraft
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.files import FilesTool
from dreamos_tasks.tools.http import HttpTool
from dreamos_tasks.tools.registry import ToolRegistry
from dreamos_tasks.tools.shell import ShellTool
from tests.fakes import FakeClock

Result = TypeVar("Result")
RETRY = RetryPolicy(max_attempts=3, base_seconds=10, jitter="none")


@dataclass
class Workbench:
    """The board, the executor, and a folder that steps run in."""

    folder: Path
    secrets: Mapping[str, str] = field(default_factory=dict)
    rules: ApprovalRules = field(default_factory=ApprovalRules)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.nexus = TaskNexus(MemoryStore(), self.clock, rules=BoardRules(lease_seconds=10**6, retry=RETRY))
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        surroundings = Surroundings(workspace=self.folder, runs=self.folder / "runs", environment=environment)
        children = Children(home_id=str(self.folder), instance="test")
        files = FilesTool(children, closed=(self.folder / "runs",))
        tools = ToolRegistry((ShellTool(children), files, HttpTool(now=self.clock.now)))
        self.steps = steps = StepExecutor(
            tools, surroundings, now=self.clock.now, approvals=self.rules, secrets=lambda: self.secrets
        )
        self.executor = TaskExecutor(self, steps, Verifier(steps), retry=RETRY)

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        """See Desk."""
        return act(self.nexus)

    async def write(self, act: Callable[[TaskNexus], Result]) -> Result:
        """See Desk."""
        return act(self.nexus)

    def add(self, *steps: Step, plan: Mapping[str, Any] | None = None, **more: Any) -> Task:
        """The task `a` with these steps."""
        draft = TaskDraft(title="x", task_id="a", plan=Plan(steps=steps, **(plan or {})), **more)
        return self.nexus.add_task(draft)

    @property
    def task(self) -> Task:
        """The task as it is now."""
        return self.nexus.get_task_by_id("a")

    def due(self) -> Sequence[Task]:
        """The tasks whose changes are to be taken back."""
        return self.nexus.find_tasks(TaskQuery(statuses=frozenset({"rolling_back"})))

    def claim(self) -> Task:
        """Claim the task as the daemon does."""
        claimed = self.nexus.get_next_task("daemon", runs_plans=True, first_step=self.executor.first_step)
        assert claimed is not None, self.task
        return claimed

    async def attempt(self) -> Task:
        """One attempt at the task."""
        return await self.executor.run(self.claim())

    def statuses(self) -> dict[str, str]:
        """How each step stands."""
        return {record.name: record.status.value for record in self.task.steps}

    def log(self) -> list[str]:
        """The lines that steps have written into the file `log`."""
        file = self.folder / "log"
        return file.read_text().splitlines() if file.exists() else []


def shell(name: str, command: str, **more: Any) -> Step:
    """A shell step."""
    return Step(name=name, params={"command": command}, **more)
