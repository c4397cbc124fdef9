"""The application: which part of the HTTP face answers which request. Parts that are heavy are made when first asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount

from dreamos_tasks.app.spare_memory import give_back_memory
from dreamos_tasks.interfaces.http.answers import PROBLEM_HANDLERS
from dreamos_tasks.interfaces.http.dashboard.pages import dashboard_routes
from dreamos_tasks.interfaces.http.door import door_routes
from dreamos_tasks.interfaces.http.live import live_routes
from dreamos_tasks.interfaces.http.metrics import metrics_routes
from dreamos_tasks.interfaces.mcp.door import mcp_routes

if TYPE_CHECKING:
    from dreamos_tasks.interfaces.http.context import WebContext
    from dreamos_tasks.interfaces.http.guard import AsgiApp, Receive, Scope, Send

API_PATH = "/api/v1"


def build_application(context: WebContext) -> AsgiApp:
    """Everything that is served, for this context."""
    return Starlette(routes=parts_of(context), exception_handlers=PROBLEM_HANDLERS)


def parts_of(context: WebContext) -> Sequence[BaseRoute]:
    """The parts, the more special before the more general."""
    return [
        *door_routes(context),
        *dashboard_routes(),
        *live_routes(context),
        *mcp_routes(context),
        *metrics_routes(context),
        Mount(API_PATH, app=MadeWhenAsked(lambda: _json_api(context))),
    ]


class MadeWhenAsked:
    """An application that is imported and made at the first request, beside the loop: an idle daemon does without it."""

    def __init__(self, make: Callable[[], AsgiApp]) -> None:
        self._make = make
        self._app: AsgiApp | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if self._app is None:
            async with self._making:
                if self._app is None:
                    self._app = await asyncio.to_thread(self._make)
                    await asyncio.to_thread(give_back_memory)
        await self._app(scope, receive, send)


class HeadAsGet:
    """Answers HEAD as it would GET; uvicorn then sends the head alone."""

    def __init__(self, app: AsgiApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        await self._app({**scope, "method": "GET"} if scope.get("method") == "HEAD" else scope, receive, send)


def _json_api(context: WebContext) -> AsgiApp:
    from dreamos_tasks.interfaces.http.api import build_api

    return HeadAsGet(build_api(context))
