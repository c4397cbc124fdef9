"""Results: when the last task of an accepted file is final, `outbox/<name>.result.json` says how they ended.

What is open is on the disk: a link in `.open` to each receipt without a result. A restart reads them again; events that were
missed are read again too. Nothing hangs on having been told.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loguru import logger

from dreamos_tasks.intake.desk import Desk
from dreamos_tasks.intake.filing import RESULT
from dreamos_tasks.intake.folders import InboxFolders, exists, numbered, write_whole
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.task import FINAL, Task
from dreamos_tasks.model.told_form import error_told
from dreamos_tasks.whole_file import sync_folder

BATCH = 500  # tasks, receipts or events in one go


@dataclass(slots=True)
class _Open:
    waiting: int = 0  # for so many tasks
    is_filed: bool = False


class ResultBook:
    """Which accepted files wait for which tasks. Called from the event loop only."""

    def __init__(self, folders: InboxFolders, desk: Desk) -> None:
        self._folders = folders
        self._desk = desk
        self._open: dict[str, _Open] = {}  # by the name of the link
        self._drops_of: dict[str, tuple[str, ...]] = {}  # by task
        self._due: dict[str, None] = {}
        self._seq: int | None = None

    def expect(self, drop: str, tasks: Sequence[Task], *, is_filed: bool = False) -> None:
        """A file's tasks are on the board; `filed` follows when its receipt is written. May be called again."""
        state = self._open.setdefault(drop, _Open())
        state.is_filed = state.is_filed or is_filed
        for task in tasks:
            drops = self._drops_of.get(task.task_id, ())
            if task.is_over:
                self.settled(task.task_id)
            elif drop not in drops:
                self._drops_of[task.task_id] = (*drops, drop)
                state.waiting += 1
        self._mark_due(drop)

    def filed(self, drop: str) -> None:
        """The receipt is on the disk."""
        self._open[drop].is_filed = True
        self._mark_due(drop)

    def settled(self, task_id: str) -> None:
        """The task may be over."""
        for drop in self._drops_of.pop(task_id, ()):
            state = self._open.get(drop)
            if state is not None:
                state.waiting -= 1
                self._mark_due(drop)

    @property
    def is_loaded(self) -> bool:
        """Whether what an earlier daemon left open was taken up."""
        return self._seq is not None

    @property
    def is_due(self) -> bool:
        """Whether a result can be written now."""
        return bool(self._due)

    async def load(self) -> None:
        """Take up what an earlier daemon left open. Raises BoardUnavailable kinds, OSError."""
        seq = await self._desk.read(lambda nexus: nexus.store.last_seq())
        names = await asyncio.to_thread(lambda: sorted(os.listdir(self._folders.open)))
        for start in range(0, len(names), BATCH):
            fresh = [name for name in names[start : start + BATCH] if name not in self._open]
            receipts = await asyncio.to_thread(self._receipts, fresh)
            for drop, receipt in receipts.items():
                self.expect(drop, await self._tasks_of(receipt), is_filed=True)
        self._seq = seq

    async def catch_up(self) -> None:
        """Read the events since the last time, for those that nobody told of. Raises BoardUnavailable kinds."""
        while self._seq is not None:
            seq = self._seq
            events = await self._desk.read(lambda nexus, seq=seq: nexus.events(after=seq, limit=BATCH))  # type: ignore[misc]
            if not events:
                return
            self._seq = events[-1].seq
            for event in events:
                if event.changes.get("status") in FINAL or event.type is EventType.ROLLBACK_FINISHED:
                    self.settled(event.task_id)

    async def write_due(self) -> None:
        """Write every result that can be written. Raises BoardUnavailable kinds, OSError; what is left is written later."""
        failure: OSError | None = None
        for drop in tuple(self._due):
            try:
                await self._finish(drop)
            except OSError as error:  # the next one may have another name, or room
                failure = error
        if failure is not None:
            raise failure

    async def _finish(self, drop: str) -> None:
        receipt = (await asyncio.to_thread(self._receipts, [drop])).get(drop)
        if receipt is not None:
            tasks = await self._tasks_of(receipt)
            if any(not task.is_over for task in tasks):  # retried meanwhile, or still to be taken back
                del self._due[drop]
                self.expect(drop, tasks, is_filed=True)
                return
            await asyncio.to_thread(self._write, drop, receipt, tasks)
        del self._open[drop], self._due[drop]

    def _mark_due(self, drop: str) -> None:
        state = self._open[drop]
        if state.is_filed and not state.waiting:
            self._due[drop] = None

    async def _tasks_of(self, receipt: dict[str, Any]) -> list[Task]:
        ids = receipt["task_ids"]
        tasks: list[Task] = []
        for start in range(0, len(ids), BATCH):
            some = ids[start : start + BATCH]
            found = await self._desk.read(lambda nexus, some=some: [nexus.store.get(task_id) for task_id in some])  # type: ignore[misc]
            tasks.extend(task for task in found if task is not None)
        return tasks

    def _receipts(self, drops: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The receipts that these links lead to. A link without a readable receipt is taken away."""
        receipts = {}
        for drop in drops:
            link = self._folders.open / drop
            try:
                receipt = json.loads(link.read_bytes())
                if not isinstance(receipt, dict) or not _is_list_of_texts(receipt.get("task_ids")):
                    raise ValueError("it names no task_ids")
            except (FileNotFoundError, ValueError, RecursionError) as error:
                logger.warning("no result can be written for {}: its receipt cannot be read ({})", drop, error)
                link.unlink(missing_ok=True)
            else:
                receipts[drop] = receipt
        return receipts

    def _write(self, drop: str, receipt: dict[str, Any], tasks: Sequence[Task]) -> None:
        name = Path(str(receipt.get("result") or f"{drop}{RESULT}")).name
        target = self._folders.outbox / name
        _set_older_aside(target, drop)
        write_whole(target, _result(receipt, tasks))
        sync_folder(self._folders.outbox)
        (self._folders.open / drop).unlink(missing_ok=True)


def _result(receipt: dict[str, Any], tasks: Sequence[Task]) -> dict[str, Any]:
    words = {task.status.value for task in tasks}
    ends = [task.finished_at for task in tasks if task.finished_at is not None]
    status = next((word for word in ("failed", "cancelled", "completed") if word in words), "completed")
    return {
        "file": receipt.get("file"),
        "agent": receipt.get("agent"),
        "drop": receipt.get("drop"),
        "receipt": f"{receipt.get('accepted_as')}.receipt.json",
        "status": status,
        "finished_at": to_json(max(ends, default=None)),
        "tasks": [
            {
                "task_id": task.task_id,
                "title": task.title,
                "status": task.status.value,
                "result": to_json(task.result),
                "error": error_told(task.error),
                "finished_at": to_json(task.finished_at),
            }
            for task in tasks
        ],
    }


def _set_older_aside(target: Path, drop: str) -> None:
    """The newest result has the file's name; one of an earlier file of that name keeps a number."""
    try:
        if json.loads(target.read_bytes()).get("drop") == drop:
            return  # written before a crash, and about to be written again
    except FileNotFoundError:
        return
    except (ValueError, AttributeError):
        pass
    stem = target.name.removesuffix(RESULT)
    number = 2
    while exists(aside := target.with_name(f"{numbered(stem, number)}{RESULT}")):
        number += 1
    os.rename(target, aside)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
