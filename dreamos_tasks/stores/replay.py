"""Whether a board's events tell its tasks: the log replays to the same state as the board."""

from __future__ import annotations

from collections.abc import Iterable

from dreamos_tasks.model.event import Event
from dreamos_tasks.model.history import differing_fields
from dreamos_tasks.model.lifecycle import fold
from dreamos_tasks.model.task import Task


def replay_problems(tasks: Iterable[Task], events: Iterable[Event]) -> tuple[str, ...]:
    """One sentence for each task that its events do not tell. `events`: oldest first."""
    told: dict[str, Task] = {}
    problems = []
    for event in events:
        try:
            told[event.task_id] = fold(told.get(event.task_id), event)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            problems.append(f"{event.task_id}: event {event.seq} cannot be replayed ({error!r})")
    for task in tasks:
        if (replayed := told.pop(task.task_id, None)) is None:
            problems.append(f"{task.task_id}: no event tells of it")
        elif names := differing_fields(replayed, task):
            problems.append(f"{task.task_id}: its events tell something else of {', '.join(names)}")
    problems += [f"{task_id}: there are events, but no task" for task_id in told]
    return tuple(problems)
