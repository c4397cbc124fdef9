"""Orphans: processes of a run that outlived their parent, whose they are; and those that a dead daemon left.

A daemon is a subreaper: a process below it that loses its parent becomes its child, whatever session it moved to and however
often it forked. So one look at its own children shows whether a run left anything behind.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Mapping

from dreamos_tasks.tools.ending import end_processes
from dreamos_tasks.tools.process_table import (
    Identity,
    ProcessStat,
    adopted_by_us,
    all_pids,
    ancestors_of,
    reap_adopted,
    stat_of,
    with_descendants,
)
from dreamos_tasks.tools.run_tag import Origin, RunTag, marks_on

PR_SET_CHILD_SUBREAPER = 36
PR_GET_CHILD_SUBREAPER = 37


def become_subreaper(*, on: bool = True) -> None:
    """Have orphans below this process become its children. For the whole process; call it once, from the main thread."""
    import ctypes  # takes milliseconds that only those who run commands spend

    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(on), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), "prctl(PR_SET_CHILD_SUBREAPER)")
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # while ignored, the kernel throws exit statuses away


def is_subreaper() -> bool:
    """Whether orphans below this process become its children."""
    import ctypes

    answer = ctypes.c_int()
    failed = ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return not failed and bool(answer.value)


class Orphans:
    """The processes that were orphaned to this one, and the runs that each may belong to.

    A run is named by the pid of its first process, which is not reaped before the run is forgotten here. It is known whose an
    orphan is by its session, or by its tag. A server that goes to the background in a session of its own and writes over its
    environment (nginx, redis) shows neither: it belongs to one of the runs that ran when it was first seen, and has lost its
    run when all of those have ended. A process in our own session is none of a run's: it was started by a library.
    """

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._owners: dict[Identity, set[int]] = {}
        self._given_up: set[Identity] = set()
        self._adopts: bool | None = None

    def look(self, runs: Mapping[int, RunTag]) -> None:
        """See who was orphaned since, and reap those that are over. One short read when there is nobody.

        Without being a subreaper we look through all processes, and know an orphan by session and tag only.
        """
        if self._adopts is None:
            self._adopts = is_subreaper()
        pids = [pid for pid in (adopted_by_us() if self._adopts else all_pids()) if pid not in runs]
        if not pids and not self._owners:
            return
        known, self._owners = self._owners, {}
        our_session = os.getsid(0)
        for pid in pids:
            stat = stat_of(pid)
            if stat is None or stat.session == our_session:
                continue
            if stat.is_over:
                if self._adopts:
                    reap_adopted(pid)
                continue
            if stat.identity in self._given_up:
                continue
            owners = known.get(stat.identity)
            if owners is None:
                owners = self._owners_of(stat, runs)
            if owners is not None:
                self._owners[stat.identity] = owners

    def left_by(self, run: int) -> list[int]:
        """Orphans that belong to no other run, as of the last look."""
        return [pid for (pid, _), owners in self._owners.items() if not owners - {run}]

    def forget(self, run: int, *, survivors: Iterable[Identity] = ()) -> None:
        """The run is over: nothing belongs to it any more. What survived even KILL is not tried again."""
        self._given_up.update(survivors)
        for owners in self._owners.values():
            owners.discard(run)

    def _owners_of(self, stat: ProcessStat, runs: Mapping[int, RunTag]) -> set[int] | None:
        """The runs that it may belong to, none when these have ended; None when it is not of a run."""
        if stat.session in runs:
            return {stat.session}
        marks = marks_on(stat.pid)
        if marks is not None and marks.instance == self._origin.instance:
            return {pid for pid, tag in runs.items() if str(tag) == marks.run}
        adopts_everybody = os.getpid() == 1  # the first process of a container gets those of others too
        if not self._adopts or adopts_everybody:
            return None
        first_processes = [process for process in map(stat_of, runs) if process is not None]
        owners = {process.pid for process in first_processes if process.started_ticks <= stat.started_ticks}
        return owners or None


async def end_leftovers(home_id: str, *, except_instance: str, grace_seconds: float = 5.0) -> int:
    """End what was started for this home by a process that is gone, as a killed daemon leaves it; gives how many.

    Found by tag; then those in the same sessions and all below. Who has left its session and written over its environment
    cannot be found any more; of a service, systemd ends those too.
    """
    ended = await end_processes(lambda: _leftovers(home_id, except_instance), grace_seconds=grace_seconds)
    return ended.signalled


def _leftovers(home_id: str, except_instance: str) -> list[ProcessStat]:
    """One pass over all processes. We ourselves may run within a leftover: then what we run in is spared."""
    us = os.getpid()
    spared = {us, *ancestors_of(us)}
    our_session = os.getsid(0)
    found = (stat_of(pid) for pid in all_pids() if pid not in spared)
    stats = [stat for stat in found if stat is not None and not stat.is_over]
    starter_is_dead: dict[Identity, bool] = {}
    tagged = []
    for stat in stats:
        marks = marks_on(stat.pid)
        if marks is None or marks.home_id != home_id or marks.instance == except_instance:
            continue
        if starter_is_dead.setdefault(marks.starter, marks.starter_is_dead):
            tagged.append(stat)
    sessions = {stat.session for stat in tagged} - {our_session}
    roots = {stat.pid for stat in tagged} | {stat.pid for stat in stats if stat.session in sessions}
    return [stat for stat in with_descendants(roots) if stat.pid not in spared]
