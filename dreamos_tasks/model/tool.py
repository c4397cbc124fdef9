"""What passes between the executor and a tool: the call's surroundings, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from dreamos_tasks.model.limits import NO_LIMITS, Limits, Usage
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.value import frozen_value


@frozen_value
class ToolContext:
    """Where and for whom a tool runs.

    `cwd` is the task's workspace: a tool that handles files itself stays within it.
    `run_dir` is this claim's folder (`runs/<task>/<token>`); it may not exist yet: a tool makes it when it has something
    to keep. `environment` is complete: nothing of the daemon's own environment is to be added. `output_limit_bytes` caps
    what is kept of a step's output on disk. `secrets` are the texts, put into this call's parameters, that may stand in
    nothing that is kept or shown.
    """

    task_id: str
    token: int
    step: str
    attempt: int
    cwd: Path
    run_dir: Path
    environment: Mapping[str, str]
    timeout_seconds: float | None = None
    grace_seconds: float = 5.0
    output_limit_bytes: int = 10 * 1024 * 1024
    limits: Limits = NO_LIMITS
    secrets: tuple[str, ...] = ()


@frozen_value
class ToolResult:
    """What a tool call gave. `category` None means it succeeded.

    `value` is JSON: what later steps may refer to. `undo` is JSON too: what the tool's own `undo` needs to take the call
    back; None when it cannot.
    """

    category: ErrorCategory | None = None
    message: str = ""
    cause: str = ""
    suggestions: tuple[str, ...] = ()
    exit_code: int | None = None
    try_later: bool = False  # deferred (exit 75): run again without counting an attempt
    retry_after_seconds: float | None = None  # asked for by the other side: no attempt before
    output_head: str = ""
    output_tail: str = ""
    output_bytes: int = 0
    output_path: Path | None = None
    output_sha256: str = ""  # of what is kept
    value: Any = None
    usage: Usage | None = None
    undo: Any = None


@frozen_value
class Estimate:
    """What a call is expected to cost, before any history is known. None: no idea."""

    duration_seconds: float | None = None
    destructive: bool = False


@frozen_value
class Health:
    """Whether a tool can be used now, and if not, why and what to do."""

    ok: bool
    detail: str = ""
    fix: str = ""


@frozen_value
class ParamProblem:
    """One wrong parameter of a call: where (JSON Pointer below `params`), what is expected, what was found."""

    pointer: str
    message: str
    fix: str = field(default="")


@frozen_value
class NoSuchTool(ParamProblem):
    """The call names a tool that is not there: nothing can be said of its parameters."""

    nearest: str | None = None
