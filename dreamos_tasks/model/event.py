"""What happened: typed events, and the Change of one task that carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.model.task import Task


class EventType(StrEnum):
    """What can happen to a task."""

    TASK_ADDED = "task_added"
    TASK_IMPORTED = "task_imported"
    TASK_CLAIMED = "task_claimed"
    TASK_LEASE_EXPIRED = "task_lease_expired"
    TASK_RECOVERED = "task_recovered"
    PROGRESS = "progress"
    STEP_STARTED = "step_started"
    STEP_COMPLETED = "step_completed"
    STEP_FAILED = "step_failed"
    STEP_SKIPPED = "step_skipped"
    VERIFICATION_FAILED = "verification_failed"
    TASK_COMPLETED = "task_completed"
    TASK_FAILED = "task_failed"
    TASK_RETRY_SCHEDULED = "task_retry_scheduled"
    TASK_DEFERRED = "task_deferred"
    TASK_RELEASED = "task_released"
    TASK_PAUSED = "task_paused"
    TASK_RESUMED = "task_resumed"
    TASK_CANCELLED = "task_cancelled"
    TASK_RETRIED = "task_retried"
    TASK_STALLED = "task_stalled"
    TASK_STALL_NOTED = "task_stall_noted"
    TASK_REASSIGNED = "task_reassigned"
    TASK_ESCALATED = "task_escalated"
    TASK_EDITED = "task_edited"
    HISTORY_PRUNED = "history_pruned"
    PAUSE_REQUESTED = "pause_requested"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_GRANTED = "approval_granted"
    APPROVAL_REJECTED = "approval_rejected"
    QUESTION_ASKED = "question_asked"
    QUESTION_ANSWERED = "question_answered"
    REQUEST_EXPIRED = "request_expired"
    STEP_PAUSED = "step_paused"
    TASK_WOKEN = "task_woken"
    ROLLBACK_STARTED = "rollback_started"
    STEP_UNDONE = "step_undone"
    STEP_UNDO_FAILED = "step_undo_failed"
    ROLLBACK_FINISHED = "rollback_finished"
    CHANGE_TAKEN_BACK = "change_taken_back"


STEP_ENDS = frozenset({EventType.STEP_COMPLETED, EventType.STEP_FAILED})
STEP_END_WORDS = {  # how a step has ended, or that it was left out
    EventType.STEP_COMPLETED: "completed",
    EventType.STEP_FAILED: "failed",
    EventType.STEP_SKIPPED: "skipped",
}


@frozen_value
class Event:
    """One thing that happened to one task.

    `changes` holds the fields it changed, in the task's JSON form: folding all events of a task gives the task.
    `detail` says what no field keeps (why, by which strategy). `seq` is 0 until the store has given one.
    """

    type: EventType
    task_id: str
    at: datetime
    by: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    detail: Mapping[str, Any] = field(default_factory=dict)
    seq: int = 0


class Change(NamedTuple):
    """What a lifecycle verb decided: the task as it was (None: new), as it is to be, and what that means in events."""

    before: Task | None
    task: Task
    events: tuple[Event, ...] = ()

    def followed_by(self, later: Change) -> Change:
        """Both changes as one: saved together, in one write."""
        return Change(self.before, later.task, self.events + later.events)

    @property
    def is_empty(self) -> bool:
        """Nothing to save."""
        return self.task is self.before
