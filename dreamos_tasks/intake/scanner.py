"""Scanner: one look at the inbox. Everything that is whole is claimed, added to the board, and filed, batch by batch."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from loguru import logger

from dreamos_tasks.errors import BoardUnavailable, DreamosError, InvalidInput
from dreamos_tasks.intake.admission import Admission, admit
from dreamos_tasks.intake.claiming import Claimer, Taken, is_no_files_fault
from dreamos_tasks.intake.desk import Desk
from dreamos_tasks.intake.filing import Decided, Files
from dreamos_tasks.intake.folders import InboxFolders
from dreamos_tasks.intake.problems import InvalidDrafts, Problem
from dreamos_tasks.intake.results import ResultBook


@dataclass(slots=True)
class ScanReport:
    """What one look came to. `waiting`: files that may still be written; `stuck`: claimed, and to be tried again."""

    accepted: int = 0
    rejected: int = 0
    waiting: int = 0
    stuck: int = 0


class Scanner:
    """Takes files in. The work on files is done in worker threads, the board's by its desk; the loop only waits."""

    def __init__(self, folders: InboxFolders, claimer: Claimer, desk: Desk, results: ResultBook) -> None:
        self.agents: Sequence[Path] = ()
        self._folders = folders
        self._claimer = claimer
        self._desk = desk
        self._results = results
        self._files = Files(folders)
        self._scanning = asyncio.Lock()
        self._stopping = False
        self._lock_fd = -1

    async def scan(self, *, finished: Collection[Path] = ()) -> ScanReport:
        """Take in everything that is whole. Raises BoardUnavailable kinds, OSError; what was claimed is then taken up again."""
        async with self._scanning:
            report = ScanReport()
            paths, batch = await asyncio.to_thread(self._begin, finished)
            while batch:
                decided = await self._decide_all(batch)
                filed, failure = await asyncio.to_thread(self._file_all, decided)
                self._count(report, decided, filed)
                if failure is not None:
                    raise failure
                if self._stopping:
                    break
                batch = await asyncio.to_thread(self._claimer.claim, paths, finished=finished)
            report.waiting = self._claimer.unfinished
            return report

    def stop(self) -> None:
        """End a scan after the files in hand."""
        self._stopping = True

    def go_on(self) -> None:
        """Scan whole inboxes again."""
        self._stopping = False

    def close(self) -> None:
        """Leave what was claimed to others. May be called twice."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def _begin(self, finished: Collection[Path]) -> tuple[Iterator[Path], list[Taken]]:
        self._folders.ensure()
        self._claimer.forget_gone()
        self.agents = self._claimer.agents()
        leftovers = self._claimer.leftovers() if self._may_take_up_leftovers() else iter(())
        paths = chain(leftovers, self._claimer.candidates(self.agents))
        return paths, self._claimer.claim(paths, finished=finished)

    def _file_all(self, decided: Sequence[Decided | BaseException]) -> tuple[list[Decided], OSError | None]:
        """File each; one that cannot be moved stays in .taken. Gives what was filed, and the disk's failure that ended it."""
        filed: list[Decided] = []
        try:
            for one in decided:
                if isinstance(one, Decided) and self._file(one):
                    filed.append(one)
            self._files.sync()
        except OSError as error:
            return filed, error
        return filed, None

    def _file(self, decided: Decided) -> bool:
        try:
            target = self._files.file(decided)
        except OSError as error:
            if is_no_files_fault(error, *self._files.places):
                raise
            logger.error("{} cannot be filed ({}); it is tried again", decided.taken.dropped_as, error)
            return False
        _say(decided, target)
        return True

    def _count(self, report: ScanReport, decided: Sequence[Decided | BaseException], filed: Sequence[Decided]) -> None:
        for one in filed:
            if isinstance(one.outcome, Admission):
                self._results.filed(one.taken.path.name)
                report.accepted += 1
            else:
                report.rejected += 1
        report.stuck += len(decided) - len(filed)

    async def _decide_all(self, batch: Sequence[Taken]) -> Sequence[Decided | BaseException]:
        """What becomes of each file. Raises BoardUnavailable kinds when there is no asking for any of them."""
        outcomes = await asyncio.gather(*(self._decide(taken) for taken in batch), return_exceptions=True)
        for taken, outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, BoardUnavailable | asyncio.CancelledError):
                raise outcome
            if isinstance(outcome, BaseException):
                logger.opt(exception=outcome).error("{} cannot be taken in; it is tried again", taken.dropped_as)
        return outcomes

    async def _decide(self, taken: Taken) -> Decided:
        verdict = taken.verdict
        if isinstance(verdict, InvalidInput):
            return await self._refusal(taken, verdict)
        try:
            admission = await self._desk.write(
                lambda nexus: admit(
                    nexus, verdict.drafts, verdict.pointers, key=taken.key, is_recovered=taken.is_recovered
                )
            )
        except InvalidInput as error:
            return await self._refusal(taken, error)
        except BoardUnavailable:
            raise
        except DreamosError as error:
            problem = Problem(pointer="", message=error.message, expected=error.cause, fix=error.fix)
            return await self._refusal(taken, InvalidDrafts([problem]))
        # Before anything else is awaited: the end of a task that is over at once must not come first.
        self._results.expect(taken.path.name, [one.task for one in admission.tasks])
        return Decided(taken=taken, outcome=admission, notices=verdict.notices, at=admission.at)

    async def _refusal(self, taken: Taken, error: InvalidInput) -> Decided:
        now = await self._desk.read(lambda nexus: nexus.clock.now())
        return Decided(taken=taken, outcome=error, at=now)

    def _may_take_up_leftovers(self) -> bool:
        """Whether no other process has what lies in .taken in hand.

        The lock is on the outbox: a folder that is held open in the inbox would keep the kernel from telling that it is gone.
        """
        if self._lock_fd >= 0 and not _is_open(self._lock_fd, self._folders.outbox):
            self.close()  # the folder was deleted and made again
        if self._lock_fd < 0:
            fd = os.open(self._folders.outbox, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                return False
            self._lock_fd = fd
        return True


def _is_open(fd: int, folder: Path) -> bool:
    return os.path.samestat(os.fstat(fd), os.stat(folder))


def _say(decided: Decided, target: Path) -> None:
    taken = decided.taken
    if isinstance(decided.outcome, InvalidInput):
        logger.warning("inbox: {} rejected: {}", taken.dropped_as, decided.outcome.message)
        return
    again = sum(one.is_duplicate for one in decided.outcome.tasks)
    duplicates = f", {again} duplicates" if again else ""
    added = len(decided.outcome.tasks) - again
    logger.info("inbox: {} accepted as {}: {} tasks{}", taken.dropped_as, target.name, added, duplicates)
