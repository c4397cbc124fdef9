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

from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.tools.capture import Capture, Captured
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.exit_status import result_of_end, result_of_refusal, with_notes
from dreamos_tasks.tools.process import Command
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.tools.run_tag import RunTag
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
        """Its answer, or None when it ended without one; and what came of the process, with its output.

        Its temporary files are removed. Raises OSError when there is no place for them.
        """
        capture = Capture(context.run_dir, context.step, limit_bytes=context.output_limit_bytes, redactor=redactor)
        with scratch_folder() as folder:
            command = Command(
                arguments=(sys.executable, "-I", "-m", self.module, str(folder / ANSWER_NAME)),
                cwd=str(context.cwd),
                environment={**context.environment, **_places(folder)},
                stdin=json.dumps(asked).encode("utf-8"),
            )
            try:
                end = await self.children.run(
                    command,
                    tag=RunTag(context.task_id, context.token, context.step),
                    on_output=capture.feed,
                    grace_seconds=context.grace_seconds,
                    timeout_seconds=context.timeout_seconds,
                    limits=context.limits,
                )
            except (OSError, ValueError) as error:
                return None, result_of_refusal(error, command)
            finally:
                captured = capture.finish()
            printed = captured.tail or captured.head
            result = result_of_end(end, success_codes=(0,), timeout=context.timeout_seconds, printed=printed)
            answer = None if end.timed_out or end.status != 0 else _read(folder / ANSWER_NAME)
        return answer, _with_output(result, captured)


def answer_asked(answer: Callable[[Any], Answer]) -> None:
    """The main of such a program: reads what is asked, and writes what `answer` makes of it."""
    asked = json.loads(sys.stdin.buffer.read())
    path = Path(sys.argv[1])
    path.write_text(json.dumps(answer(asked)), encoding="utf-8")


def _places(folder: Path) -> Mapping[str, str]:
    """Where programs put what they need for now, and what they would keep for the next time."""
    return dict.fromkeys(("TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))


def _read(path: Path) -> Answer | None:
    """None when there is none: the program ended before it had one."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(LARGEST_ANSWER_BYTES))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _with_output(result: ToolResult, captured: Captured) -> ToolResult:
    return replace(
        with_notes(result, captured.trouble),
        output_head=captured.head,
        output_tail=captured.tail,
        output_bytes=captured.total_bytes,
        output_path=captured.path,
        output_sha256=captured.sha256,
    )
