"""Choices: which verbs a person could say to a task now, so that a page shows those buttons and no others. Pure."""

from __future__ import annotations

from dreamos_tasks.model.rollback import undo_order
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.model.transitions import legal_verbs

CHOICES = ("pause", "resume", "retry", "cancel", "undo", "edit")


def choices_of(task: Task) -> tuple[str, ...]:
    """The verbs that nothing in the task speaks against. Time may: `undo` is for what has ended lately."""
    legal = legal_verbs(task.status)
    return tuple(verb for verb in CHOICES if verb in legal and _makes_sense(task, verb))


def _makes_sense(task: Task, verb: str) -> bool:
    is_undoing = task.rollback is not None and task.rollback.is_under_way
    match verb:
        case "pause":
            return task.pause is None
        case "resume":
            return not is_undoing and (task.status is Status.PAUSED or task.pause is not None)
        case "retry":
            return not is_undoing
        case "undo":
            return not is_undoing and bool(undo_order(task, ()))
        case _:
            return True
