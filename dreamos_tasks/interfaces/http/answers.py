"""Answers: errors as Starlette answers, whoever raised them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from dreamos_tasks.errors import DreamosError
from dreamos_tasks.interfaces.http.problems import problem_body, problem_headers, status_of, unexpected
from dreamos_tasks.interfaces.http.refusals import BrokenRequest, MethodNotAllowed, NoSuchPath

OPENAPI_PATH = "/api/v1/openapi.json"


def problem_response(error: DreamosError) -> Response:
    """The error as an answer."""
    return Response(problem_body(error), status_code=status_of(error), headers=problem_headers(error))


async def answer_refused(_request: Request, error: Exception) -> Response:
    """An error of ours."""
    assert isinstance(error, DreamosError)
    return problem_response(error)


async def answer_routing(request: Request, error: Exception) -> Response:
    """What the routing has found nothing for."""
    assert isinstance(error, HTTPException)
    allowed = ""
    match error.status_code:
        case 404:
            refused: DreamosError = NoSuchPath(
                f"nothing is at {request.url.path}", fix=f"{OPENAPI_PATH} lists all there is"
            )
        case 405:
            allowed = ", ".join(sorted(_methods_at(request)))
            refused = MethodNotAllowed(
                f"{request.method} cannot be said to {request.url.path}", fix=f"use {allowed}" if allowed else ""
            )
        case _:
            refused = BrokenRequest(str(error.detail))
    answer = problem_response(refused)
    if allowed:
        answer.headers["allow"] = allowed
    return answer


def _methods_at(request: Request) -> set[str]:
    """What the path knows: each method may have a route of its own."""
    known = getattr(request.app.state, "all_routes", request.app.routes)
    routes = (route for route in known if route.matches(request.scope)[0] is not Match.NONE)
    known_here = {method for route in routes for method in getattr(route, "methods", None) or ()}
    return known_here | {"HEAD"} if "GET" in known_here else known_here


async def answer_fault(_request: Request, _error: Exception) -> Response:
    """A fault of ours; the guard logs it."""
    return problem_response(unexpected())


PROBLEM_HANDLERS: Mapping[Any, Any] = {
    DreamosError: answer_refused,
    HTTPException: answer_routing,
    Exception: answer_fault,
}
