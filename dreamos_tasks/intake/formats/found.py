"""Found: a task of another board, as it was found there, and what became of each thing that was said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from dreamos_tasks.model.task import Status


class NoteKind(StrEnum):
    """What became of something that another board says."""

    MAPPED = "mapped"  # said in our words
    KEPT = "kept"  # no field of ours says it: it lies in `extra`
    REFUSED = "refused"  # it makes no sense; where it stands in for nothing else, the task comes without it


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One line of the report. `where` is the file and the place in it (JSON Pointer)."""

    kind: NoteKind
    where: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One task of another board.

    `form` is a draft in the form of the inbox, not checked yet. `status` is where the task is to be, of PENDING, PAUSED and
    the final ones; `result` and `error` what came of it there, `ended_at` when.
    """

    source_id: str
    where: str
    form: Mapping[str, Any]
    status: Status = Status.PENDING
    result: Any = None
    error: str = ""
    reason: str = ""  # why it is paused
    ended_at: datetime | None = None
    notes: tuple[Note, ...] = field(default=())
