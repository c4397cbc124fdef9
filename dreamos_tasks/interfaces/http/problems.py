"""Problems: every error as problem+json (RFC 9457), with the code, cause and fix that the command line gives.

One table says which status an error is answered with: by its code where that says more, else by its exit code.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from dreamos_tasks.errors import DreamosError
from dreamos_tasks.interfaces.http.refusals import HttpRefused

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:dreamos-tasks:problem:"

STATUS_BY_EXIT_CODE: Mapping[int, int] = {
    1: HTTPStatus.INTERNAL_SERVER_ERROR,
    2: HTTPStatus.BAD_REQUEST,  # usage
    3: HTTPStatus.NOT_FOUND,
    4: HTTPStatus.CONFLICT,  # refused: the state of the board is against it
    5: HTTPStatus.NOT_FOUND,  # nothing is ready
    6: HTTPStatus.SERVICE_UNAVAILABLE,
    7: HTTPStatus.UNPROCESSABLE_ENTITY,
    124: HTTPStatus.GATEWAY_TIMEOUT,
}
STATUS_BY_CODE: Mapping[str, int] = {
    "extra_missing": HTTPStatus.NOT_IMPLEMENTED,
    "agent_not_named": HTTPStatus.FORBIDDEN,  # whoever asks is no agent, and does not say for which one
    "no_person": HTTPStatus.FORBIDDEN,
    "own_approval": HTTPStatus.FORBIDDEN,
    "precondition_failed": HTTPStatus.PRECONDITION_FAILED,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}


class InternalError(DreamosError):
    """Something nobody thought of."""

    code = "internal"


def unexpected() -> InternalError:
    """What is told of a fault of ours: nothing of its words, which may hold anything."""
    return InternalError(
        "something unexpected happened",
        cause="a fault in dreamos-tasks, or in what surrounds it",
        fix="the daemon's log has the rest: dt paths says where it is",
    )


def status_of(error: DreamosError) -> int:
    """The status an error is answered with."""
    if isinstance(error, HttpRefused):
        return error.status
    return STATUS_BY_CODE.get(error.code) or STATUS_BY_EXIT_CODE.get(error.exit_code, 500)


def problem_form(error: DreamosError) -> dict[str, Any]:
    """The error as a document."""
    status = status_of(error)
    form: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code,
        "title": _title(error) or HTTPStatus(status).phrase,
        "status": status,
        "detail": error.message,
        "code": error.code,
        "cause": error.cause,
        "fix": error.fix,
    }
    pointer = getattr(error, "pointer", "")
    if pointer:
        form["pointer"] = pointer
    every: Sequence[Any] = getattr(error, "problems", ())
    if every:
        form["errors"] = [
            {
                "pointer": one.pointer,
                "message": one.message,
                "expected": getattr(one, "expected", "") or "",
                "fix": getattr(one, "fix", "") or "",
            }
            for one in every
        ]
    return form


def _title(error: DreamosError) -> str:
    """What an error of this kind is: the first words of its docstring, up to what they say to programmers."""
    return re.split(r"[.;:]?(?:\s*\n|$)|[.;:]\s", type(error).__doc__ or "", maxsplit=1)[0]


def problem_body(error: DreamosError) -> bytes:
    """The document, encoded."""
    return json.dumps(problem_form(error), separators=(",", ":")).encode()


def problem_headers(error: DreamosError) -> dict[str, str]:
    """What else the answer says."""
    headers = {"content-type": MEDIA_TYPE}
    match status_of(error):
        case HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = 'Bearer realm="dreamos-tasks"'
        case HTTPStatus.UPGRADE_REQUIRED:
            headers |= {"upgrade": "websocket", "connection": "upgrade"}
        case HTTPStatus.SERVICE_UNAVAILABLE:
            headers["retry-after"] = "5"
    return headers
