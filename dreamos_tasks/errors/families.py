"""The families of errors: each has an exit code of its own, and is what callers catch."""

from __future__ import annotations

from typing import ClassVar


class DreamosError(Exception):
    """Base of all: `code` never changes, `exit_code` is the command's, `fix` is what to do next."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, cause: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.fix = fix


class UsageError(DreamosError):
    """The call is wrong: an unknown option, a missing argument."""

    code = "usage"
    exit_code = 2


class NotFound(DreamosError):
    """There is no such thing."""

    code = "not_found"
    exit_code = 3


class Refused(DreamosError):
    """The board said no, and nothing was changed."""

    code = "refused"
    exit_code = 4


class NothingReady(DreamosError):
    """No task is ready for this agent."""

    code = "nothing_ready"
    exit_code = 5


class BoardUnavailable(DreamosError):
    """The board can neither be read nor written just now. Nothing was changed."""

    code = "board_unavailable"
    exit_code = 6


class InvalidInput(DreamosError):
    """What was handed in breaks a rule; names the place."""

    code = "invalid_input"
    exit_code = 7

    def __init__(self, message: str, *, pointer: str = "", cause: str = "", fix: str = "") -> None:
        super().__init__(message, cause=cause, fix=fix)
        self.pointer = pointer


class WaitTimedOut(DreamosError):
    """What was waited for did not happen in time."""

    code = "timed_out"
    exit_code = 124


def all_kinds() -> list[type[DreamosError]]:
    """Every error there is, a general one before those of its family."""
    kinds: list[type[DreamosError]] = [DreamosError]
    for kind in kinds:
        kinds.extend(kind.__subclasses__())
    return kinds
