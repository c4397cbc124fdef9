"""Which tasks a query means, and in which order: the one definition behind every store's `find` and `next_claimable`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from dreamos_tasks.model.hold import KeyUse
from dreamos_tasks.model.lifecycle import deadline_of, lease_expired, offered_in_turn, refusals, seen_at
from dreamos_tasks.model.query import ClaimRequest, TaskQuery
from dreamos_tasks.model.task import QUEUED, Status, Task

NEVER_DUE = datetime.max.replace(tzinfo=UTC)


def queue_key(task: Task) -> tuple[int, datetime]:
    """Sorts tasks as they are claimed; age comes last and is the store's to know."""
    return task.priority.rank, task.due_at or NEVER_DUE


def can_be_next(
    task: Task, request: ClaimRequest, *, unfinished: Sequence[str], now: datetime, key_use: KeyUse | None = None
) -> bool:
    """Whether `next` may hand the task to this agent now. An expired claim counts as none."""
    task = seen_at(task, now)
    return offered_in_turn(task, request) and not refusals(
        task, request, unfinished=unfinished, now=now, key_use=key_use
    )


def derived_states(
    task: Task, *, unfinished: Sequence[str], now: datetime, key_use: KeyUse | None = None
) -> frozenset[str]:
    """The words by which the task can be asked for: its state, ready, blocked, scheduled, expired, lapsed, rolling_back."""
    words = {"expired"} if lease_expired(task, now) else set()
    deadline = deadline_of(task)
    if deadline is not None and deadline <= now:
        words.add("lapsed")
    task = seen_at(task, now)
    words.add(task.status.value)
    if task.status in (Status.FAILED, Status.CANCELLED) and task.rollback is not None and task.rollback.is_due:
        words.add("rolling_back")
    if task.status in QUEUED:
        later = task.not_before is not None and task.not_before > now
        if unfinished or key_use is not None:
            words.add("blocked")
        if later:
            words.add("scheduled")
        if not unfinished and not later and key_use is None:
            words.add("ready")
    return frozenset(words)


def is_overdue(task: Task, now: datetime) -> bool:
    """Whether it should have been over by now, and is not."""
    return task.due_at is not None and task.due_at < now and not task.is_final


def fits(
    task: Task, query: TaskQuery, *, unfinished: Sequence[str], now: datetime, key_use: KeyUse | None = None
) -> bool:
    """Whether the query means this task (paging aside)."""
    seen = seen_at(task, now)
    holder = seen.claim.agent_id if seen.claim else None
    return (
        (
            not query.statuses
            or bool(query.statuses & derived_states(task, unfinished=unfinished, now=now, key_use=key_use))
        )
        and all(tag in task.tags for tag in query.tags)
        and query.priority in (None, task.priority)
        and query.agent in (None, holder, task.assigned_to)
        and query.held_by in (None, holder)
        and query.parent_id in (None, task.parent_id)
        and query.dedupe_key in (None, task.dedupe_key)
        and (query.pending_before is None or (seen.pending_since or seen.created_at) < query.pending_before)
        and (query.overdue_at is None or is_overdue(task, query.overdue_at))
        and query.stall_noted in (None, seen.stall_noted_at is not None)
        and query.category in (None, task.error.category if task.error is not None else None)
        and (query.id_prefix is None or task.task_id.startswith(query.id_prefix))
        and (query.text is None or query.text.lower() in f"{task.title}\n{task.description}".lower())
    )
