"""FilesTool: reads, finds and changes files in the task's workspace; what it changes it can change back."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TypeVar, assert_never

from dreamos_tasks.model.failure import Symptom, diagnose
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.file_params import (
    KINDS,
    DeleteParams,
    EditParams,
    FileParams,
    GlobParams,
    GrepParams,
    MoveParams,
    ReadParams,
    WriteParams,
)
from dreamos_tasks.tools.file_search import FileSearch
from dreamos_tasks.tools.params import DIALECT, Params
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.tools.workspace.changes import Changes, Done
from dreamos_tasks.tools.workspace.declined import Declined
from dreamos_tasks.tools.workspace.folder import Workspace
from dreamos_tasks.tools.workspace.journal import Journal, records_in
from dreamos_tasks.tools.workspace.looking import Looking
from dreamos_tasks.tools.workspace.pace import Pace
from dreamos_tasks.tools.workspace.putting import Writer
from dreamos_tasks.tools.workspace.undoing import Undoing

Answer = TypeVar("Answer")
HEAD_CHARACTERS = 4096  # of what was done, for the board


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesOptions:
    """How the tool `files` is set up.

    Nothing is written that would leave less than `min_free_bytes` on a disk. `value_bytes` is the most that a read or a
    search gives at once: it stands in the step's value, and so on the board. `edit_bytes` is the size of the largest file
    that is edited. Of what a change replaces or deletes at most `undo_bytes` are kept; what is larger cannot be undone.
    `search_seconds` is how long a glob or grep may take before it gives what it has found.
    """

    min_free_bytes: int = 100 * 1024 * 1024
    value_bytes: int = 256 * 1024
    edit_bytes: int = 64 * 1024 * 1024
    undo_bytes: int = 256 * 1024 * 1024
    search_seconds: float = 30.0


DEFAULTS = FilesOptions()


class FilesTool:
    """The tool `files`. It stays within the workspace, and off what is `closed` in it: the board's own folder and files.

    Every change is atomic, recorded before it is made, and can be taken back with `undo`.
    """

    name = "files"
    texts = ("content", "old", "new")

    def __init__(self, children: Children, options: FilesOptions = DEFAULTS, *, closed: Iterable[Path] = ()) -> None:
        self._options = options
        self._closed = tuple(closed)
        self._kinds = {action: Params(kind) for action, kind in KINDS.items()}
        self._search = FileSearch(
            children, closed=self._closed, seconds=options.search_seconds, most_bytes=options.value_bytes
        )

    def params_schema(self) -> Mapping[str, object]:
        """See ToolAdapter. One schema for each action."""
        return self._schema

    def validate(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        """See ToolAdapter."""
        action = params.get("action")
        kind = self._kinds.get(action) if isinstance(action, str) else None
        return (self._no_action(action),) if kind is None else kind.problems(params)

    def estimate(self, params: Mapping[str, object]) -> Estimate:
        """Deleting and overwriting are destructive, though they can be undone."""
        match self._read(params):
            case DeleteParams():
                return Estimate(destructive=True)
            case WriteParams(overwrite=overwrites) | MoveParams(overwrite=overwrites):
                return Estimate(destructive=overwrites)
            case _:
                return Estimate()

    async def health(self) -> Health:
        """Whether the kernel opens files below open folders, as Linux does."""
        try:
            os.close(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        except (AttributeError, OSError) as error:
            return Health(ok=False, detail=f"folders cannot be held open: {error}", fix="Linux is needed")
        return Health(ok=True, detail="workspaces can be used")

    async def execute(self, params: Mapping[str, object], context: ToolContext) -> ToolResult:
        """See ToolAdapter. `value` depends on the action; `undo` is there after every change that can be undone."""
        problems = self.validate(params)
        if problems:
            message = "; ".join(f"{problem.pointer}: {problem.message}" for problem in problems)
            return ToolResult(category=ErrorCategory.CONFIGURATION, message=message)
        values = self._read(params)
        if isinstance(values, GrepParams):
            return await _answered(self._search.grep(values, context), context)
        return await _answered(_in_thread(lambda pace: self._done(values, context, pace), context), context)

    async def undo(self, record: object, context: ToolContext) -> ToolResult:
        """See Undoable. What somebody has changed since is left as it is: that is a failure of category logic."""
        return await _answered(_in_thread(lambda pace: self._undone(record, context, pace), context), context)

    def recorded(self, context: ToolContext) -> Sequence[object]:
        """The records of all that the run of this context has changed, newest first.

        That of a change that a killed run had under way is among them; undone, it is whole again.
        """
        return records_in(context.run_dir)

    def _done(self, values: FileParams, context: ToolContext, pace: Pace) -> Done:
        with Workspace(context.cwd, closed=self._closed) as workspace:
            looking = Looking(workspace=workspace, pace=pace, most_bytes=self._options.value_bytes)
            changes = self._changes(workspace, context, pace)
            match values:
                case ReadParams():
                    return looking.read(values)
                case GlobParams():
                    return looking.glob(values, until=Pace(until=time.monotonic() + self._options.search_seconds))
                case WriteParams():
                    return changes.write(values)
                case EditParams():
                    return changes.edit(values)
                case MoveParams():
                    return changes.move(values)
                case DeleteParams():
                    return changes.delete(values)
                case GrepParams():
                    raise AssertionError("a search has a process of its own")
                case _:
                    assert_never(values)

    def _changes(self, workspace: Workspace, context: ToolContext, pace: Pace) -> Changes:
        journal = Journal(
            context.run_dir,
            step=context.step,
            secrets=context.secrets,
            max_bytes=self._options.undo_bytes,
            min_free_bytes=self._options.min_free_bytes,
            pace=pace,
        )
        return Changes(
            workspace=workspace,
            journal=journal,
            writer=Writer.of(context),
            pace=pace,
            earlier_tokens=_earlier_tokens(context),
            min_free_bytes=self._options.min_free_bytes,
            most_bytes=self._options.edit_bytes,
        )

    def _undone(self, record: object, context: ToolContext, pace: Pace) -> Done:
        with Workspace(context.cwd, closed=self._closed) as workspace:
            undoing = Undoing(
                workspace=workspace,
                runs=context.run_dir.parent,
                writer=Writer.of(context),
                pace=pace,
                min_free_bytes=self._options.min_free_bytes,
            )
            return undoing.undo(record)

    def _read(self, params: Mapping[str, object]) -> FileParams:
        return self._kinds[str(params["action"])].read(params)

    def _no_action(self, action: object) -> ParamProblem:
        known = ", ".join(KINDS)
        if action is None:
            return ParamProblem(pointer="/action", message="action is missing", fix=f"it is one of {known}")
        near = get_close_matches(str(action)[:100].casefold(), KINDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return ParamProblem(
            pointer="/action",
            message=f"there is no action {str(action)[:100]!a}{hint}",
            fix=f"write {near[0]}" if near else f"it is one of {known}",
        )

    @cached_property
    def _schema(self) -> Mapping[str, object]:
        kinds = [
            {name: part for name, part in kind.schema.items() if name != "$schema"} for kind in self._kinds.values()
        ]
        return {
            "$schema": DIALECT,
            "title": "FilesParams",
            "description": "What a step of the tool files says: an action, and what it needs.",
            "type": "object",
            "properties": {"action": {"enum": list(KINDS)}},
            "required": ["action"],
            "oneOf": kinds,
        }


async def _in_thread(act: Callable[[Pace], Answer], context: ToolContext) -> Answer:
    """Do it in a thread; when cancelled it is stopped, and waited for."""
    timeout = context.timeout_seconds
    pace = Pace(until=None if timeout is None else time.monotonic() + timeout)
    work = asyncio.ensure_future(asyncio.to_thread(act, pace))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        pace.stop()
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([work])
        if not work.cancelled():
            work.exception()  # seen: a stopped thread says so
        raise


async def _answered(work: Awaitable[Done | ToolResult], context: ToolContext) -> ToolResult:
    """What came of it, with nothing secret in it."""
    redactor = Redactor(context.secrets)
    try:
        done = await work
    except Declined as error:
        result = error.result()
    except TimeoutError as error:
        result = _timed_out(error, context)
    except OSError as error:
        result = _failed(error)
    else:
        result = done if isinstance(done, ToolResult) else _succeeded(done)
    return redactor.result(result)


def _succeeded(done: Done) -> ToolResult:
    said = done.summary + "\n"
    return ToolResult(
        message="; ".join(done.notes),
        output_head=said[:HEAD_CHARACTERS],
        output_bytes=len(said.encode()),
        value=dict(done.value),
        undo=dict(done.undo) if done.undo is not None else None,
        usage=done.usage,
    )


def _timed_out(error: TimeoutError, context: ToolContext) -> ToolResult:
    if error.errno is not None:  # the disk's own: a network file system that does not answer
        return _failed(error)
    return ToolResult(
        category=ErrorCategory.RESOURCE,
        message=f"timed out after {context.timeout_seconds:g} s",
        suggestions=("give the step more timeout_seconds, or less to do",),
    )


def _failed(error: OSError) -> ToolResult:
    diagnosis = diagnose(Symptom(error=error))
    where = f"{error.filename}: " if error.filename else ""
    return ToolResult(
        category=diagnosis.category,
        message=f"{where}{error.strerror or error}",
        cause=diagnosis.cause,
        suggestions=diagnosis.suggestions,
    )


def _earlier_tokens(context: ToolContext) -> Sequence[int]:
    """Under which tokens the task was run before: its other runs have folders of their own."""
    try:
        names = os.listdir(context.run_dir.parent)
    except OSError:
        return ()
    return sorted(int(name) for name in names if name.isdecimal() and int(name) < context.token)
