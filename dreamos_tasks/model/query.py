"""Questions to the board: which tasks (TaskQuery), and which task for this agent (ClaimRequest)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.task import Priority, check_name
from dreamos_tasks.model.value import frozen_value


class Order(StrEnum):
    """How found tasks are sorted."""

    AGE = "age"  # oldest first
    NEWEST = "newest"
    QUEUE = "queue"  # as they would be claimed: priority, due instant, age


@frozen_value
class TaskQuery:
    """Which tasks to find. Everything given must fit.

    `statuses` may hold the kept states and the derived `ready`, `blocked`, `scheduled`, `expired` (pending, because a lease
    ran out that nobody has written down yet) `lapsed` (a pause or a request has lasted its time) and `rolling_back` (failed or
    cancelled, with changes still to be taken back); empty means all.
    `after` is the id of the last task of the page before.
    """

    statuses: frozenset[str] = frozenset()
    tags: tuple[str, ...] = ()
    priority: Priority | None = None
    agent: str | None = None  # holds it, or it is assigned to
    held_by: str | None = None
    parent_id: str | None = None
    dedupe_key: str | None = None
    id_prefix: str | None = None
    pending_before: datetime | None = None  # became pending earlier than this
    overdue_at: datetime | None = None  # past its due_at at this instant, and not over
    stall_noted: bool | None = None  # whether the monitor has dealt with its stall
    category: ErrorCategory | None = None  # of the error that it ended with, or that its last attempt ended with
    text: str | None = None  # in title or description, any case
    order: Order = Order.AGE
    limit: int | None = None
    after: str | None = None


@frozen_value
class ClaimRequest:
    """Who wants a task, and which kind. `runs_plans`: a daemon, which takes tasks with a plan and no others."""

    agent_id: str
    tags: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    runs_plans: bool = False

    def __post_init__(self) -> None:
        """Hold what every door shares: who claims has a name."""
        check_name(self.agent_id or "", what="an agent's name", pointer="/agent_id")
