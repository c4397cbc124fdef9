"""BoardWriter: what every verb of the board shares: its transaction, the task as it is now, and saving."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from threading import get_ident
from typing import TYPE_CHECKING

from dreamos_tasks.board.reader import BoardReader
from dreamos_tasks.board.verb import GroupedVerb, Verb
from dreamos_tasks.errors import Refused
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import STEP_ENDS, Change, EventType
from dreamos_tasks.model.retry import DEFAULT_RETRY, RetryPolicy
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.transitions import FOREGROUND
from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.board.incidents import Incidents
    from dreamos_tasks.board.past_steps import PastSteps
    from dreamos_tasks.protocols import Clock, TaskStore

# What the running code is within: a coroutine has its own, also in a thread that it shares, and a thread that it sends out.
_groups: ContextVar[tuple[object, ...]] = ContextVar("groups", default=())

STEP_MARKS = STEP_ENDS | {EventType.STEP_STARTED}


@frozen_value
class BoardRules:
    """What a board's owner has settled: how long a lease lasts, when a failure is tried again, who may claim.

    `registered_only`: agents that are registered, and `own_agents`: the daemon; `dt run` always may.
    """

    lease_seconds: float = 900.0
    max_lost_leases: int = 10
    retry: RetryPolicy = DEFAULT_RETRY
    silent_agent_seconds: float = 300.0
    registered_only: bool = False
    own_agents: tuple[str, ...] = ("daemon",)

    def is_own(self, agent_id: str) -> bool:
        """Whether this is a name under which the program itself claims."""
        return agent_id in self.own_agents or FOREGROUND.fullmatch(agent_id) is not None


class BoardWriter(BoardReader):
    """The board, for those who change it."""

    def __init__(
        self,
        store: TaskStore,
        clock: Clock,
        *,
        rules: BoardRules | None = None,
        ring: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(store, clock)
        self.rules = rules or BoardRules()
        self.ring = ring
        self._group: object | None = None  # what is inside `together`, and its thread; thread ids are never 0
        self._group_thread = 0
        self._past_steps: PastSteps | None = None

    @property
    def past_steps(self) -> PastSteps:
        """How long steps took lately."""
        if self._past_steps is None:
            from dreamos_tasks.board.past_steps import PastSteps  # most commands have no use for it

            self._past_steps = PastSteps(self.store)
        return self._past_steps

    def close(self) -> None:
        """May be called twice."""
        self.store.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Verbs inside share one commit, and the bell rings once; each can still be refused alone.

        One inside another belongs to it: all of the inner one is kept or nothing, and the outer one's commit is the commit.
        Other threads wait until it ends. No `await` belongs inside: verbs of another coroutine are refused meanwhile.
        """
        if self._is_in_group():
            with self.store.transaction():
                yield
            return
        group, outside = object(), _groups.get()
        with self.store.transaction():
            try:
                self._group, self._group_thread = group, get_ident()
                _groups.set((*outside, group))
                yield
            finally:
                self._group, self._group_thread = None, 0
                _groups.set(outside)
        self.ring()

    @property
    def incidents(self) -> Incidents:
        """What somebody should look into."""
        from dreamos_tasks.board.incidents import Incidents  # as above

        return Incidents(self)

    def verb(self) -> Verb | GroupedVerb:
        """The frame of one verb, for the board's own rooms."""
        return self._transaction()

    def _transaction(self) -> Verb | GroupedVerb:
        return GroupedVerb(self) if self._is_in_group() else Verb(self)

    def _is_in_group(self) -> bool:
        """Whether the caller is within `together`. Raises Refused when it only shares a thread with who is, or waits for it."""
        group = self._group
        if group is None:
            return False
        is_same_thread, is_same_flow = self._group_thread == get_ident(), group in _groups.get()
        if is_same_thread != is_same_flow:
            raise Refused(
                "another coroutine is within together()",
                cause="this verb would be kept or taken back with what that one does, or each would wait for the other",
                fix="no await within together(); or let a thread do all of it: await asyncio.to_thread(work, nexus)",
            )
        return is_same_thread

    def _current(self, task_id: str, now: datetime) -> Task:
        """The task, with an expired claim written down first."""
        task = self.fetch(task_id)
        return self._save(lifecycle.expire(task, now=now)) if lifecycle.lease_expired(task, now) else task

    def _unchanged(self, task_id: str, seen: Task | None, now: datetime) -> Task:
        """The task as `_current` gives it, if it still is as the caller saw it."""
        lifecycle.require_unchanged(self.fetch(task_id), seen, now=now)
        return self._current(task_id, now)

    def _save(self, change: Change) -> Task:
        if not change.is_empty:
            if any(event.type in STEP_MARKS for event in change.events):
                change = self.past_steps.annotated(change)
            self.store.save(change)
        return change.task
