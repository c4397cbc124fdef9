"""Surroundings: where a task's steps run, in which environment, and where their output is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dreamos_tasks.execution.error_handler import reductions
from dreamos_tasks.model.limits import NO_LIMITS, Limits
from dreamos_tasks.model.plan import Step
from dreamos_tasks.model.ruling import record_of
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.task_limits import lesser
from dreamos_tasks.model.tool import ToolContext

VERIFY_PREFIX = "verify-"  # keeps the log of a verification apart from that of a step of the same name


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What all tasks of one board have in common.

    `workspace` is what a relative `context.cwd` is relative to; `environment` is what children get of the daemon's own.
    `limits`, `output_limit_bytes` and the timeouts are the most that a task may have: its own limits may ask for less.
    """

    workspace: Path
    runs: Path
    environment: Mapping[str, str]
    grace_seconds: float = 5.0
    output_limit_bytes: int = 10 * 1024 * 1024
    limits: Limits = NO_LIMITS
    timeouts_seconds: Mapping[str, float] = field(default_factory=dict)  # by tool, for steps that name none
    default_timeout_seconds: float | None = None  # for all others

    def for_step(self, task: Task, step: Step, *, token: int, attempt: int, verifying: bool = False) -> ToolContext:
        """The surroundings of one run of one step."""
        name = VERIFY_PREFIX + step.name if verifying else step.name
        timeout = step.timeout_seconds or self.timeouts_seconds.get(step.tool, self.default_timeout_seconds)
        return ToolContext(
            task_id=task.task_id,
            token=token,
            step=name,
            attempt=attempt,
            cwd=self.cwd_of(task),
            run_dir=Path(f"{self.runs}/{task.task_id}/{token}"),
            environment={
                **self.environment,
                "DREAMOS_TASKS_TASK_ID": task.task_id,
                "DREAMOS_TASKS_TOKEN": str(token),
                "DREAMOS_TASKS_STEP": name,
                "DREAMOS_TASKS_ATTEMPT": str(attempt),
                "DREAMOS_TASKS_REDUCE": str(reductions(record_of(task, step.name))),
            },
            timeout_seconds=lesser("wall_seconds", timeout, task.limits),
            grace_seconds=self.grace_seconds,
            output_limit_bytes=lesser("output_bytes", self.output_limit_bytes, task.limits),
            limits=self.limits.lowered(task.limits) if task.limits else self.limits,
        )

    def cwd_of(self, task: Task) -> Path:
        """The task's own folder: `context.cwd`, seen from the workspace."""
        cwd = task.context.get("cwd")
        return self.workspace / str(cwd) if cwd else self.workspace
