"""Naming: which agent acts. Its token says so, or the call, or who started the server, or what the client calls itself."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from mcp.server.context import ServerRequestContext

from dreamos_tasks.errors import UsageError
from dreamos_tasks.model.task import NAME_PATTERN, check_name

RequestContext = ServerRequestContext[Any, Any]
LONGEST_CLIENT_NAME = 40
MARK_CHARACTERS = 4  # hexadecimal: enough to keep the sessions of one client on one board apart


class AgentUnknown(UsageError):
    """Nothing says which agent the call is for."""

    code = "agent_not_named"

    def __init__(self) -> None:
        super().__init__(
            "it is not known which agent you are",
            cause="neither the call nor the server names one, and your client has no session and no name of its own",
            fix='pass "agent": "NAME", always the same; or use a token that is bound to your name',
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The names of one server. `fixed`: whom it was started for. `acting_as`: the agent whose credential the request shows,
    else the one that the call names; raises a DreamosError when they are two. `somebody`: who did it, for the record, where
    no agent need be known.

    A client that nobody named acts under its own name and a mark of its session: two sessions of one program are two
    agents, so that neither takes the other's claim for its own.
    """

    fixed: str | None = None
    acting_as: Callable[[RequestContext, str | None], str | None] = lambda _context, given: given
    somebody: Callable[[RequestContext], str] = lambda _context: "mcp"
    mark: str | None = field(default_factory=lambda: os.urandom(2).hex())  # None: a session tells clients apart

    def agent(self, context: RequestContext, given: str | None = None) -> str:
        """The agent that acts. Raises AgentUnknown, InvalidTask, and what `acting_as` raises."""
        if given is not None:
            check_name(given, what="an agent's name", pointer="/agent")
        named = self.acting_as(context, given) or self.agent_or_none(context)
        if named is None:
            raise AgentUnknown
        return named

    def agent_or_none(self, context: RequestContext) -> str | None:
        """The agent whose session this is; None when nothing says so."""
        return self.acting_as(context, None) or self.fixed or self._client_and_mark(context)

    def _client_and_mark(self, context: RequestContext) -> str | None:
        mark = self.mark or _mark_of_session(context)
        return f"{client_name(context) or 'agent'}-{mark}" if mark is not None else None


def client_name(context: RequestContext) -> str | None:
    """What the client calls itself, as it can stand in a name."""
    params = context.session.client_params
    if params is None or params.client_info is None:
        return None
    name = re.sub(r"[^a-z0-9]+", "-", params.client_info.name.lower()).strip("-")[:LONGEST_CLIENT_NAME]
    return name if NAME_PATTERN.fullmatch(name) else None


def _mark_of_session(context: RequestContext) -> str | None:
    headers = getattr(context.request, "headers", None)
    session = headers.get("mcp-session-id") if headers is not None else None
    return sha256(session.encode()).hexdigest()[:MARK_CHARACTERS] if session else None
