"""HeldTokens: what the clients of this server have claimed, and under which token, so that no agent need repeat it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from dreamos_tasks.model.task import Task

MOST_HELD = 10_000  # claims that nobody ended; the oldest are forgotten, and the board still knows their holder


@dataclass(slots=True)
class HeldToken:
    """A claim. `fresh_at`: when it was last prolonged, on the monotonic clock."""

    agent_id: str
    task_id: str
    token: int
    fresh_at: float


class HeldTokens:
    """A token is kept until its task is finished or given back, also when it has become stale: a late call then is refused
    under it, instead of being taken for the call of whoever claimed the task since under the same name.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, str], HeldToken] = OrderedDict()

    def note(self, task: Task) -> None:
        """Remember the task's claim, if there is one."""
        claim = task.claim
        if claim is None:
            return
        key = (claim.agent_id, task.task_id)
        self._held[key] = HeldToken(claim.agent_id, task.task_id, claim.token, time.monotonic())
        self._held.move_to_end(key)
        while len(self._held) > MOST_HELD:
            self._held.popitem(last=False)

    def token(self, agent_id: str, task_id: str) -> int | None:
        """Under which token this agent claimed the task here; None when it did not."""
        held = self._held.get((agent_id, task_id))
        return held.token if held is not None else None

    def forget(self, agent_id: str, task_id: str) -> None:
        """The claim is over, by the agent's own doing."""
        self._held.pop((agent_id, task_id), None)

    def older_than(self, seconds: float, *, agent_id: str | None) -> Sequence[HeldToken]:
        """What was last prolonged longer ago than this, of one agent or (None) of all."""
        edge = time.monotonic() - seconds
        return [
            held
            for held in list(self._held.values())
            if held.fresh_at < edge and (agent_id is None or held.agent_id == agent_id)
        ]
