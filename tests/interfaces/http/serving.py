"""Served: a real daemon and its real HTTP server, as tests of the HTTP face use them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2

from dreamos_tasks.app.daemon import Daemon
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import ServerSettings, Settings
from dreamos_tasks.interfaces.http.context import WebContext, context_of
from dreamos_tasks.interfaces.http.server import WebServer
from dreamos_tasks.interfaces.http.tokens import Scope
from tests.waiting import PATIENCE_SECONDS


@dataclass(frozen=True, kw_only=True)
class Served:
    """`client` has the owner's token; `as_agent` and `with_scope` give others."""

    daemon: Daemon
    web: WebServer
    client: httpx2.AsyncClient

    @property
    def context(self) -> WebContext:
        return self.web.context

    @property
    def url(self) -> str:
        return self.context.base_url

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    def bearer(self, scope: Scope, agent: str | None = None) -> dict[str, str]:
        """The header of a new token."""
        secret, _ = self.context.sign_in.tokens.create(scope, agent_id=agent)
        return {"Authorization": f"Bearer {secret}"}

    async def stats(self) -> Any:
        """How many tasks there are, asked past HTTP."""
        return await self.daemon.desk.read(lambda nexus: nexus.stats())


@asynccontextmanager
async def serve(path: Path, settings: Settings | None = None) -> AsyncIterator[Served]:
    """Starts and stops it."""
    settings = settings or Settings(server=ServerSettings(port=0))
    settings = replace(settings, daemon=replace(settings.daemon, grace_seconds=0.0))
    daemon = Daemon(Home(path=path, found_by="--home"), settings)
    web = WebServer(context_of(daemon))
    try:
        daemon.take()
        web.bind()
        await daemon.start()
        await web.start()
        owner = {"Authorization": f"Bearer {web.context.sign_in.tokens.owner_token()}"}
        async with httpx2.AsyncClient(base_url=web.context.base_url, headers=owner, timeout=PATIENCE_SECONDS) as client:
            yield Served(daemon=daemon, web=web, client=client)
    finally:
        await web.stop()
        await daemon.stop()
