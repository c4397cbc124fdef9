"""An inbox in a folder of its own, over a real board, with what a test does to it and sees of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.intake.claiming import IntakeRules
from dreamos_tasks.intake.inbox import InboxRules, InboxWatcher
from dreamos_tasks.model.task import Task
from dreamos_tasks.protocols import Clock, TaskStore


class Box:
    """The inbox, its board, and a watcher that is started where a test wants it."""

    def __init__(self, folder: Path, store: TaskStore, clock: Clock | None = None) -> None:
        self.inbox = folder / "inbox"
        self.outbox = folder / "outbox"
        self.beside = folder / "beside"
        self.beside.mkdir()
        self.seconds = 0.0
        self.store = store
        self.nexus = TaskNexus(store, clock or BoardClock(store))
        self.desk = BoardDesk(lambda: TaskNexus(store, clock or BoardClock(store)))
        self.watcher = self.new_watcher()

    def new_watcher(self, *, rescan_seconds: float = 3600.0, **rules: Any) -> InboxWatcher:
        """As another start of the daemon makes it. Time stands still for it unless a test lets it pass."""
        rules = {"monotonic": lambda: self.seconds, **rules}
        return InboxWatcher(
            InboxRules(
                inbox=self.inbox, outbox=self.outbox, intake=IntakeRules(**rules), rescan_seconds=rescan_seconds
            ),
            self.desk,
        )

    async def restart(self) -> InboxWatcher:
        """End the watcher and make the next one."""
        await self.watcher.stop()
        self.watcher = self.new_watcher()
        return self.watcher

    def drop(self, name: str, value: Any, *, agent: str = "") -> Path:
        """Write beside and rename into the inbox, as writers should."""
        written = self.beside / "written"
        written.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        return self.move_in(written, name, agent=agent)

    def move_in(self, path: Path, name: str, *, agent: str = "") -> Path:
        """Rename something into the inbox."""
        target = self.inbox / agent / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.rename(path, target)
        return target

    def leave_taken(self, name: str, value: Any, *, mark: str = "00000000", agent: str = "") -> Path:
        """What a daemon leaves that is killed after its claim."""
        folder = self.inbox / ".taken"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{mark},{agent},{name}"
        path.write_bytes(value if isinstance(value, bytes) else json.dumps(value).encode())
        return path

    def tasks(self) -> list[Task]:
        """All tasks of the board, the oldest first."""
        return list(self.nexus.get_all_tasks())

    def titles(self) -> list[str]:
        """Their titles."""
        return [task.title for task in self.tasks()]

    def accepted(self) -> dict[str, dict[str, Any]]:
        """The receipt of each accepted file, by its name."""
        return _notes(self.inbox / "accepted", ".receipt.json", "*/*")

    def rejected(self) -> dict[str, dict[str, Any]]:
        """The note of each rejected file, by its name."""
        return _notes(self.inbox / "rejected", ".error.json", "*")

    def results(self) -> dict[str, dict[str, Any]]:
        """What lies in the outbox, by name."""
        return {path.name: json.loads(path.read_bytes()) for path in sorted(self.outbox.glob("*.json"))}

    def waiting(self) -> list[str]:
        """The names that are still in the inbox."""
        return sorted(path.name for path in self.inbox.iterdir() if not path.is_dir() or path.is_symlink())

    def taken(self) -> list[str]:
        """The names in .taken."""
        return sorted(path.name for path in (self.inbox / ".taken").iterdir())

    def finish(self, task: Task) -> Task:
        """Claim the task and complete it."""
        claimed = self.nexus.claim_task(task.task_id, "ada")
        return self.nexus.mark_task_completed(claimed.task_id, "ada", result={"n": 1})


def _notes(folder: Path, suffix: str, pattern: str) -> dict[str, dict[str, Any]]:
    """Each filed file with its note. What is being filed at this moment is not counted yet."""
    names = {path.name for path in folder.glob(pattern)}
    notes = {path.name.removesuffix(suffix): path for path in sorted(folder.glob(f"{pattern}{suffix}"))}
    return {name: json.loads(path.read_bytes()) for name, path in notes.items() if name in names}
