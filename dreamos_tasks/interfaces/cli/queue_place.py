"""QueuePlace: how the place of a ready task in the queue comes about."""

from __future__ import annotations

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.cli.text import count, harmless, local_and_ago
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.value import frozen_value

FARTHEST = 1000  # of the queue that is read: nobody wants to know whether it is the 1,300th or the 1,400th


@frozen_value
class QueuePlace:
    """The place among the ready tasks that the same agents may take. `number` None: beyond the first thousand."""

    number: int | None
    length: int
    lines: tuple[str, ...]


def place_of(nexus: TaskNexus, task: Task) -> QueuePlace:
    """Where a ready task stands, and each thing that put it there."""
    ready = nexus.find_tasks(TaskQuery(statuses=frozenset({"ready"}), order=Order.QUEUE, limit=FARTHEST))
    rivals = [other for other in ready if _takes_the_same(other, task)]
    index = next((index for index, other in enumerate(rivals) if other.task_id == task.task_id), None)
    before = rivals[:index] if index is not None else rivals
    number = index + 1 if index is not None else None
    lines = ["it is ready", _who(task), *_reasons(nexus, task, before)]
    if number == 1:
        lines.append(f"so it is the next of {count(len(rivals), 'ready task')}")
    else:
        lines.append(f"so it is number {number or f'{FARTHEST} or later'} of {count(len(rivals), 'ready task')}")
    return QueuePlace(number=number, length=len(rivals), lines=tuple(lines))


def _takes_the_same(other: Task, task: Task) -> bool:
    same_lane = (other.plan is None) == (task.plan is None)
    return same_lane and (other.assigned_to is None or other.assigned_to == task.assigned_to)


def _who(task: Task) -> str:
    if task.assigned_to is not None:
        return f"{harmless(task.assigned_to)} alone may take it: it is assigned"
    if task.plan is not None:
        return "the daemon takes it: it has a plan (dt up starts the daemon)"
    if task.requires:
        return f"any agent may take it that offers {', '.join(task.requires)}"
    return "any agent may take it"


def _reasons(nexus: TaskNexus, task: Task, before: list[Task]) -> list[str]:
    more_urgent = [other for other in before if other.priority.rank < task.priority.rank]
    same = [other for other in before if other.priority is task.priority]
    due_earlier = [other for other in same if other.due_at is not None and other.due_at != task.due_at]
    older = [other for other in same if other.due_at == task.due_at]
    due = f"due {local_and_ago(task.due_at, nexus.clock.now())}" if task.due_at is not None else "no due instant"
    return [
        f"priority {task.priority.value}: {count(len(more_urgent), 'ready task')} of a higher one before it",
        f"{due}: {len(due_earlier)} of its priority due earlier before it",
        f"added {local_and_ago(task.created_at, nexus.clock.now())}: {len(older)} older ones like it before it",
    ]
