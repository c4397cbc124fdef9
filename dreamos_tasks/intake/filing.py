"""Filing: a claimed file goes to accepted/ with its receipt, or to rejected/ with the reason. Runs in a worker thread.

The receipt is on the disk before the file moves, so a file outside of .taken always has one; a file still in .taken is done
again, to the same effect.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.intake.admission import Admission
from dreamos_tasks.intake.claiming import Taken
from dreamos_tasks.intake.folders import FOLDER_MODE, InboxFolders, exists, numbered, write_whole
from dreamos_tasks.intake.json_text import UnreadableJson
from dreamos_tasks.intake.problems import InvalidDrafts, Notice, Problem
from dreamos_tasks.model.json_form import instant_to_text
from dreamos_tasks.whole_file import sync_folder

RECEIPT = ".receipt.json"
ERROR = ".error.json"
RESULT = ".result.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A claimed file, and what became of it: its tasks, or the reason why there are none."""

    taken: Taken
    outcome: Admission | InvalidInput
    notices: tuple[Notice, ...] = ()
    at: datetime


class Files:
    """Moves what was decided out of .taken."""

    def __init__(self, folders: InboxFolders) -> None:
        self._folders = folders
        self._touched: set[Path] = set()

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders that must be writable for anything to be filed."""
        return self._folders.taken, self._folders.accepted, self._folders.rejected

    def file(self, decided: Decided) -> Path:
        """Move one file; gives where it went. Raises OSError, and then it is still in .taken."""
        if isinstance(decided.outcome, InvalidInput):
            return self._reject(decided, decided.outcome)
        return self._accept(decided, decided.outcome)

    def sync(self) -> None:
        """Bring all moves since the last time to the disk."""
        touched, self._touched = self._touched, set()
        for folder in touched:
            sync_folder(folder)

    def _accept(self, decided: Decided, admission: Admission) -> Path:
        taken = decided.taken
        day = self._folders.accepted / f"{self._day(decided, admission):%Y-%m-%d}"
        day.mkdir(mode=FOLDER_MODE, exist_ok=True)
        target = _free(day, taken, RECEIPT)
        receipt = target.with_name(target.name + RECEIPT)
        write_whole(receipt, _receipt(decided, admission, target))
        link = self._folders.open / taken.path.name
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(receipt, link.parent))
        os.rename(taken.path, target)
        self._touched.update((self._folders.accepted, day, self._folders.open, self._folders.taken))
        return target

    def _reject(self, decided: Decided, error: InvalidInput) -> Path:
        taken = decided.taken
        folder = self._folders.rejected
        target = _free(folder, taken, ERROR)
        write_whole(target.with_name(target.name + ERROR), _rejection(decided, error))
        os.rename(taken.path, target)
        self._touched.update((folder, self._folders.taken))
        return target

    def _day(self, decided: Decided, admission: Admission) -> datetime:
        """Of a file that is taken up again after a crash: the day its tasks were added, where its receipt may lie."""
        own = [one.task.created_at for one in admission.tasks if not one.is_duplicate]
        return min(own) if decided.taken.is_recovered and own else admission.at


def note_of(error: InvalidInput) -> dict[str, Any]:
    """What is wrong, as `<name>.error.json` and `dt inbox validate` say it."""
    if isinstance(error, InvalidDrafts):
        return error.to_json()
    problem = (
        error.problem
        if isinstance(error, UnreadableJson)
        else Problem(pointer=error.pointer, message=error.message, expected=error.cause, fix=error.fix)
    )
    return {"code": error.code, **problem.to_json(), "problems": [problem.to_json()], "warnings": []}


def _receipt(decided: Decided, admission: Admission, target: Path) -> dict[str, Any]:
    taken = decided.taken
    return {
        "file": taken.name,
        "agent": taken.agent,
        "drop": taken.path.name,
        "accepted_at": instant_to_text(decided.at),
        "accepted_as": f"accepted/{target.parent.name}/{target.name}",
        "result": f"{taken.name}{RESULT}",
        "sha256": taken.sha256,
        "bytes": taken.size,
        "task_ids": [one.task.task_id for one in admission.tasks],
        "tasks": [
            {
                "task_id": one.task.task_id,
                "title": one.task.title,
                "pointer": one.pointer,
                "duplicate_of": one.task.task_id if one.is_duplicate else None,
                "differs_in": list(one.differs),
            }
            for one in admission.tasks
        ],
        "warnings": [
            *(notice.to_json() for notice in decided.notices),
            *(notice.to_json() for notice in duplicate_notices(admission)),
        ],
    }


def duplicate_notices(admission: Admission) -> Iterable[Notice]:
    """What the author of a file should know of each task that was there already."""
    for one in admission.tasks:
        if one.is_duplicate:
            but = f", though it differs in {', '.join(one.differs)}" if one.differs else ""
            yield Notice(
                pointer=one.pointer,
                message=f"duplicate of {one.task.task_id}{but}: no task was added. Another name makes the file another "
                "drop, unless it names a task_id or dedupe_key",
            )


def _rejection(decided: Decided, error: InvalidInput) -> dict[str, Any]:
    taken = decided.taken
    return {
        "file": taken.name,
        "agent": taken.agent,
        "drop": taken.path.name,
        "rejected_at": instant_to_text(decided.at),
        **note_of(error),
    }


def _free(folder: Path, taken: Taken, suffix: str) -> Path:
    """A name in the folder that nothing has; that of its own note when a crash left one there without the file."""
    number = 1
    while True:
        target = folder / numbered(taken.name, number)
        note = target.with_name(target.name + suffix)
        if not exists(target) and (not exists(note) or _is_of(note, taken)):
            return target
        number += 1


def _is_of(note: Path, taken: Taken) -> bool:
    try:
        written = json.loads(note.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(written, dict) and written.get("drop") == taken.path.name
