"""Admission: the drafts of one dropped file on the board, all or none, and exactly once whatever is killed in between.

A drop is its name and its bytes. Each draft that has no `dedupe_key` gets one made of them (`inbox:<hash>#<index>`), so a file
that is read again after a crash, or dropped again unchanged under the same name, finds its tasks instead of adding them
twice. The same bytes under another name are another drop, and new tasks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import DependencyCycle, InvalidInput, InvalidTask
from dreamos_tasks.intake.problems import InvalidDrafts, Problem
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import Task, TaskDraft

# What is compared to say in which fields a duplicate differs from the task that is there.
COMPARED = ("title", "description", "priority", "tags", "depends_on", "assigned_to", "plan", "verify", "context")
_KEY_CHARACTERS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """One draft on the board. `is_duplicate`: its task was there before; `differs`: in these fields it is another."""

    pointer: str
    task: Task
    is_duplicate: bool = False
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """All drafts of a file on the board, and the board's time."""

    tasks: tuple[Admitted, ...]
    at: datetime


def drop_key(text: bytes, *, name: str, agent: str | None) -> str:
    """What stands for a drop: the same for the same bytes under the same name in the same folder."""
    digest = hashlib.sha256(f"{agent or ''}/{name}\0".encode(errors="surrogateescape"))
    digest.update(text)
    return f"inbox:{digest.hexdigest()[:_KEY_CHARACTERS]}"


def admit(
    nexus: TaskNexus, drafts: Sequence[TaskDraft], pointers: Sequence[str], *, key: str, is_recovered: bool
) -> Admission:
    """Add what is not there yet. `is_recovered`: the drop was being taken when the daemon ended, its own tasks may be there.

    Raises InvalidDrafts with pointers into the file, and BoardUnavailable kinds.
    """
    keyed = [
        draft if draft.dedupe_key is not None else replace(draft, dedupe_key=f"{key}#{index}")
        for index, draft in enumerate(drafts)
    ]
    there = {index: task for index, draft in enumerate(keyed) if (task := _find(nexus, draft)) is not None}
    originals = _originals(keyed)
    new = [index for index, original in enumerate(originals) if original == index and index not in there]
    try:
        added = nexus.add_tasks([keyed[index] for index in new]) if new else ()
    except (InvalidTask, DependencyCycle) as error:
        raise _in_the_file(error, new, keyed, pointers) from error
    fresh = dict(zip(new, added, strict=True))
    tasks = []
    for index, (draft, pointer) in enumerate(zip(keyed, pointers, strict=True)):
        task = there.get(index) or fresh.get(originals[index]) or there[originals[index]]
        differs = () if index in fresh else _differing(draft, task)
        mine = index in fresh or (
            is_recovered and index in there and task.dedupe_key == draft.dedupe_key and not differs
        )
        tasks.append(Admitted(pointer=pointer, task=task, is_duplicate=not mine, differs=differs))
    return Admission(tasks=tuple(tasks), at=nexus.clock.now())


def _find(nexus: TaskNexus, draft: TaskDraft) -> Task | None:
    if draft.task_id:
        task = nexus.store.get(draft.task_id)
        if task is not None:
            return task
    found = nexus.find_tasks(TaskQuery(dedupe_key=draft.dedupe_key, limit=1))
    return found[0] if found else None


def _originals(drafts: Sequence[TaskDraft]) -> list[int]:
    """For each draft the first one of the file that asks for the same task, by id or key; mostly itself."""
    first_with: dict[tuple[str, str | None], int] = {}
    originals = []
    for index, draft in enumerate(drafts):
        names = [("key", draft.dedupe_key), *([("id", draft.task_id)] if draft.task_id else [])]
        original = min((first_with[name] for name in names if name in first_with), default=index)
        for name in names:
            first_with.setdefault(name, original)
        originals.append(original)
    return originals


def _differing(draft: TaskDraft, task: Task) -> tuple[str, ...]:
    return tuple(name for name in COMPARED if getattr(draft, name) != getattr(task, name))


def _in_the_file(
    error: InvalidInput, new: Sequence[int], drafts: Sequence[TaskDraft], pointers: Sequence[str]
) -> InvalidDrafts:
    """The board's refusal, pointing into the file that the drafts came from."""
    index, below = new[0], error.pointer
    if isinstance(error, DependencyCycle):
        index = next((at for at in new if drafts[at].task_id == error.cycle[0]), index)
    elif len(new) > 1:
        _, number, *rest = error.pointer.split("/")
        index, below = new[int(number)], "".join(f"/{token}" for token in rest)
    problem = Problem(
        pointer=pointers[index] + below,
        message=error.message,
        expected=error.cause,
        nearest_field=None,
        fix=error.fix,
    )
    return InvalidDrafts([problem])
