"""What a task does: a Plan of Steps, each one ToolCall, and what came of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.limits import Usage
from dreamos_tasks.model.undone import Undone
from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.model.constraints import PositiveSeconds, StepCount, StepName, Steps


class StepStatus(StrEnum):
    """Where a step is."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    PAUSED = "paused"


class ErrorCategory(StrEnum):
    """Why something failed, which decides whether trying again can help."""

    TRANSIENT = "transient"  # network, unavailable: the same call may pass later
    CONFIGURATION = "configuration"  # bad parameters, a missing program: never passes unchanged
    PERMISSION = "permission"
    RESOURCE = "resource"  # memory, disk, time, rate
    LOGIC = "logic"  # the work itself is wrong: a command's non-zero exit


def category_from(word: str) -> ErrorCategory:
    """The category of this name. Raises InvalidInput."""
    try:
        return ErrorCategory(word)
    except ValueError:
        raise InvalidInput(
            f"{word!r} is no category of errors", pointer="/category", fix=f"one of: {', '.join(ErrorCategory)}"
        ) from None


class ApprovalMode(StrEnum):
    """Whether a person must agree before a step runs."""

    NONE = "none"
    REQUIRED = "required"


@frozen_value
class TaskError:
    """Why a task or step failed, for a person: what, why, and what may help."""

    category: ErrorCategory
    message: str
    cause: str = ""
    suggestions: tuple[str, ...] = ()
    step: str | None = None


@frozen_value
class Step:
    """One call of one tool. `params` are checked by the tool's own schema."""

    name: StepName
    tool: str = "shell"
    params: Mapping[str, Any] = field(default_factory=dict)
    critical: bool = True
    optional: bool = False
    needs: tuple[str, ...] = ()
    timeout_seconds: PositiveSeconds | None = None
    retry: Mapping[str, Any] = field(default_factory=dict)
    approval: ApprovalMode = ApprovalMode.NONE
    idempotent: bool = False
    fallback: str | None = None
    undo: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@frozen_value
class Plan:
    """The steps of a task.

    Without any `needs` they run one after another, in the list's order. As soon as one step names its needs, or
    `max_concurrent_steps` is set, order is what needs say: steps that do not need each other run side by side, as many as
    `max_concurrent_steps` allows (None: the executor's own limit). `rollback`: when the task fails for good, the changes of
    its steps are undone, newest first, as far as their tools can.
    """

    steps: Steps
    max_concurrent_steps: StepCount | None = None
    rollback: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@frozen_value
class StepResult:
    """How one run of a step went, as the board records it.

    `output_head` and `output_tail` are text (undecodable bytes replaced), a few KiB each; the tail is empty when the head
    holds everything. `output_path` is the captured file, relative to the board's home, or None when nothing was printed.
    `failures` are the categories in which the step has failed so far, this run included; what was only put off is not there.
    `usage` is what its processes used, where its tool can tell. `tool` is the one that it ran through where that is not its
    step's own, but its fallback. `undo` is what its tool needs to take the call back, `undone` what came of doing so.
    """

    name: str
    status: StepStatus
    attempt: int = 1
    token: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int | None = None
    output_head: str = ""
    output_tail: str = ""
    output_bytes: int = 0
    output_path: str | None = None
    value: Any = None
    error: TaskError | None = None
    failures: tuple[ErrorCategory, ...] = ()
    usage: Usage | None = None
    tool: str | None = None
    undo: Any = None
    undone: Undone | None = None


@frozen_value
class Evidence:
    """Proof that a verification passed: what ran, how it ended, and on which commit."""

    step: str
    command: str
    exit_code: int
    log_sha256: str
    git_commit: str | None
    at: datetime


TELLING_WORDS = 3  # of a command: `make -C docs`, `npm run build`
LONGEST_LIKENESS = 60


def likeness_of(step: Step) -> str | None:
    """What a shell step is known by that has no name of its own, but only its place: the first words of its command.

    None for any other. Its past is looked up by it: what `make test` took says nothing of `make deploy`.
    """
    if step.tool != "shell" or not (step.name == "run" or (step.name.startswith("run-") and step.name[4:].isdigit())):
        return None
    command = step.params.get("command")
    words = command.split(maxsplit=TELLING_WORDS) if isinstance(command, str) else list(map(str, command or ()))
    return " ".join(words[:TELLING_WORDS])[:LONGEST_LIKENESS]


def steps_from_run(run: str | list[str] | tuple[str, ...], *, called: str = "run") -> tuple[Step, ...]:
    """The steps of the shorthand `"run": "make test"`: one shell step a line, named by `line_name`."""
    lines = (run,) if isinstance(run, str) else tuple(run)
    return tuple(
        Step(name=line_name(called, number, of=len(lines)), params={"command": line})
        for number, line in enumerate(lines, start=1)
    )


def line_name(called: str, number: int, *, of: int) -> str:
    """The name of a step that is only a shell line: `run`, or `run-1`, `run-2` where there are several."""
    return called if of == 1 else f"{called}-{number}"
