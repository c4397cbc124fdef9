"""WebContext: what the parts of the HTTP face are handed: the board's desk, the settings, who asks, and the board's events.

A route that the JSON API has: see `routes/`. A part of its own (the live feed, MCP): take the context, give an ASGI app, and
be named in `application.parts_of`. Such a part asks `context.sign_in.who(scope["headers"]).require(Scope.READ)` first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dreamos_tasks.app.boards import open_board
from dreamos_tasks.interfaces.http.aside import AsideDesk
from dreamos_tasks.interfaces.http.live_hub import LiveHub
from dreamos_tasks.interfaces.http.sign_in import SignIn
from dreamos_tasks.interfaces.http.tokens import TokenBook
from dreamos_tasks.interfaces.http.wake import Wake

if TYPE_CHECKING:
    from dreamos_tasks.app.daemon import Daemon
    from dreamos_tasks.board.desk import BoardDesk
    from dreamos_tasks.config.home import Home
    from dreamos_tasks.config.settings import Settings
    from dreamos_tasks.model.event import Event

Listener = Callable[["Event"], None]


@dataclass(frozen=True, kw_only=True)
class WebContext:
    """One daemon, as its HTTP face sees it.

    `desk`: the daemon's own way to the board; what takes long to read is asked `aside`.
    `report`: how the daemon stands. `listen` has a function called in the loop with every event of the board, in order,
    whoever wrote it; `live` tells them those who follow. `closing` is set when the server is to end: whoever waits for
    something else waits for this too. `base_url` is where it is reached, once it is bound.
    """

    home: Home
    settings: Settings
    desk: BoardDesk
    report: Callable[[], Mapping[str, Any]]
    listen: Callable[[Listener], None]
    sign_in: SignIn
    live: LiveHub
    aside: AsideDesk
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    wake: Wake = field(default_factory=Wake)
    urls: dict[str, str] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        """Where browsers find it; empty before it is bound."""
        return self.urls.get("http", "")

    def new_sign_in_url(self) -> str:
        """A link that signs one browser in."""
        return f"{self.base_url}/login?code={self.sign_in.new_link()}"


def context_of(daemon: Daemon) -> WebContext:
    """What the face of this daemon needs."""
    home = daemon.home
    tokens = TokenBook(home.tokens, home.operator_token)
    live = LiveHub(daemon.desk)
    daemon.listen(live.publish)
    context = WebContext(
        home=home,
        settings=daemon.settings,
        desk=daemon.desk,
        report=daemon.report,
        listen=daemon.listen,
        sign_in=SignIn(tokens, session_seconds=daemon.settings.server.session_seconds),
        live=live,
        aside=AsideDesk(lambda: open_board(home, daemon.settings, ring=lambda: None)),
    )
    daemon.listen(context.wake.ring)
    return context
