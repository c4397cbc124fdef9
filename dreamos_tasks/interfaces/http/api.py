"""The JSON API: every verb of the board and of the engine, and what can be asked. Its OpenAPI document is made of the same.

Imported at the first request: an idle daemon does without FastAPI.
"""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import Response

from dreamos_tasks import __version__
from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.interfaces.http.answers import PROBLEM_HANDLERS, problem_response
from dreamos_tasks.interfaces.http.dashboard import board_routes
from dreamos_tasks.interfaces.http.openapi import complete
from dreamos_tasks.interfaces.http.routes import (
    agents,
    approvals,
    board,
    episodes,
    events,
    looking,
    mail,
    steering,
    tasks,
    working,
)
from dreamos_tasks.interfaces.http.routes.shared import known_parameters

if TYPE_CHECKING:
    from dreamos_tasks.interfaces.http.context import WebContext

PREFIX = "/api/v1"
ROUTERS = (
    tasks.router,
    looking.router,
    working.router,
    steering.router,
    approvals.router,
    agents.router,
    mail.router,
    episodes.router,
    board.router,
    events.router,
    board_routes.router,
)


def build_api(context: WebContext) -> FastAPI:
    """The application below /api/v1."""
    api = FastAPI(
        title="dreamos-tasks",
        version=__version__,
        openapi_url=None,  # our own is below
        docs_url=None,  # they fetch scripts from elsewhere
        redoc_url=None,
        exception_handlers={**PROBLEM_HANDLERS, RequestValidationError: _answer_invalid},
    )
    api.state.context = context
    api.state.all_routes = [route for router in ROUTERS for route in router.routes]
    for router in ROUTERS:
        api.include_router(router, dependencies=[Depends(known_parameters)])
    document = cache(lambda: json.dumps(complete(api, prefix=PREFIX), separators=(",", ":")).encode())

    @api.get("/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        """What this interface can be asked, for programs. Kept as bytes: as objects it would take twenty times the room."""
        return Response(await asyncio.to_thread(document), media_type="application/json")

    api.state.all_routes += [route for route in api.routes if getattr(route, "endpoint", None) is openapi]
    return api


async def _answer_invalid(_request: Request, error: Exception) -> Response:
    """A parameter or a body that breaks a rule: the first in words, all with their places."""
    assert isinstance(error, RequestValidationError)
    first, *_ = found = error.errors()
    place = [str(part) for part in first["loc"]]
    inside = place[0] == "body"
    refused = InvalidInput(
        f"{' '.join(place)}: {first['msg']}",
        pointer="/" + "/".join(place[1:]) if inside else "",
        cause=f"{len(found)} values are wrong" if len(found) > 1 else "",
        fix="/api/v1/openapi.json says what is expected",
    )
    return problem_response(refused)
