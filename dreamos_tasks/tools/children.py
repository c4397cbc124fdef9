"""Children: all commands that this process runs, each with the whole tree of processes that grows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from dreamos_tasks.tools.ending import Ended, end_processes
from dreamos_tasks.tools.orphans import Orphans
from dreamos_tasks.tools.process import Command, Process
from dreamos_tasks.tools.process_table import ProcessStat, with_descendants
from dreamos_tasks.tools.run_tag import Origin, RunTag

SWEEP_SECONDS = 5.0  # how long the zombie of an orphan may keep its pid while runs go on


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How a command ended.

    `status` is its exit code, or minus the signal that ended it; None when it could not be ended, or when somebody else took
    its status. `left_behind`: how many processes outlived it and were ended. `survivors`: pids that could not be ended.
    """

    status: int | None
    timed_out: bool = False
    left_behind: int = 0
    survivors: tuple[int, ...] = ()


class Children:
    """Runs commands for one home. One a process; call `become_subreaper` first."""

    def __init__(self, *, home_id: str, instance: str) -> None:
        self._origin = Origin(home_id, instance)
        self._orphans = Orphans(self._origin)
        self._runs: dict[int, RunTag] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    async def run(
        self,
        command: Command,
        *,
        tag: RunTag,
        on_output: Callable[[bytes], None],
        grace_seconds: float,
        timeout_seconds: float | None = None,
    ) -> RunEnd:
        """Run a command to its end, and end whatever it leaves behind: afterwards no process of it is alive.

        At the timeout, or when cancelled, the whole tree is asked by TERM to end, and killed after the grace; a cancellation
        goes on when that is done. Raises OSError and ValueError as `Process.start` does.
        """
        environment = {**command.environment, **self._origin.environment(tag)}
        process = Process.start(replace(command, environment=environment), on_output)
        self._begin(process.pid, tag)
        ended = Ended()
        in_time = True
        try:
            in_time = await process.wait(timeout_seconds)
        finally:
            try:
                if self._living(process):
                    ended = await end_processes(
                        lambda: self._living(process), grace_seconds=grace_seconds, group=process.pid
                    )
            finally:
                status = process.close()
                self._finish(process.pid, ended)
        return RunEnd(
            status=status,
            timed_out=not in_time,
            left_behind=ended.signalled if in_time else 0,
            survivors=tuple(pid for pid, _ in ended.survivors),
        )

    def _begin(self, pid: int, tag: RunTag) -> None:
        self._runs[pid] = tag
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def _living(self, process: Process) -> list[ProcessStat]:
        """What is alive of a run: the first process and all below it, and what was orphaned."""
        self._orphans.look(self._runs)
        roots = self._orphans.left_by(process.pid)
        if not process.has_ended:
            roots.append(process.pid)
        return with_descendants(roots)

    def _finish(self, pid: int, ended: Ended) -> None:
        del self._runs[pid]
        self._orphans.forget(pid, survivors=ended.survivors)
        if not self._runs and self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def _sweep(self) -> None:
        self._orphans.look(self._runs)
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)
