"""Pruner: removes what nobody needs of tasks that are long over: their run folders, and all but two events of their histories.

The task itself stays, with its result, its links and its id: what depends on it stays right, and no id is given out twice.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.event import Event
from dreamos_tasks.model.pruning import KEPT_EVENTS, HistoryPage, can_be_pruned, shortened
from dreamos_tasks.model.task import Task

TASKS_A_LOOK = 500
LONGEST_DAYS = 36_500  # a setting may ask for more than there has been time
TASKS_A_COMMIT = 10  # others wait for the board meanwhile: some milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What was removed, or would be. `kept`: folders that could not be removed, each with the reason."""

    histories: int = 0
    events: int = 0
    folders: int = 0
    bytes: int = 0
    kept: tuple[str, ...] = ()

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(
            histories=self.histories + other.histories,
            events=self.events + other.events,
            folders=self.folders + other.folders,
            bytes=self.bytes + other.bytes,
            kept=self.kept + other.kept,
        )


@dataclass(frozen=True, slots=True)
class Pruner:
    """Prunes in small pieces, each of which stands alone. `runs`: where the folders of runs are."""

    runs: Path
    is_dry: bool = False

    def look(self, nexus: TaskNexus, *, before: datetime, after: str | None = None) -> HistoryPage:
        """Some tasks that ended before then and have a history to be shortened. Without a write."""
        return nexus.store.long_histories(ended_before=before, after=after, limit=TASKS_A_LOOK)

    def shorten(self, nexus: TaskNexus, task_ids: Sequence[str], *, before: datetime) -> Pruned:
        """Shorten these histories, in one commit, as far as they still may be."""
        if self.is_dry:
            return self._shorten(nexus, task_ids, before)
        with nexus.store.transaction():
            return self._shorten(nexus, task_ids, before)

    def folder_names(self) -> Sequence[str]:
        """The tasks that have a folder of runs."""
        try:
            with os.scandir(self.runs) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
        except FileNotFoundError:
            return ()

    def old(self, nexus: TaskNexus, names: Sequence[str], *, before: datetime) -> Sequence[Task]:
        """Those of these tasks whose folders may go."""
        tasks = (nexus.store.get(name) for name in names)
        return [task for task in tasks if task is not None and can_be_pruned(task, ended_before=before)]

    def remove_folders(self, task: Task) -> Pruned:
        """Remove what its runs have left. What a retry may be writing meanwhile has a greater token, and stays."""
        folder, pruned = self.runs / task.task_id, Pruned()
        for run in self._runs_of(folder, up_to=task.last_token):
            size = sum(_sizes(run))
            try:
                if not self.is_dry:
                    shutil.rmtree(run)
            except OSError as error:
                pruned += Pruned(kept=(f"{run}: {error.strerror or error}",))
            else:
                pruned += Pruned(bytes=size, folders=1)
        if not self.is_dry and not pruned.kept:
            with suppress(OSError):  # something else is in it
                folder.rmdir()
        return replace(pruned, folders=min(pruned.folders, 1))

    def _runs_of(self, folder: Path, *, up_to: int) -> Sequence[Path]:
        try:
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except OSError:
            return ()
        return [folder / name for name in names if name.isdecimal() and int(name) <= up_to]

    def _shorten(self, nexus: TaskNexus, task_ids: Sequence[str], before: datetime) -> Pruned:
        pruned = Pruned()
        for task_id in task_ids:
            task = nexus.store.get(task_id)
            if task is None or not can_be_pruned(task, ended_before=before):
                continue
            first, last, count = _ends_of(nexus, task_id)
            if count > KEPT_EVENTS:
                if not self.is_dry:
                    removed = count - KEPT_EVENTS
                    nexus.store.shorten_history(shortened(task, first, last, removed=removed))
                pruned += Pruned(histories=1, events=count - KEPT_EVENTS)
        return pruned


def days_before(now: datetime, days: int) -> datetime:
    """So many days ago."""
    return now - timedelta(days=min(days, LONGEST_DAYS))


def pieces(task_ids: Sequence[str], size: int = TASKS_A_COMMIT) -> Iterator[Sequence[str]]:
    """So many at a time."""
    for start in range(0, len(task_ids), size):
        yield task_ids[start : start + size]


def prune_now(
    pruner: Pruner, nexus: TaskNexus, *, runs_before: datetime | None, events_before: datetime | None
) -> Pruned:
    """All of it at once, for those who have no loop: piece by piece, between which others have their turn."""
    pruned = Pruned()
    if events_before is not None:
        after: str | None = None
        while True:
            page = pruner.look(nexus, before=events_before, after=after)
            for piece in pieces(page.task_ids):
                pruned += pruner.shorten(nexus, piece, before=events_before)
            if page.last is None:
                break
            after = page.last
    if runs_before is not None:
        for piece in pieces(pruner.folder_names(), TASKS_A_LOOK):
            for task in pruner.old(nexus, piece, before=runs_before):
                pruned += pruner.remove_folders(task)
    return pruned


def _ends_of(nexus: TaskNexus, task_id: str) -> tuple[Event, Event, int]:
    """A task's first event, its newest, and how many there are."""
    first = nexus.events(task_id=task_id, limit=1)[0]
    newest, count, after = deque([first], maxlen=1), 1, first.seq
    while batch := nexus.events(after=after, task_id=task_id):
        newest.extend(batch)
        count += len(batch)
        after = batch[-1].seq
    return first, newest[0], count


def _sizes(folder: Path) -> Iterator[int]:
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # gone meanwhile
                yield os.lstat(os.path.join(path, name)).st_size
