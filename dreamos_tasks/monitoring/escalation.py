"""What is done about a stall: four strategies, of which a board's owner chooses one. Each acts once a stall.

A strategy decides about a task as a monitor has seen it; the nexus refuses when anything has happened to the task since, in
the same transaction as the write. So two monitors at once, or one before and one after a restart, act once between them.
"""

from __future__ import annotations

import difflib
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import ConfigError, NotFound, Refused
from dreamos_tasks.model.task import TITLE_MAX_LENGTH, Priority, Status, Task, TaskDraft

BY = "monitor"
ESCALATION_TAGS = ("escalation", "stalled_task")
ESCALATION_ID = re.compile(r"escalation_.+_[0-9a-f]{8}")
LONGEST_ID_INSIDE = 128 - len("escalation_") - len("_01234567")  # an id has at most 128 characters


class EscalationStrategy(StrEnum):
    """What a board's owner wants done about a stall."""

    LOG_ONLY = "log_only"
    MARK_STALLED = "mark_stalled"
    REASSIGN = "reassign"
    ESCALATE = "escalate"


class Action(StrEnum):
    """What a check did about a stall."""

    LOGGED = "logged"
    MARKED_STALLED = "marked_stalled"
    REASSIGNED = "reassigned"
    ESCALATED = "escalated"
    RELEASED = "released"  # what a registered agent held that fell silent


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """A task that nobody moves, as a monitor has seen it.

    `escalation_key`: stalls with the same key share one escalation task.
    """

    task: Task
    since: datetime
    seconds: float
    reason: str
    escalation_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """What was done about a stall."""

    action: Action
    escalation_id: str | None = None


def strategy_from(word: str) -> EscalationStrategy:
    """The strategy of this name. Raises ConfigError for any other word."""
    try:
        return EscalationStrategy(word)
    except ValueError:
        names = [strategy.value for strategy in EscalationStrategy]
        near = difflib.get_close_matches(str(word).lower(), names, n=1, cutoff=0.5)
        raise ConfigError(
            f"{word!r} is not a strategy",
            cause=f"monitoring.escalation_strategy is one of {', '.join(names)}",
            fix=f"did you mean {near[0]}?" if near else "leave it out for log_only",
        ) from None


def is_escalation(task: Task) -> bool:
    """Whether the task was itself made because another one stalled."""
    return ESCALATION_ID.fullmatch(task.task_id) is not None or set(ESCALATION_TAGS) <= set(task.tags)


def spoken(seconds: float) -> str:
    """A duration for people: in the greatest unit of which there are at least two."""
    for unit, length in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def deal_with(nexus: TaskNexus, stall: Stall, strategy: EscalationStrategy) -> Dealt | None:
    """Do what the strategy says. None: somebody was quicker, and nothing was changed."""
    try:
        return STRATEGIES[strategy](nexus, stall)
    except (Refused, NotFound):
        return None


def log_only(nexus: TaskNexus, stall: Stall) -> Dealt:
    """Note the stall on the board, where the event log tells of it; the task stays as it is."""
    _note(nexus, stall, EscalationStrategy.LOG_ONLY)
    return Dealt(action=Action.LOGGED)


def mark_stalled(nexus: TaskNexus, stall: Stall) -> Dealt:
    """Put a waiting task into the state `stalled`, in which it can be claimed as before.

    A task under a live lease is in progress as long as that lasts (a claim exists exactly while it is), so its stall is noted;
    and so is that of a task which somebody has marked before.
    """
    if stall.task.status is not Status.PENDING:
        _note(nexus, stall, EscalationStrategy.MARK_STALLED)
        return Dealt(action=Action.LOGGED)
    nexus.mark_task_stalled(stall.task.task_id, by=BY, reason=stall.reason, seen=stall.task)
    return Dealt(action=Action.MARKED_STALLED)


def reassign(nexus: TaskNexus, stall: Stall) -> Dealt:
    """Open the task to every agent: its claim and assignment are cleared, and its clock starts anew.

    A holder that was only quiet finds its token stale when it comes back; what it recorded stays.
    """
    nexus.reassign_task(stall.task.task_id, by=BY, reason=stall.reason, seen=stall.task)
    return Dealt(action=Action.REASSIGNED)


def escalate(nexus: TaskNexus, stall: Stall) -> Dealt:
    """Add a task that asks somebody to look into it. An escalation that stalls is not escalated: it is noted."""
    if is_escalation(stall.task):
        return log_only(nexus, stall)
    draft = escalation_of(stall)
    _, added = nexus.escalate_task(stall.task.task_id, draft, by=BY, reason=stall.reason, seen=stall.task)
    return Dealt(action=Action.ESCALATED, escalation_id=added.task_id)


def escalation_of(stall: Stall) -> TaskDraft:
    """The task that asks somebody to look into a stall."""
    task = stall.task
    title = f"Stalled: {task.title}"
    return TaskDraft(
        task_id=f"escalation_{task.task_id[:LONGEST_ID_INSIDE]}_{secrets.token_hex(4)}",
        title=title if len(title) <= TITLE_MAX_LENGTH else title[: TITLE_MAX_LENGTH - 1] + "…",
        description=(
            f"{task.task_id}: {stall.reason}.\n\n"
            f"Find out why nobody moves it, and say so on it: dt show {task.task_id}; dt why {task.task_id}"
        ),
        priority=Priority.HIGH,
        tags=ESCALATION_TAGS,
        related_task_id=task.task_id,
        dedupe_key=stall.escalation_key,
        created_by=BY,
    )


STRATEGIES: Mapping[EscalationStrategy, Callable[[TaskNexus, Stall], Dealt]] = {
    EscalationStrategy.LOG_ONLY: log_only,
    EscalationStrategy.MARK_STALLED: mark_stalled,
    EscalationStrategy.REASSIGN: reassign,
    EscalationStrategy.ESCALATE: escalate,
}


def _note(nexus: TaskNexus, stall: Stall, strategy: EscalationStrategy) -> None:
    nexus.note_stall(stall.task.task_id, by=BY, strategy=strategy.value, reason=stall.reason, seen=stall.task)
