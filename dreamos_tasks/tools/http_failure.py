"""HTTP failures: what it means for a step that a request was not answered, or otherwise than expected."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from http import HTTPStatus

from dreamos_tasks.model.failure import Symptom, diagnose
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.tools.address_guard import CallRefused
from dreamos_tasks.tools.http_body import BodyTooLarge, retry_after_of
from dreamos_tasks.tools.http_exchange import HttpAnswer
from dreamos_tasks.tools.workspace.declined import Declined

LEAVE_ALONE = frozenset({429, 503})  # the statuses with which a server says when to come back


def result_of_error(error: Exception, call: str) -> ToolResult:
    """What came of a call that got no answer. `call` names it: its method and URL."""
    if isinstance(error, CallRefused):
        return _misused(str(error), error.fix)
    if isinstance(error, Declined):
        return error.result()
    if isinstance(error, BodyTooLarge):
        return _misused(f"{call}: {error}", "raise max_bytes if the step needs all of it")
    inmost = _inmost(error)
    diagnosis = diagnose(Symptom(error=inmost if isinstance(inmost, OSError) else error))
    return ToolResult(
        category=diagnosis.category,
        message=f"{call}: {str(inmost) or diagnosis.cause}",
        cause=diagnosis.cause,
        suggestions=diagnosis.suggestions,
        try_later=diagnosis.try_later,
    )


def result_of_timeout(seconds: float, call: str) -> ToolResult:
    """What came of a call that took longer than its step may."""
    result = result_of_error(TimeoutError(), call)
    fix = "give the step more timeout_seconds, or ask for less at once"
    return replace(result, message=f"{call}: timed out after {seconds:g} s", suggestions=(fix,))


def result_of_status(answer: HttpAnswer, call: str, *, text: str, now: datetime) -> ToolResult:
    """What came of a call that was answered with another status than the step expects. `text` is the answer's body."""
    status = answer.response.status_code
    diagnosis = diagnose(Symptom(http_status=status, text=text))
    asked = retry_after_of(answer.response, now=now) if status in LEAVE_ALONE else None
    after = f" after {answer.redirects} redirects" if answer.redirects else ""
    return ToolResult(
        category=diagnosis.category,
        message=f"{call}: answered {in_words(status)}{after}",
        cause=diagnosis.cause,
        suggestions=diagnosis.suggestions,
        try_later=diagnosis.try_later,
        retry_after_seconds=asked,
    )


def result_of_trouble(message: str, reasons: str) -> ToolResult:
    """What came of a call that was answered, by one who could not get what it is to give: as good as a 503."""
    diagnosis = diagnose(Symptom(http_status=HTTPStatus.SERVICE_UNAVAILABLE.value, text=reasons))
    return ToolResult(
        category=diagnosis.category,
        message=f"{message} ({reasons})",
        cause=diagnosis.cause,
        suggestions=diagnosis.suggestions,
    )


def in_words(status: int) -> str:
    """`404 Not Found`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _inmost(error: BaseException) -> BaseException:
    """The first of the errors behind an error; those around it only say that something failed."""
    while True:
        inner = error.__cause__ or (error.args[0] if error.args else None)  # httpcore2 keeps it there
        if not isinstance(inner, BaseException):
            return error
        error = inner


def _misused(message: str, fix: str) -> ToolResult:
    return ToolResult(category=ErrorCategory.CONFIGURATION, message=message, suggestions=(fix,) if fix else ())
