"""FileSearch: the action `grep` of the tool `files`, by a child process that can be ended whatever its pattern does."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.tools.children import Children, RunEnd
from dreamos_tasks.tools.exit_status import result_of_end
from dreamos_tasks.tools.file_params import GrepParams
from dreamos_tasks.tools.process import Command
from dreamos_tasks.tools.run_tag import RunTag
from dreamos_tasks.tools.workspace.changes import Done
from dreamos_tasks.tools.workspace.declined import Declined

MATCH_BYTES = 8192  # of one found line as JSON, at most: it has 500 characters and a path
PROGRAM = (sys.executable, "-I", "-X", "utf8", "-W", "ignore", "-m", "dreamos_tasks.tools.workspace.searching")


class FileSearch:
    """Searches workspaces. `seconds` is how long one search may take; what it has found by then is given."""

    def __init__(self, children: Children, *, closed: Sequence[Path], seconds: float, most_bytes: int) -> None:
        self._children = children
        self._closed = tuple(map(str, closed))
        self._seconds = seconds
        self._most_bytes = most_bytes

    async def grep(self, params: GrepParams, context: ToolContext) -> Done | ToolResult:
        """The lines that fit; a failed result when the search itself came to grief, or used more than it may.

        Raises Declined, OSError, and TimeoutError when the step's own time is over.
        """
        request = {
            "root": str(context.cwd),
            "closed": self._closed,
            "path": params.path,
            "pattern": params.pattern,
            "literal": params.literal,
            "ignore_case": params.ignore_case,
            "glob": params.glob,
            "limit": params.limit,
            "skip": params.skip,
            "seconds": self._seconds,
        }
        timeout = context.timeout_seconds
        is_ours = timeout is None or self._seconds < timeout
        answers = _Answers(most_bytes=self._most_bytes)
        begun = time.monotonic()
        end = await self._children.run(
            Command(
                arguments=PROGRAM,
                cwd="/",
                environment=context.environment,
                stdin=json.dumps(request).encode("ascii"),
            ),
            tag=RunTag(context.task_id, context.token, context.step),
            on_output=answers.feed,
            grace_seconds=min(1.0, context.grace_seconds),
            timeout_seconds=self._seconds if is_ours else timeout,
            limits=context.limits,
        )
        if end.timed_out and not is_ours:
            raise TimeoutError
        done = answers.done(end, seconds=time.monotonic() - begun)
        return done or result_of_end(end, success_codes=(), timeout=timeout, printed=answers.junk)


class _Answers:
    """What the child prints, a JSON document a line."""

    def __init__(self, *, most_bytes: int) -> None:
        self._room = most_bytes
        self._rest = b""
        self._junk = b""
        self._matches: list[Mapping[str, Any]] = []
        self._end: Mapping[str, Any] = {}
        self._is_full = False

    def feed(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            self._take(line)

    @property
    def junk(self) -> str:
        """What it printed that is no answer: why it came to grief."""
        return (self._junk + self._rest).decode("utf-8", "replace")

    def done(self, end: RunEnd, *, seconds: float) -> Done | None:
        """What was found; None when it came to grief. Raises what it could not do."""
        match self._end:
            case {"declined": [category, message, cause, fix]}:
                raise Declined(ErrorCategory(category), message, cause=cause, fix=fix)
            case {"error": [number, words, path]}:
                raise OSError(number, words, path)
            case {"files": files, "truncated": truncated}:
                pass
            case _ if end.timed_out:
                files = None  # nobody has counted
                truncated = "time"
            case _:
                return None
        if self._is_full:
            truncated = "size"
        count = len(self._matches)
        more = f", cut off by {truncated}" if truncated else ""
        lines = [f"{match['path']}:{match['line']}: {match['text']}" for match in self._matches]
        return Done(
            value={"matches": self._matches, "files": files, "truncated": truncated},
            usage=end.usage,
            summary="\n".join([f"{count} found{more}, in {seconds:.1f} s", *lines]),
        )

    def _take(self, line: bytes) -> None:
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self._junk = (self._junk + line + b"\n")[-MATCH_BYTES:]
        elif "line" not in answer:
            self._end = answer
        elif self._room >= len(line):
            self._room -= len(line)
            self._matches.append(answer)
        else:
            self._room = 0
            self._is_full = True
