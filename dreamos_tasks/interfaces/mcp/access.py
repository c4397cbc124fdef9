"""BoardAccess: what every MCP tool is handed: the board's desk, who acts, and what this server's clients hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from dreamos_tasks.app.daemon_lock import running_daemon
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.errors import Refused
from dreamos_tasks.interfaces.cli.task_view import task_document
from dreamos_tasks.interfaces.mcp.held_tokens import HeldToken, HeldTokens
from dreamos_tasks.interfaces.mcp.naming import Naming, RequestContext
from dreamos_tasks.model.task import QUEUED, Task

Result = TypeVar("Result")
Document = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class BoardAccess:
    """`folder`: where commands of tasks that are added here run unless said otherwise. `log`: who connected, as whom.

    `one_client`: the server lives and dies with its only client (stdio), so that any call of it keeps all its claims.
    `require`: refuses a request whose credential does not reach for a tool (its name is given). Raises Refused.
    """

    desk: BoardDesk
    home: Home
    settings: Settings
    naming: Naming
    log: Callable[[str], None]
    folder: str | None = None
    one_client: bool = False
    require: Callable[[RequestContext, str], None] = lambda _context, _tool: None
    held: HeldTokens = field(default_factory=HeldTokens)
    called_at: float = field(default_factory=time.monotonic)
    _known: set[str] = field(default_factory=set)

    def agent(self, context: RequestContext, given: str | None = None) -> str:
        """The agent that acts; at its first call it is logged. Raises as Naming.agent."""
        agent_id = self.naming.agent(context, given)
        if agent_id not in self._known:
            self._known.add(agent_id)
            self.log(f"agent {agent_id}: {_who(context)}")
        return agent_id

    def actor(self, context: RequestContext, given: str | None = None) -> str:
        """Who did it, for the record; an agent is logged at its first call. Raises as `agent`, but needs none."""
        if given is None and self.naming.agent_or_none(context) is None:
            return self.naming.somebody(context)
        return self.agent(context, given)

    async def claimed(self, claim: Callable[[TaskNexus], Task | None]) -> Document | None:
        """The document of the task that `claim` takes; its token is remembered."""

        def act(nexus: TaskNexus) -> tuple[Task | None, Document | None]:
            task = claim(nexus)
            return task, task_document(nexus, task) if task is not None else None

        task, document = await self.desk.write(act)
        if task is not None:
            self.held.note(task)
        return document

    async def under_claim(
        self,
        task_id: str,
        agent_id: str,
        token: int | None,
        act: Callable[[TaskNexus, str, int | None], Task],
        *,
        ends: bool = False,
    ) -> Document:
        """The document of the task after `act(nexus, task_id, token)`, under the token given or remembered.

        `ends`: the claim is over thereby. Raises what the verb raises, StaleToken among them.
        """

        def write(nexus: TaskNexus) -> tuple[Task, Document]:
            whole_id = nexus.fetch(task_id).task_id
            task = act(nexus, whole_id, token if token is not None else self.held.token(agent_id, whole_id))
            return task, task_document(nexus, task)

        task, document = await self.desk.write(write)
        if ends:
            self.held.forget(agent_id, task.task_id)
        else:
            self.held.note(task)
        return document

    def why_not_run(self, task: Task) -> str:
        """Why the daemon does not run the task though it could start; empty when it will, or does."""
        if task.plan is None or task.status not in QUEUED or running_daemon(self.home.daemon_file) is not None:
            return ""
        return "the daemon runs it, and is not running: dt up starts it"

    async def sign_of_life(self, context: RequestContext) -> None:
        """The client called: what it holds is prolonged, as a heartbeat would."""
        self.called_at = time.monotonic()
        agent_id = None if self.one_client else self.naming.agent_or_none(context)
        if self.one_client or agent_id is not None:
            await self.prolong(agent_id)

    async def prolong(self, agent_id: str | None = None) -> None:
        """Prolong the claims of an agent, or (None) of all, that are due for a heartbeat. One that is over is left alone."""
        for held in self.held.older_than(self.settings.claims.heartbeat_seconds, agent_id=agent_id):
            held.fresh_at = time.monotonic()
            with suppress(Refused):
                await self.desk.write(partial(_beat, held))


def _beat(held: HeldToken, nexus: TaskNexus) -> Task:
    return nexus.heartbeat(held.task_id, held.agent_id, token=held.token)


def _who(context: RequestContext) -> str:
    params = context.session.client_params
    info = params.client_info if params is not None else None
    client = f"{info.name} {info.version}".strip() if info is not None else "a client without a name"
    return f"{client!r}, MCP {context.protocol_version}"
