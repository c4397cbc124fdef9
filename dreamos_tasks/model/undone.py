"""What was taken back: one step's change (Undone), and a whole task's, or some steps of it (Rollback)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from dreamos_tasks.model.value import frozen_value


class RollbackCause(StrEnum):
    """Why a task's changes are taken back."""

    FAILED = "failed"
    CANCELLED = "cancelled"
    ASKED = "asked"  # by a person: dt undo


@frozen_value
class Undone:
    """What came of taking a step back. A step that was undone is pending again; of one that could not be, `ok` is false.

    `message` says what is as it was, or why it is not.
    """

    at: datetime
    by: str
    ok: bool = True
    message: str = ""


@frozen_value
class Rollback:
    """Steps of a task that are to be taken back, newest first. It is over when `finished_at` is set.

    `steps` are those that are meant; none: all that can be taken back. From `started_at` on it is seen through: a killed
    process leaves it to the next one.
    """

    cause: RollbackCause
    since: datetime
    steps: tuple[str, ...] = ()
    started_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_due(self) -> bool:
        """There may be something left to take back."""
        return self.finished_at is None

    @property
    def is_under_way(self) -> bool:
        """Somebody has begun, and nobody has finished."""
        return self.started_at is not None and self.finished_at is None
