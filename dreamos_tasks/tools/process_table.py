"""The kernel's process table, as /proc shows it: who runs, whose child it is, and signals that reach nobody else.

A pid alone names nobody: the number is given out again. So a process is named by its pid and its start time, which together
occur once a boot, and a signal goes through a pidfd that was seen to belong to that very process.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

Identity = tuple[int, int]  # pid, and clock ticks from boot to its start


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One process at one moment (proc(5), /proc/PID/stat)."""

    pid: int
    state: str
    parent: int
    group: int
    session: int
    threads: int
    started_ticks: int  # clock ticks after boot
    cpu_ticks: int = 0  # of processor time: its own, and that of the children it has waited for

    @property
    def identity(self) -> Identity:
        """What no other process of this boot has."""
        return (self.pid, self.started_ticks)

    @property
    def is_over(self) -> bool:
        """Whether it has ended and only waits to be reaped. A first thread may end before the others; then it is not."""
        return self.state in "ZX" and self.threads <= 1

    @property
    def is_stopped(self) -> bool:
        """Whether SIGSTOP or its like holds it."""
        return self.state in "Tt"


def stat_of(pid: int) -> ProcessStat | None:
    """The process with this pid; None when there is none."""
    line = _read(f"/proc/{pid}/stat")
    if line is None:
        return None
    fields = line[line.rindex(b")") + 2 :].split()  # a program's name may hold spaces and parentheses
    return ProcessStat(
        pid=pid,
        state=chr(fields[0][0]),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        threads=int(fields[17]),
        started_ticks=int(fields[19]),
        cpu_ticks=sum(map(int, fields[11:15])),
    )


def is_alive(identity: Identity) -> bool:
    """Whether exactly this process runs."""
    stat = stat_of(identity[0])
    return stat is not None and stat.identity == identity and not stat.is_over


def environment_of(pid: int) -> bytes:
    """The environment it was started with, NAME=VALUE entries that each end in NUL; empty when we may not or cannot see it."""
    return _read(f"/proc/{pid}/environ") or b""


def resident_bytes(pid: int) -> int:
    """The memory it holds, with what it shares with others; 0 when it is gone."""
    fields = (_read(f"/proc/{pid}/statm") or b"").split()
    return int(fields[1]) * _PAGE_BYTES if len(fields) > 1 else 0


def proportional_bytes(pid: int) -> int | None:
    """The memory it holds, its part of what it shares with others: slower to tell. None when we may not or cannot see it."""
    for line in (_read(f"/proc/{pid}/smaps_rollup") or b"").splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return None


def written_bytes(pid: int) -> int:
    """What it caused to be written to disks, and the children it has waited for; 0 when we may not or cannot see it."""
    for line in (_read(f"/proc/{pid}/io") or b"").splitlines():
        if line.startswith(b"write_bytes:"):
            return int(line.split()[1])
    return 0


def all_pids() -> list[int]:
    """Every process that we can see."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children_of(pid: int) -> list[int]:
    """Its children, zombies among them. While they come and go, one can be missed: look again."""
    if not _kernel_lists_children():
        stats = (stat_of(other) for other in all_pids())
        return [stat.pid for stat in stats if stat is not None and stat.parent == pid]
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return []
    return [child for thread in threads for child in _children_of_thread(pid, thread)]


def adopted_by_us() -> list[int]:
    """The children of our first thread: those it started, and, when we are a subreaper, those that were orphaned to us."""
    pid = os.getpid()
    if not _kernel_lists_children():
        return children_of(pid)
    return list(map(int, _read_again(_own_children_file(pid)).split()))


def with_descendants(
    roots: Iterable[int],
    *,
    at_most: int | None = None,
    visit: Callable[[ProcessStat], object] = lambda _stat: None,
) -> list[ProcessStat]:
    """These processes and all below them, as far as they are alive, each once; the look ends when it has found `at_most`.

    `visit` is shown each one before its children are looked for: who stops it there sees all children that it ever has.
    """
    found: dict[int, ProcessStat] = {}
    waiting = list(roots)
    while waiting and len(found) != at_most:
        pid = waiting.pop()
        stat = None if pid in found else stat_of(pid)
        if stat is None or stat.is_over:
            continue
        found[pid] = stat
        visit(stat)
        waiting.extend(children_of(pid))
    return list(found.values())


def ancestors_of(pid: int) -> set[int]:
    """Its parent, the parent's parent, and so on."""
    found: set[int] = set()
    stat = stat_of(pid)
    while stat is not None and stat.parent and stat.parent not in found:
        found.add(stat.parent)
        stat = stat_of(stat.parent)
    return found


def send_signal(identity: Identity, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it is gone, or another user's."""
    pid = identity[0]
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        # Opened first, looked at second: what has this start time now is what the handle means.
        stat = stat_of(pid)
        if stat is None or stat.identity != identity:
            return False
        signal.pidfd_send_signal(handle, number)
    except (ProcessLookupError, PermissionError):
        return False
    finally:
        os.close(handle)
    return True


def reap_adopted(pid: int) -> None:
    """Take the exit of a child that was not started here, so that its pid becomes free."""
    with suppress(ChildProcessError):  # somebody took it, or it is not our child
        os.waitpid(pid, os.WNOHANG)


def _children_of_thread(pid: int, thread: int | str) -> list[int]:
    return [int(word) for word in (_read(f"/proc/{pid}/task/{thread}/children") or b"").split()]


@cache
def _kernel_lists_children() -> bool:
    pid = os.getpid()
    return os.path.exists(f"/proc/{pid}/task/{pid}/children")  # CONFIG_PROC_CHILDREN


@cache
def _own_children_file(pid: int) -> int:
    """Opened once for all: to look for it in /proc each time takes longer than to read it."""
    return os.open(f"/proc/{pid}/task/{pid}/children", os.O_RDONLY | os.O_CLOEXEC)


def _read_again(handle: int) -> bytes:
    """The file as it is now, from its beginning."""
    text = part = os.pread(handle, 4096, 0)
    while part:  # most often there is nothing
        part = os.pread(handle, 65536, len(text))
        text += part
    return text


def _read(path: str) -> bytes | None:
    """None when the process is gone, or not ours to look at."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    try:
        text = part = os.read(handle, 4096)
        while part:  # a short read is no end here: the kernel gives these files a piece at a time
            part = os.read(handle, 65536)
            text += part
    except (ProcessLookupError, PermissionError):
        return None
    finally:
        os.close(handle)
    return text
