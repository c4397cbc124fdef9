"""InboxWatcher: files that are dropped into a folder become tasks on the board, or are rejected with the reason.

A file is claimed by a rename into `.taken`, read, added to the board in one commit, and filed: to `accepted/` with a receipt,
to `rejected/` with what is wrong. Killed anywhere in between, the next start goes on with what lies in `.taken`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from loguru import logger

from dreamos_tasks.errors import BoardUnavailable, DreamosError, InvalidInput
from dreamos_tasks.intake.claiming import Claimer, IntakeRules
from dreamos_tasks.intake.desk import Desk
from dreamos_tasks.intake.drafts import Reading
from dreamos_tasks.intake.folder_watch import FolderWatch, open_watch
from dreamos_tasks.intake.folders import InboxFolders, safe_name
from dreamos_tasks.intake.results import ResultBook
from dreamos_tasks.intake.scanner import Scanner, ScanReport

BACKOFF_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # between tries while the board or the disk cannot be used


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxRules:
    """Where the inbox is, what is taken from it, and how often it is looked through though nothing seems to happen."""

    inbox: Path
    outbox: Path
    intake: IntakeRules = field(default_factory=IntakeRules)
    rescan_seconds: float = 30.0


class InboxWatcher:
    """The inbox of one daemon. Everything in it goes on by itself between `start` and `stop`."""

    def __init__(self, rules: InboxRules, desk: Desk) -> None:
        self._rules = rules
        self._folders = InboxFolders(rules.inbox, rules.outbox)
        self._claimer = Claimer(self._folders, rules.intake, logger.warning)
        self._results = ResultBook(self._folders, desk)
        self._scanner = Scanner(self._folders, self._claimer, desk, self._results)
        self._wake = asyncio.Event()
        self._result_due = asyncio.Event()
        self._stopping = asyncio.Event()
        self._watch: FolderWatch | None = None
        self._loops: list[asyncio.Task[None]] = []
        self._troubles: dict[str, str] = {}

    @property
    def trouble(self) -> str:
        """Why nothing can be taken in or no results written now; "" when all is well."""
        return "; ".join(self._troubles.values())

    async def start(self) -> None:
        """Make the folders and begin. A second start changes nothing. Raises BoardUnsafe, OSError."""
        if self._loops:
            return
        await asyncio.to_thread(self._folders.ensure)
        self._stopping.clear()
        self._scanner.go_on()
        self._watch = open_watch(self._rules.inbox, self._wake)
        self._watch.follow((self._rules.inbox,))  # what is dropped from now on is heard; what was before, is looked for
        self._loops = [
            asyncio.create_task(self._keep_going("inbox", self._scan, self._wake)),
            asyncio.create_task(self._keep_going("outbox", self._write_results, self._result_due)),
        ]

    async def stop(self) -> None:
        """Finish the files in hand, and take no more. May be called twice."""
        self._stopping.set()
        self._scanner.stop()
        self._wake.set()
        self._result_due.set()
        loops, self._loops = self._loops, []
        for loop in loops:
            await loop
        watch, self._watch = self._watch, None
        if watch is not None:
            await watch.close()
        self._scanner.close()

    async def finish(self) -> None:
        """Write the results of tasks that ended since `stop`. What cannot be written is written after the next start."""
        try:
            await self._results.write_due()
        except (BoardUnavailable, OSError) as error:
            logger.warning("results are left for the next start: {}", error)

    async def run(self) -> None:
        """Start, go on until cancelled, stop."""
        await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.stop()

    def on_settled(self, task_id: str) -> None:
        """A task is final: a result may be due. To be called in the event loop; a call that is missed is made good."""
        self._results.settled(task_id)
        if self._results.is_due:
            self._result_due.set()

    async def scan_once(self, *, finished: Collection[Path] = ()) -> ScanReport:
        """Take in everything that is whole. `finished`: files whose writers are known to have closed or renamed them.

        Raises BoardUnavailable kinds (BoardUnsafe among them) and OSError; what was claimed by then is taken up again.
        """
        report = await self._scanner.scan(finished=finished)
        if self._results.is_due:
            self._result_due.set()
        return report

    def validate(self, path: Path) -> Reading:
        """What the inbox would say to a file, the board aside. Raises InvalidInput kinds (see `note_of`) and OSError."""
        agent = path.parent.name if path.parent.parent == self._rules.inbox else None
        verdict, _ = self._claimer.judge(path, name=safe_name(path.name), agent=agent)
        if isinstance(verdict, InvalidInput):
            raise verdict
        return verdict

    async def _scan(self) -> float:
        """Look, and watch what there is to watch. Gives the seconds until the next look is due."""
        assert self._watch is not None
        report = await self.scan_once(finished=self._watch.finished())
        self._watch.follow((self._rules.inbox, *self._scanner.agents))
        due = self._claimer.next_look_seconds()
        pause = self._rules.rescan_seconds if due is None else min(due, self._rules.rescan_seconds)
        return min(pause, BACKOFF_SECONDS[-1]) if report.stuck else pause

    async def _write_results(self) -> float:
        """Write what is due. Gives the seconds until it should be looked whether a word was missed."""
        if not self._results.is_loaded:
            await self._results.load()
        await self._results.catch_up()
        await self._results.write_due()
        return self._rules.rescan_seconds

    async def _keep_going(self, name: str, act: Callable[[], Awaitable[float]], wake: asyncio.Event) -> None:
        """Act whenever woken, and after the pause that acting asks for. While it fails, only ever longer pauses count."""
        failures = 0
        while not self._stopping.is_set():
            wake.clear()
            try:
                pause = await act()
            except (DreamosError, OSError) as error:
                if self._troubles.get(name) != str(error):
                    logger.error("the {} waits: {}", name, error)
                self._troubles[name] = str(error)
            except Exception as error:  # noqa: BLE001  one round that went wrong is not the end of the inbox
                if self._troubles.get(name) != str(error):
                    logger.exception("the {} stumbled", name)
                self._troubles[name] = str(error) or type(error).__name__
            else:
                if self._troubles.pop(name, None) is not None:
                    logger.info("the {} goes on", name)
                failures = 0
                await _wait(wake, pause)
                continue
            await _wait(self._stopping, BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
            failures += 1


async def _wait(woken: asyncio.Event, seconds: float) -> None:
    """Until woken, so long at most."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()
