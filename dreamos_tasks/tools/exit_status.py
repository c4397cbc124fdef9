"""Exit status: what the end of a command means for the step that ran it."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Collection
from dataclasses import dataclass, replace

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.tools.children import RunEnd
from dreamos_tasks.tools.process import Command

TRY_LATER_EXIT = 75  # EX_TEMPFAIL of sysexits.h
NOT_EXECUTABLE_EXIT = 126  # what shells answer
NOT_FOUND_EXIT = 127
SIGNAL_BASE = 128  # a shell answers 128 + N when signal N ended what it ran

_OUT_OF_RESOURCES = {
    signal.SIGKILL: "out of memory? The kernel then kills (see dmesg): let it need less, or fewer run at once",
    signal.SIGXCPU: "it used all the processor time it may: raise the limit, or split the step",
    signal.SIGXFSZ: "it wrote a larger file than it may: raise the limit",
}
_FROM_OUTSIDE = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
_MACHINE_IS_FULL = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    category: ErrorCategory
    suggestions: tuple[str, ...] = ()
    try_later: bool = False


def result_of_end(end: RunEnd, *, success_codes: Collection[int], timeout: float | None) -> ToolResult:
    """What came of a command that ran, without its output. `exit_code` is 128 + N when signal N ended it."""
    code = end.status if end.status is None or end.status >= 0 else SIGNAL_BASE - end.status
    if end.timed_out:
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
        meaning = _meaning_of(code)
        result = ToolResult(
            category=meaning.category,
            message=_in_words(end.status),
            suggestions=meaning.suggestions,
            try_later=meaning.try_later,
            exit_code=code,
        )
    return with_notes(result, *_notes(end))


def result_of_refusal(error: OSError | ValueError, command: Command) -> ToolResult:
    """What came of a command that could not be started."""
    program = command.arguments[0]
    if not isinstance(error, OSError):
        return _failed(ErrorCategory.CONFIGURATION, "no program can be given this command", cause=str(error))
    why = error.strerror or str(error)
    if error.filename == command.cwd:
        denied = isinstance(error, PermissionError)
        category = ErrorCategory.PERMISSION if denied else ErrorCategory.CONFIGURATION
        fix = "make that folder, or correct cwd"
        return _failed(category, f"cannot run in {command.cwd}", cause=why, fix=fix)
    if error.errno in _MACHINE_IS_FULL:
        fix = "let fewer run at once, or raise the limits of the machine (ulimit -a)"
        return _failed(ErrorCategory.RESOURCE, f"cannot start {program}", cause=why, fix=fix)
    if isinstance(error, FileNotFoundError):
        path = command.environment.get("PATH", os.defpath)
        cause = f"neither it nor an interpreter that its first line names is there; PATH is {path}"
        fix = "install it, give its full path, or correct PATH in env"
        return replace(
            _failed(ErrorCategory.CONFIGURATION, f"command not found: {program}", cause=cause, fix=fix),
            exit_code=NOT_FOUND_EXIT,
        )
    if isinstance(error, PermissionError):
        return replace(
            _failed(
                ErrorCategory.PERMISSION,
                f"may not run {program}",
                cause=why,
                fix=f"make it executable: chmod +x {program}",
            ),
            exit_code=NOT_EXECUTABLE_EXIT,
        )
    return _failed(ErrorCategory.CONFIGURATION, f"cannot start {program}", cause=why)


def with_notes(result: ToolResult, *notes: str) -> ToolResult:
    """The result, with what else is to be said."""
    if not any(notes):
        return result
    return replace(result, message="; ".join(note for note in (result.message, *notes) if note))


def _meaning_of(code: int) -> _Meaning:
    if code == TRY_LATER_EXIT:
        return _Meaning(category=ErrorCategory.TRANSIENT, try_later=True)
    if code == NOT_FOUND_EXIT:
        hint = "install what its output names as not found, give its full path, or correct PATH in env"
        return _Meaning(category=ErrorCategory.CONFIGURATION, suggestions=(hint,))
    if code == NOT_EXECUTABLE_EXIT:
        hint = "make what its output names executable (chmod +x), or correct the command"
        return _Meaning(category=ErrorCategory.PERMISSION, suggestions=(hint,))
    number = _signal_in(code)
    if number in _OUT_OF_RESOURCES:
        return _Meaning(category=ErrorCategory.RESOURCE, suggestions=(_OUT_OF_RESOURCES[number],))
    if number in _FROM_OUTSIDE:
        hint = "somebody else ended it: run it again"
        return _Meaning(category=ErrorCategory.TRANSIENT, suggestions=(hint,))
    return _Meaning(category=ErrorCategory.LOGIC)


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
