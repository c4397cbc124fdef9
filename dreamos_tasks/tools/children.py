"""Children: all commands that this process runs, each with the whole tree of processes that grows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from dreamos_tasks.model.limits import NO_LIMITS, Limits, Usage
from dreamos_tasks.tools.bounds import Bounds
from dreamos_tasks.tools.breach import Breach
from dreamos_tasks.tools.cgroup import Cgroups
from dreamos_tasks.tools.ending import Ended, end_processes
from dreamos_tasks.tools.orphans import Orphans
from dreamos_tasks.tools.process import Command, Process
from dreamos_tasks.tools.process_table import ProcessStat, with_descendants
from dreamos_tasks.tools.rlimits import limited
from dreamos_tasks.tools.run_tag import Origin, RunTag

SWEEP_SECONDS = 5.0  # how long the zombie of an orphan may keep its pid while runs go on


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a command ended.

    `status` is its exit code, or minus the signal that ended it; None when it could not be ended, or when somebody else took
    its status. `left_behind`: how many processes outlived it and were ended. `survivors`: pids that could not be ended.
    `breach`: the limit for which it was ended.
    """

    status: int | None
    timed_out: bool = False
    left_behind: int = 0
    survivors: tuple[int, ...] = ()
    breach: Breach | None = None
    usage: Usage | None = None


class Children:
    """Runs commands for one home. One a process; call `become_subreaper` first."""

    def __init__(self, *, home_id: str, instance: str) -> None:
        self._origin = Origin(home_id, instance)
        self._orphans = Orphans(self._origin)
        self._cgroups: Cgroups | None = None
        self._runs: dict[int, RunTag] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def hold_with(self, cgroups: Cgroups) -> None:
        """From now on, give each run a cgroup of its own."""
        self._cgroups = cgroups

    async def run(
        self,
        command: Command,
        *,
        tag: RunTag,
        on_output: Callable[[bytes], None],
        grace_seconds: float,
        timeout_seconds: float | None = None,
        limits: Limits = NO_LIMITS,
    ) -> RunEnd:
        """Run a command to its end, and end whatever it leaves behind: afterwards no process of it is alive.

        At the timeout, at a limit, or when cancelled, the whole tree is asked by TERM to end, and killed after the grace (at
        once when it spreads, as what a bomb leaves behind does); a cancellation goes on when that is done. Raises OSError and
        ValueError as `Process.start` does.
        """
        environment = {**command.environment, **self._origin.environment(tag)}
        arguments = limited(command.arguments, limits)
        process = Process.start(replace(command, arguments=arguments, environment=environment), on_output)
        self._begin(process.pid, tag)
        bounds = Bounds(process, limits, self._cgroups, find=partial(self._living, process))
        ended = Ended()
        in_time = True
        try:
            in_time = await process.wait(timeout_seconds)
        finally:
            try:
                if bounds.spreads or bounds.living():
                    ended = await end_processes(
                        bounds.living,
                        grace_seconds=grace_seconds,
                        kill=bounds.kill,
                        is_pressing=lambda: bounds.spreads,
                    )
            finally:
                bounds.stop_looking()
                status = process.close()
                usage, breach = bounds.close(status)
                self._finish(process.pid, ended)
        return RunEnd(
            status=status,
            timed_out=not in_time and breach is None,
            left_behind=ended.signalled if in_time else 0,
            survivors=tuple(pid for pid, _ in ended.survivors),
            breach=breach,
            usage=usage,
        )

    def _begin(self, pid: int, tag: RunTag) -> None:
        self._runs[pid] = tag
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _living(
        self,
        process: Process,
        *,
        at_most: int | None = None,
        visit: Callable[[ProcessStat], object] = lambda _stat: None,
    ) -> list[ProcessStat]:
        """What is alive of a run: the first process and all below it, and what was orphaned."""
        self._orphans.look(self._runs)
        roots = self._orphans.left_by(process.pid)
        if not process.has_ended:
            roots.append(process.pid)
        return with_descendants(roots, at_most=at_most, visit=visit)

    def _finish(self, pid: int, ended: Ended) -> None:
        del self._runs[pid]
        self._orphans.forget(pid, survivors=ended.survivors)

    def _sweep(self) -> None:
        """Once more after the last run: some of those it left may not have become ours before it was over."""
        self._orphans.look(self._runs)
        again = asyncio.get_running_loop().call_later
        self._sweeper = again(SWEEP_SECONDS, self._sweep) if self._runs else None
