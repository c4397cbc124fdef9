"""Adding tasks and naming them: fresh ids, dedupe keys, links to other tasks, unique prefixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from dreamos_tasks.errors import AmbiguousTaskId, DependencyCycle, DuplicateTaskId, InvalidTask, TaskNotFound
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.dependencies import find_cycle
from dreamos_tasks.model.ids import child_id, fresh_id, id_length
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Task, TaskDraft

if TYPE_CHECKING:
    from dreamos_tasks.protocols import TaskStore

SHOWN_CANDIDATES = 8


def add_one(store: TaskStore, draft: TaskDraft, *, now: datetime) -> Task:
    """Add the draft, in the open transaction, by one write. With a dedupe key that is taken, gives the task that is there."""
    return _twin(store, draft, now=now) or _add(store, draft, length=id_length(store.task_count() + 1), now=now)


def add_all(store: TaskStore, drafts: Sequence[TaskDraft], *, now: datetime) -> Sequence[Task]:
    """Add every draft, in the open transaction; a draft whose dedupe key is taken gives the task that is there."""
    if len(drafts) == 1:
        return (add_one(store, drafts[0], now=now),)
    length = id_length(store.task_count() + len(drafts))
    added: dict[int, Task] = {}
    coming = frozenset(draft.task_id for draft in drafts if draft.task_id)
    for index in _dependencies_first(drafts):
        draft = drafts[index]
        try:
            added[index] = _twin(store, draft, now=now) or _add(store, draft, length=length, now=now, coming=coming)
        except InvalidTask as error:
            raise _pointing_at(index, error) from None
    for index, draft in enumerate(drafts):
        if draft.parent_id in coming:  # unless it had a twin, and never came
            try:
                _check_parent(store, draft, now=now)
            except InvalidTask as error:
                raise _pointing_at(index, error) from None
    return [added[index] for index in range(len(drafts))]


def check_links(
    store: TaskStore, task: Task | TaskDraft, *, now: datetime, coming: frozenset[str] = frozenset()
) -> None:
    """Refuse dependencies and parents that are not there, and rings. `coming`: ids that are added together with it.

    Raises InvalidTask, DependencyCycle.
    """
    for index, other in enumerate(task.depends_on):
        if store.get(other) is None:
            raise InvalidTask(
                f"it depends on {other!r}, which is not on this board",
                pointer=f"/depends_on/{index}",
                cause="a dependency must be there before, or be added in the same file",
                fix=_did_you_mean(store, other, now=now),
            )
    if task.parent_id not in coming:
        _check_parent(store, task, now=now)
    if isinstance(task, Task) and task.depends_on:
        known: Mapping[str, Sequence[str]] = {task.task_id: task.depends_on}
        cycle = find_cycle(task.task_id, lambda task_id: known.get(task_id) or _needs(store, task_id))
        if cycle:
            raise DependencyCycle(cycle)


def resolve(store: TaskStore, prefix: str, *, now: datetime) -> Task:
    """The only task whose id starts so, with or without `dt-`. Raises TaskNotFound, AmbiguousTaskId."""
    for start in dict.fromkeys((prefix, prefix.lower(), f"dt-{prefix.lower()}")):
        if not start:
            break
        exact = store.get(start)
        if exact is not None:
            return exact
        found = store.find(TaskQuery(id_prefix=start, limit=SHOWN_CANDIDATES), now=now)
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousTaskId(prefix, candidates=tuple(task.task_id for task in found))
    raise TaskNotFound(prefix, nearest=nearest_ids(store, prefix, now=now))


def nearest_ids(store: TaskStore, task_id: str, *, now: datetime) -> tuple[str, ...]:
    """Ids of recent tasks that look like this one."""
    recent = [task.task_id for task in store.find(TaskQuery(order=Order.NEWEST, limit=500), now=now)]
    from difflib import get_close_matches  # costs a command that adds a task more than adding it

    return tuple(get_close_matches(task_id, recent, n=3, cutoff=0.7))


def _pointing_at(index: int, error: InvalidTask) -> InvalidTask:
    """What is wrong with a draft is said with its place in the batch."""
    error.pointer = f"/{index}{error.pointer}"
    return error


def _dependencies_first(drafts: Sequence[TaskDraft]) -> Sequence[int]:
    """The order in which drafts that depend on one another can be added. Raises DependencyCycle."""
    by_id = {draft.task_id: index for index, draft in enumerate(drafts) if draft.task_id}
    if not any(other in by_id for draft in drafts for other in draft.depends_on):
        return range(len(drafts))
    order: dict[int, None] = {}
    for first in range(len(drafts)):
        path = {first: iter(drafts[first].depends_on)}  # from a draft to what it waits for, and what is left to look at
        while path:
            index, rest = next(reversed(path.items()))
            ahead = next((by_id[other] for other in rest if other in by_id and by_id[other] not in order), None)
            if ahead is None:
                order[index] = None
                del path[index]
            elif ahead in path:
                ring = list(path)[list(path).index(ahead) :]
                raise DependencyCycle(tuple(drafts[member].task_id for member in (*ring, ahead)))
            else:
                path[ahead] = iter(drafts[ahead].depends_on)
    return list(order)


def _twin(store: TaskStore, draft: TaskDraft, *, now: datetime) -> Task | None:
    if draft.dedupe_key is None:
        return None
    found = store.find(TaskQuery(dedupe_key=draft.dedupe_key, limit=1), now=now)
    return lifecycle.seen_at(found[0], now) if found else None


def _add(
    store: TaskStore, draft: TaskDraft, *, length: int, now: datetime, coming: frozenset[str] = frozenset()
) -> Task:
    if draft.depends_on or draft.parent_id is not None:
        check_links(store, draft, now=now, coming=coming)
    if draft.task_id:
        return _save_new(store, draft, draft.task_id, now=now)
    if draft.parent_id is not None:
        return _save_new(store, draft, _free_child_id(store, draft.parent_id, now=now), now=now)
    while True:
        try:
            return _save_new(store, draft, fresh_id(length), now=now)
        except DuplicateTaskId:
            length += 1


def _save_new(store: TaskStore, draft: TaskDraft, task_id: str, *, now: datetime) -> Task:
    change = lifecycle.add(draft, task_id=task_id, now=now)
    store.save(change)
    return change.task


def _free_child_id(store: TaskStore, parent_id: str, *, now: datetime) -> str:
    number = len(store.find(TaskQuery(parent_id=parent_id), now=now)) + 1
    while store.get(child_id(parent_id, number)) is not None:
        number += 1
    return child_id(parent_id, number)


def _check_parent(store: TaskStore, task: TaskDraft, *, now: datetime) -> None:
    if task.parent_id is not None and store.get(task.parent_id) is None:
        raise InvalidTask(
            f"its parent {task.parent_id!r} is not on this board",
            pointer="/parent_id",
            fix=_did_you_mean(store, task.parent_id, now=now),
        )


def _needs(store: TaskStore, task_id: str) -> Sequence[str]:
    task = store.get(task_id)
    return task.depends_on if task is not None else ()


def _did_you_mean(store: TaskStore, task_id: str, *, now: datetime) -> str:
    near = nearest_ids(store, task_id, now=now)
    return f"did you mean {', '.join(near)}?" if near else "dt list shows the tasks of this board"
