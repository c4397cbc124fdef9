"""`dt mcp`: the board's MCP server over stdin and stdout, for one client. It ends with its client."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from dreamos_tasks.app.boards import open_board
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.doorbell import Doorbell
from dreamos_tasks.interfaces.mcp.access import BoardAccess
from dreamos_tasks.interfaces.mcp.naming import Naming
from dreamos_tasks.interfaces.mcp.server import build_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from dreamos_tasks.config.home import Home
    from dreamos_tasks.config.settings import Settings


async def serve_stdio(
    home: Home, settings: Settings, *, agent: str | None, keep_alive_seconds: float, log: Callable[[str], None]
) -> None:
    """Serve until stdin ends. Raises BoardUnavailable kinds.

    `keep_alive_seconds`: so long after the client's last call its claims are prolonged without it. A client that is gone
    has closed stdin, and nothing prolongs its leases any more.
    """
    bell = Doorbell(home.doorbell)
    desk = BoardDesk(lambda: open_board(home, settings, ring=bell.ring))
    await desk.start()
    access = BoardAccess(
        desk=desk,
        home=home,
        settings=settings,
        naming=Naming(fixed=agent),
        log=log,
        folder=os.getcwd(),
        one_client=True,
    )
    keeping = asyncio.create_task(_keep_alive(access, keep_alive_seconds)) if keep_alive_seconds else None
    try:
        await build_server(access).run_stdio_async()
    finally:
        if keeping is not None:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
        await desk.stop()
        bell.close()


async def _keep_alive(access: BoardAccess, keep_alive_seconds: float) -> None:
    while True:
        await asyncio.sleep(access.settings.claims.heartbeat_seconds)
        if time.monotonic() - access.called_at < keep_alive_seconds:
            await access.prolong()
