"""Exit status: what the end of a command means for the step that ran it."""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from dataclasses import replace

from dreamos_tasks.model.failure import Symptom, diagnose
from dreamos_tasks.model.failure_answers import NOT_EXECUTABLE_EXIT, NOT_FOUND_EXIT, SIGNAL_BASE, TRY_LATER_EXIT
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.tools.children import RunEnd
from dreamos_tasks.tools.process import Command


def result_of_end(
    end: RunEnd, *, success_codes: Collection[int], timeout: float | None, printed: str = ""
) -> ToolResult:
    """What came of a command that ran, without its output. `exit_code` is 128 + N when signal N ended it.

    `printed` is the end of its output: it may say why the command failed when the exit code does not.
    """
    code = end.status if end.status is None or end.status >= 0 else SIGNAL_BASE - end.status
    if end.breach is not None:
        result = replace(end.breach.result(), exit_code=code)
    elif end.timed_out:
        result = ToolResult(
            category=ErrorCategory.RESOURCE,
            message=f"timed out after {timeout:g} s",
            suggestions=("give the step more timeout_seconds, or split it",),
            exit_code=code,
        )
    elif end.status is None or code is None:
        result = ToolResult(category=ErrorCategory.TRANSIENT, message=_how_it_was_lost(end))
    elif code in success_codes:
        result = ToolResult(exit_code=code)
    else:
        diagnosis = diagnose(Symptom(exit_code=code, text=printed))
        result = ToolResult(
            category=diagnosis.category,
            message=_in_words(end.status),
            cause=diagnosis.cause,
            suggestions=diagnosis.suggestions,
            try_later=diagnosis.try_later,
            exit_code=code,
        )
    return replace(with_notes(result, *_notes(end)), usage=end.usage)


def result_of_refusal(error: OSError | ValueError, command: Command) -> ToolResult:
    """What came of a command that could not be started."""
    program = command.arguments[0]
    if not isinstance(error, OSError):
        return _failed(ErrorCategory.CONFIGURATION, "no program can be given this command", cause=str(error))
    why = error.strerror or str(error)
    diagnosis = diagnose(Symptom(error=error))
    if error.filename == command.cwd:
        return _failed(
            diagnosis.category, f"cannot run in {command.cwd}", cause=why, fix="make that folder, or correct cwd"
        )
    if isinstance(error, FileNotFoundError):
        path = command.environment.get("PATH", os.defpath)
        cause = f"neither it nor an interpreter that its first line names is there; PATH is {path}"
        fix = "install it, give its full path, or correct PATH in env"
        failed = _failed(diagnosis.category, f"command not found: {program}", cause=cause, fix=fix)
        return replace(failed, exit_code=NOT_FOUND_EXIT)
    if isinstance(error, PermissionError):
        fix = f"make it executable: chmod +x {program}"
        failed = _failed(diagnosis.category, f"may not run {program}", cause=why, fix=fix)
        return replace(failed, exit_code=NOT_EXECUTABLE_EXIT)
    return _failed(diagnosis.category, f"cannot start {program}", cause=why, fix=", or ".join(diagnosis.suggestions))


def with_notes(result: ToolResult, *notes: str) -> ToolResult:
    """The result, with what else is to be said."""
    if not any(notes):
        return result
    return replace(result, message="; ".join(note for note in (result.message, *notes) if note))


def _in_words(status: int) -> str:
    if status < 0:
        return f"ended by {_name_of(-status)}"
    if status == TRY_LATER_EXIT:
        return f"asks to be tried later (exit code {TRY_LATER_EXIT})"
    if status == NOT_FOUND_EXIT:
        return f"command not found (exit code {NOT_FOUND_EXIT})"
    if status == NOT_EXECUTABLE_EXIT:
        return f"permission denied: found, but it may not be run (exit code {NOT_EXECUTABLE_EXIT})"
    number = _signal_in(status)
    return f"exit code {status}" + (f" (ended by {number.name})" if number is not None else "")


def _signal_in(code: int) -> signal.Signals | None:
    try:
        return signal.Signals(code - SIGNAL_BASE)
    except ValueError:
        return None


def _name_of(number: int) -> str:
    known = _signal_in(number + SIGNAL_BASE)
    return known.name if known is not None else f"signal {number}"


def _how_it_was_lost(end: RunEnd) -> str:
    if end.survivors:
        return "it hangs, and could not be ended"
    return "how it ended is unknown: another part of this program took its exit status"


def _notes(end: RunEnd) -> tuple[str, ...]:
    notes = []
    if end.left_behind:
        what = "a process" if end.left_behind == 1 else f"{end.left_behind} processes"
        notes.append(f"{what} it left running had to be ended")
    if end.survivors:
        notes.append("these processes could not be ended: " + ", ".join(map(str, end.survivors)))
    return tuple(notes)


def _failed(category: ErrorCategory, message: str, *, cause: str, fix: str = "") -> ToolResult:
    return ToolResult(category=category, message=message, cause=cause, suggestions=(fix,) if fix else ())
