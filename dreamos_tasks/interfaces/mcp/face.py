"""McpFace: the MCP server over streamable HTTP, on the daemon's own desk. Its sessions end with the web server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from loguru import logger
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings

from dreamos_tasks.interfaces.http.sign_in import Caller
from dreamos_tasks.interfaces.http.tokens import Scope as TokenScope
from dreamos_tasks.interfaces.mcp.access import BoardAccess
from dreamos_tasks.interfaces.mcp.door import CALLER, MCP_PATH
from dreamos_tasks.interfaces.mcp.naming import Naming, RequestContext
from dreamos_tasks.interfaces.mcp.server import build_server

if TYPE_CHECKING:
    from dreamos_tasks.interfaces.http.context import WebContext
    from dreamos_tasks.interfaces.http.guard import Receive, Scope, Send

MOST_SESSIONS = 500  # of clients of the older protocol; each costs memory until it has been silent for half an hour
READING = frozenset({"get_task", "list_tasks", "why_task", "get_stats"})
STEERING = frozenset({"pause_task", "resume_task", "retry_task", "cancel_task"})


class McpFace:
    """Serves from its first request on, until the context is closing."""

    def __init__(self, context: WebContext, build: Callable[[BoardAccess], MCPServer[Any]] = build_server) -> None:
        self._closing = context.closing
        access = BoardAccess(
            desk=context.desk,
            home=context.home,
            settings=context.settings,
            naming=Naming(acting_as=_acting_as, somebody=lambda request: _caller_of(request).name, mark=None),
            log=lambda words: logger.info("mcp: {}", words),
            require=_require,
        )
        server = build(access)
        server.streamable_http_app(
            streamable_http_path=MCP_PATH,
            max_request_body_size=context.settings.inbox.max_bytes,
            max_sessions=MOST_SESSIONS,
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # the guard's
        )
        self._manager: StreamableHTTPSessionManager = server.session_manager
        self._serving: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._serving = asyncio.create_task(self._serve(self._ready), name="mcp")
        await asyncio.shield(self._ready)
        caller = _caller_in(scope)
        # A session belongs to the token that began it: the library holds others to that.
        token = AccessToken(token="", client_id=caller.token_id, scopes=[], subject=caller.name)
        await self._manager.handle_request({**scope, "user": AuthenticatedUser(token)}, receive, send)

    async def _serve(self, ready: asyncio.Future[None]) -> None:
        async with self._manager.run():
            ready.set_result(None)
            await self._closing.wait()


def _acting_as(context: RequestContext, given: str | None) -> str | None:
    return _caller_of(context).acting_as(given)


def _require(context: RequestContext, tool: str) -> None:
    """What each scope of a token may do here, as on every other way to the board. Raises NotAllowed."""
    needed = TokenScope.AGENT
    if tool in READING:
        needed = TokenScope.READ
    elif tool in STEERING:
        needed = TokenScope.OPERATOR
    _caller_of(context).require(needed)


def _caller_of(context: RequestContext) -> Caller:
    assert context.request is not None, "over HTTP each message came with a request"
    return _caller_in(context.request.scope)


def _caller_in(scope: Any) -> Caller:
    caller = scope[CALLER]
    assert isinstance(caller, Caller), "the door lets nobody in without"
    return caller
