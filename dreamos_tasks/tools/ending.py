"""How processes are ended: asked by TERM, given a grace, then killed, until none of them is found."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from dreamos_tasks.tools.process_table import Identity, ProcessStat, send_signal

FIRST_PAUSE_SECONDS = 0.001  # most programs end within a millisecond of TERM
LONGEST_PAUSE_SECONDS = 0.05
KILL_PATIENCE_SECONDS = 0.9  # who survives KILL for so long hangs in the kernel, or is another user's


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How it went: how many processes were signalled, and those that are still there."""

    signalled: int = 0
    survivors: tuple[Identity, ...] = ()


async def end_processes(
    find: Callable[[], Sequence[ProcessStat]], *, grace_seconds: float, group: int | None = None
) -> Ended:
    """End all that `find` gives, until it gives none; done within grace + 1 s.

    `group` is killed as a whole, which not even a fork bomb outruns; its leader must not have been reaped. A cancellation
    cuts the grace short and is passed on when the processes are gone.
    """
    ending = _Ending(find, group)
    try:
        await ending.ask(grace_seconds)
    finally:
        await ending.kill()
    return Ended(signalled=len(ending.seen), survivors=tuple(stat.identity for stat in ending.living))


class _Ending:
    def __init__(self, find: Callable[[], Sequence[ProcessStat]], group: int | None) -> None:
        self._find = find
        self._group = group
        self.seen: set[Identity] = set()
        self.living = find()

    async def ask(self, grace_seconds: float) -> None:
        """TERM to each, once. What a program starts in order to clean up may work; left alone, it is asked too."""
        deadline = _now() + grace_seconds
        pause = FIRST_PAUSE_SECONDS
        while self.living and _now() < deadline:
            if not any(stat.identity in self.seen for stat in self.living):
                self._signal(self.living, signal.SIGTERM)
                self._signal((stat for stat in self.living if stat.is_stopped), signal.SIGCONT)
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(min(pause, max(0.0, deadline - _now())))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            self.living = self._find()

    async def kill(self) -> None:
        """KILL to all, again and again: some may fork while they are looked for."""
        deadline = _now() + KILL_PATIENCE_SECONDS
        pause = FIRST_PAUSE_SECONDS
        cancelled: asyncio.CancelledError | None = None
        while self.living:
            all_known = all(stat.identity in self.seen for stat in self.living)
            if self._group is not None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._group, signal.SIGKILL)
            self._signal(self.living, signal.SIGKILL)
            if _now() > deadline:
                break
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS) if all_known else FIRST_PAUSE_SECONDS
            try:
                await asyncio.sleep(pause)
            except asyncio.CancelledError as error:
                cancelled = error
            self.living = self._find()
        if cancelled is not None:
            raise cancelled

    def _signal(self, stats: Iterable[ProcessStat], number: signal.Signals) -> None:
        for stat in stats:
            send_signal(stat.identity, number)
            self.seen.add(stat.identity)


def _now() -> float:
    return asyncio.get_running_loop().time()
