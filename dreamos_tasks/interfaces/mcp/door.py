"""McpDoor: the daemon's /mcp. Who may come in is settled here; the MCP library is loaded when the first does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Route

from dreamos_tasks.interfaces.http.tokens import Scope as TokenScope
from dreamos_tasks.interfaces.mcp import require_mcp

if TYPE_CHECKING:
    from dreamos_tasks.interfaces.http.context import WebContext
    from dreamos_tasks.interfaces.http.guard import AsgiApp, Receive, Scope, Send

MCP_PATH = "/mcp"
CALLER = "dreamos_tasks.caller"  # where the face finds in a request's scope who asks


def mcp_routes(context: WebContext) -> list[BaseRoute]:
    """The route."""
    return [Route(MCP_PATH, McpDoor(context))]


class McpDoor:
    """Same tokens as the rest: without one nothing is loaded and nothing told."""

    def __init__(self, context: WebContext, make: Callable[[WebContext], AsgiApp] | None = None) -> None:
        self._context = context
        self._make = make or _face
        self._app: AsgiApp | None = None
        self._making = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI. Raises NotSignedIn, NotAllowed, ExtraNotInstalled."""
        caller = self._context.sign_in.who(scope["headers"])
        caller.require(TokenScope.READ)
        require_mcp("/mcp")
        async with self._making:
            if self._app is None:
                self._app = await asyncio.to_thread(self._make, self._context)
        await self._app({**scope, CALLER: caller}, receive, send)


def _face(context: WebContext) -> AsgiApp:
    from dreamos_tasks.interfaces.mcp.face import McpFace

    return McpFace(context)
