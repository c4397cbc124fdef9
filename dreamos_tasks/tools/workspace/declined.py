"""Declined: why something is not done in a workspace, for the one who asked."""

from __future__ import annotations

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult


class Declined(Exception):
    """What was asked for is wrong in itself (configuration), or at odds with what is there (logic)."""

    def __init__(self, category: ErrorCategory, message: str, *, cause: str = "", fix: str = "") -> None:
        super().__init__(message)
        self.category = category
        self.message = message
        self.cause = cause
        self.fix = fix

    def result(self) -> ToolResult:
        """What came of the call that asked for it."""
        suggestions = (self.fix,) if self.fix else ()
        return ToolResult(category=self.category, message=self.message, cause=self.cause, suggestions=suggestions)


def wrong(message: str, *, cause: str = "", fix: str = "") -> Declined:
    """The parameters can never be followed."""
    return Declined(ErrorCategory.CONFIGURATION, message, cause=cause, fix=fix)


def at_odds(message: str, *, cause: str = "", fix: str = "") -> Declined:
    """What is there is not what the parameters take for granted."""
    return Declined(ErrorCategory.LOGIC, message, cause=cause, fix=fix)
