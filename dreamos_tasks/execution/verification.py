"""Verification: the gate before `completed`, whoever did the work."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from dreamos_tasks.execution.error_handler import output_excerpt
from dreamos_tasks.execution.step_executor import StepExecutor
from dreamos_tasks.model.plan import ApprovalMode, ErrorCategory, Evidence, Step, TaskError
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.tool import ToolResult

GIT_TIMEOUT_SECONDS = 10.0
OF_NOTHING = sha256(b"").hexdigest()  # the log of a check that printed nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the verification steps said: the evidence of the green ones, and the first red one's error.

    `is_broken_off`: it was asked to stop between two of them; they are made anew another time.
    """

    evidence: tuple[Evidence, ...]
    error: TaskError | None = None
    is_broken_off: bool = False


async def _goes_on() -> bool:
    return False


class Verifier:
    """Runs the `verify` steps of a task in its workspace."""

    def __init__(self, steps: StepExecutor) -> None:
        self._steps = steps

    async def verify(self, task: Task, *, token: int, is_to_stop: Callable[[], Awaitable[bool]] = _goes_on) -> Verdict:
        """Run them in order up to the first red one. `is_to_stop` is asked after each green one."""
        if not task.verify:
            return Verdict(evidence=())
        commit = await git_commit(self._steps.surroundings.cwd_of(task))
        evidence: list[Evidence] = []
        for step in task.verify:
            result = self._unasked(step) or await self._steps.call(
                task, step, token=token, attempt=task.attempt, verifying=True
            )
            if result.category is not None:
                return Verdict(evidence=tuple(evidence), error=_red(step, result))
            evidence.append(
                Evidence(
                    step=step.name,
                    command=command_text(step),
                    exit_code=result.exit_code or 0,
                    log_sha256=result.output_sha256 or OF_NOTHING,
                    git_commit=commit,
                    at=self._steps.now(),
                )
            )
            if await is_to_stop():
                return Verdict(evidence=tuple(evidence), is_broken_off=True)
        return Verdict(evidence=tuple(evidence))

    def _unasked(self, step: Step) -> ToolResult | None:
        """Why a check is not made: nobody is asked about checks, so what people must be asked about is none."""
        danger = self._steps.danger_of(step)
        if danger is None and step.approval is not ApprovalMode.REQUIRED:
            return None
        reasons = danger.reasons if danger is not None else ("it asks for approval",)
        return ToolResult(
            category=ErrorCategory.PERMISSION,
            message=f"it was not run: {'; '.join(reasons)}",
            cause="a check runs without asking anybody",
            suggestions=("make it a step of the plan: people are asked before it runs",),
        )


def command_text(step: Step) -> str:
    """The call of a step in one line, for people."""
    command = step.params.get("command")
    if isinstance(command, str):
        return command
    if isinstance(command, list | tuple):
        return shlex.join(map(str, command))
    return f"{step.tool} {dict(step.params)}"


async def git_commit(folder: Path) -> str | None:
    """The commit checked out in the folder, None outside a repository or without git."""
    try:
        process = await asyncio.create_subprocess_exec(
            "git", "-C", str(folder), "rev-parse", "--verify", "HEAD",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    try:
        async with asyncio.timeout(GIT_TIMEOUT_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return output.decode("ascii", "replace").strip() or None if process.returncode == 0 else None


def _red(step: Step, result: ToolResult) -> TaskError:
    return TaskError(
        category=ErrorCategory.LOGIC if result.category is None else result.category,
        message=f"verification {step.name!r} did not pass: {result.message}",
        cause=output_excerpt(result) or result.cause,
        suggestions=result.suggestions,
        step=step.name,
    )
