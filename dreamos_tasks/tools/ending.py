"""How processes are ended: asked by TERM, given a grace, then killed, until none of them is found."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterable, Sequence
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
    find: Callable[[], Sequence[ProcessStat]],
    *,
    grace_seconds: float,
    kill: Callable[[], Sequence[ProcessStat]] | None = None,
    is_pressing: Callable[[], bool] = lambda: False,
) -> Ended:
    """End all that `find` gives, until it gives none; done within grace + 1 s. Without a grace they are killed unasked.

    `kill` is a better way to find and kill them: it gives those that it found. A cancellation cuts the grace short and is
    passed on when the processes are gone; so does `is_pressing`, once it says so.
    """
    ending = _Ending(find, kill, is_pressing)
    try:
        if grace_seconds > 0:
            await ending.ask(grace_seconds)
    finally:
        await ending.kill()
    return Ended(signalled=len(ending.seen), survivors=tuple(stat.identity for stat in ending.living))


class _Ending:
    def __init__(
        self,
        find: Callable[[], Sequence[ProcessStat]],
        kill: Callable[[], Sequence[ProcessStat]] | None,
        is_pressing: Callable[[], bool],
    ) -> None:
        self._find = find
        self._is_pressing = is_pressing
        self._kill = kill or self._find_and_kill
        self.seen: set[Identity] = set()
        self.living: Sequence[ProcessStat] = ()
        self._are_gone = False

    async def ask(self, grace_seconds: float) -> None:
        """TERM to each, once. What a program starts in order to clean up may work; left alone, it is asked too."""
        deadline = _now() + grace_seconds
        pause = FIRST_PAUSE_SECONDS
        while not self._is_pressing() and (living := self._find()) and _now() < deadline:
            if not any(stat.identity in self.seen for stat in living):
                self._signal(living, signal.SIGTERM)
                self._signal((stat for stat in living if stat.is_stopped), signal.SIGCONT)
                pause = FIRST_PAUSE_SECONDS
            await asyncio.sleep(min(pause, max(0.0, deadline - _now())))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._are_gone = not self._is_pressing() and not living

    async def kill(self) -> None:
        """KILL to all, again and again: some may fork while they are looked for."""
        if self._are_gone:
            return
        deadline = _now() + KILL_PATIENCE_SECONDS
        pause = FIRST_PAUSE_SECONDS
        cancelled: asyncio.CancelledError | None = None
        while True:
            began = _now()
            self.living = self._kill()
            took = _now() - began
            if not self.living or began > deadline:
                break
            all_known = all(stat.identity in self.seen for stat in self.living)
            self.seen.update(stat.identity for stat in self.living)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS) if all_known else FIRST_PAUSE_SECONDS
            try:
                await asyncio.sleep(max(pause, took))  # who is killed needs a processor to die on
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def _find_and_kill(self) -> Sequence[ProcessStat]:
        living = self._find()
        self._signal(living, signal.SIGKILL)
        return living

    def _signal(self, stats: Iterable[ProcessStat], number: signal.Signals) -> None:
        for stat in stats:
            send_signal(stat.identity, number)
            self.seen.add(stat.identity)


def _now() -> float:
    return asyncio.get_running_loop().time()
