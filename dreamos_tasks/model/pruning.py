"""Pruning: the long history of a task that is over, told in two events that fold to the same task."""

from __future__ import annotations

from datetime import datetime

from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.history import differing_fields
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.recording import fold
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.value import frozen_value

KEPT_EVENTS = 2  # how it was added, and what became of it


@frozen_value
class HistoryPage:
    """Some final tasks whose history can be shortened. `last`: the next page begins behind this task; None: there is none."""

    task_ids: tuple[str, ...] = ()
    last: str | None = None


def can_be_pruned(task: Task, *, ended_before: datetime) -> bool:
    """Whether the task has been over for so long, and nothing about it is still to be done: no undo is due."""
    if not task.is_final or task.claim is not None or (task.rollback is not None and task.rollback.is_due):
        return False
    return task.finished_at is not None and max(task.finished_at, task.updated_at) < ended_before


def shortened(task: Task, first: Event, last: Event, *, removed: int) -> Event:
    """The event that stands for all but the first of a final task's events; it takes the place of the last one.

    Folding `first` and this one gives the task, at the instant and by whom it was ended. `removed`: how many events went.
    """
    assert task.is_final, "what may still happen to a task needs its history"
    told = fold(None, first)
    names = differing_fields(told, task)
    return Event(
        type=EventType.HISTORY_PRUNED,
        task_id=task.task_id,
        at=task.updated_at,
        by=last.by,
        changes={name: to_json(getattr(task, name)) for name in names if name != "updated_at"},
        detail={"reason": _reason(last), "removed": removed},
        seq=last.seq,
    )


def _reason(last: Event) -> str:
    if last.type is EventType.HISTORY_PRUNED:
        return str(last.detail.get("reason", ""))
    return f"{last.type.value.replace('_', ' ')}; what came before was pruned"
