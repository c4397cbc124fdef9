"""What is refused to an agent because of how it is registered."""

from __future__ import annotations

from collections.abc import Sequence

from dreamos_tasks.errors.families import NotFound, Refused


class AgentNotFound(NotFound):
    """No agent is registered under this name."""

    code = "agent_not_found"

    def __init__(self, agent_id: str, *, nearest: Sequence[str] = ()) -> None:
        self.agent_id = agent_id
        self.nearest = tuple(nearest)
        fix = f"did you mean {' or '.join(nearest)}?" if nearest else f"dt agents register {agent_id}"
        super().__init__(f"no agent {agent_id!r} is registered on this board", fix=fix)


class MessageNotFound(NotFound):
    """The agent's mailbox has no such message."""

    code = "message_not_found"

    def __init__(self, message_id: str, *, agent_id: str) -> None:
        self.message_id = message_id
        self.agent_id = agent_id
        super().__init__(
            f"{agent_id} has no message {message_id!r}",
            cause="an id, or a beginning that only one message has, is looked for in this agent's mailbox",
            fix=f"dt mail list --agent {agent_id}",
        )


class AgentNotRegistered(Refused):
    """Only registered agents may claim on this board (agents.registered_only), and this one is not."""

    code = "agent_not_registered"

    def __init__(self, agent_id: str, *, nearest: Sequence[str] = ()) -> None:
        self.agent_id = agent_id
        self.nearest = tuple(nearest)
        super().__init__(
            f"{agent_id} may not claim: only registered agents may on this board",
            cause="agents.registered_only is set" + (f"; registered is {' or '.join(nearest)}" if nearest else ""),
            fix=f"dt agents register {agent_id}",
        )


class AgentPaused(Refused):
    """The agent is paused: it gets nothing, and may finish what it holds."""

    code = "agent_paused"

    def __init__(self, agent_id: str, *, by: str, at: str, reason: str = "") -> None:
        self.agent_id = agent_id
        self.by = by
        super().__init__(
            f"{agent_id} is paused and gets no task",
            cause=f"{by} paused it at {at}" + (f": {reason}" if reason else ""),
            fix=f"finish what you hold; dt agents resume {agent_id} lets it go on",
        )


class AgentAtCapacity(Refused):
    """The agent holds as many tasks as it may."""

    code = "agent_at_capacity"

    def __init__(self, agent_id: str, *, most: int, held: Sequence[str]) -> None:
        self.agent_id = agent_id
        self.most = most
        self.held = tuple(held)
        super().__init__(
            f"{agent_id} holds {len(held)} of the {most} tasks that it may hold at once",
            cause=f"it is registered so; it holds {', '.join(held)}",
            fix=f"complete or release one; or dt agents register {agent_id} --max-tasks {most + 1}",
        )
