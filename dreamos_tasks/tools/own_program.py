"""Own program: a module of this package, run as a process of its own: what it is asked and what it answers is JSON.

So a library that cannot be interrupted, or that starts programs, belongs to the tree of the step, and ends with it. What is
asked comes by standard input, for it may hold secrets; the answer goes into a file, for anything may be printed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamos_tasks.model.failure import Symptom, diagnose
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.tools.captured_run import run_captured, with_output
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.exit_status import result_of_end, result_of_refusal
from dreamos_tasks.tools.process import Command
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.tools.scratch import scratch_folder

ANSWER_NAME = "answer.json"
LARGEST_ANSWER_BYTES = 16 * 1024 * 1024

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnProgram:
    """Calls `module`, whose main is `answer_asked(...)`."""

    module: str
    children: Children

    async def ask(self, asked: Answer, *, context: ToolContext, redactor: Redactor) -> tuple[Answer | None, ToolResult]:
        """Its answer, or None when it has none; and what came of the process, with its output. A failure when there is none.

        Its temporary files are removed.
        """
        try:
            with scratch_folder() as folder:
                return await self._ask(asked, folder, context=context, redactor=redactor)
        except OSError as error:
            diagnosis = diagnose(Symptom(error=error))
            return None, ToolResult(
                category=diagnosis.category,
                message=f"no place for temporary files: {error}",
                cause=diagnosis.cause,
                suggestions=diagnosis.suggestions,
            )

    async def _ask(
        self, asked: Answer, folder: Path, *, context: ToolContext, redactor: Redactor
    ) -> tuple[Answer | None, ToolResult]:
        command = Command(
            arguments=(sys.executable, "-I", "-m", self.module, str(folder / ANSWER_NAME)),
            cwd=str(context.cwd),
            environment={**context.environment, **_places(folder)},
            stdin=json.dumps(asked).encode("utf-8"),
        )
        try:
            end, captured = await run_captured(self.children, command, context=context, redactor=redactor)
        except (OSError, ValueError) as error:
            return None, result_of_refusal(error, command)
        printed = captured.tail or captured.head
        result = result_of_end(end, success_codes=(0,), timeout=context.timeout_seconds, printed=printed)
        answer = _read(folder / ANSWER_NAME) if result.category is None else None
        if answer is None and result.category is None:
            result = replace(result, category=ErrorCategory.LOGIC, message="it ended without an answer")
        return answer, with_output(result, captured)


def answer_asked(answer: Callable[[Any], Answer]) -> None:
    """The main of such a program: reads what is asked, and writes what `answer` makes of it."""
    asked = json.loads(sys.stdin.buffer.read())
    path = Path(sys.argv[1])
    path.write_text(json.dumps(answer(asked)), encoding="utf-8")


def _places(folder: Path) -> Mapping[str, str]:
    """Where programs put what they need while they run, and what they would keep for the next time."""
    return dict.fromkeys(("TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))


def _read(path: Path) -> Answer | None:
    """None when there is none: the program ended before it had one."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(LARGEST_ANSWER_BYTES))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
