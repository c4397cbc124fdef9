"""Cgroups: where systemd has delegated one to this process (Delegate=), each step gets a group of its own, held by the kernel.

    <delegated>/                 this process's own group, as it was started
        daemon/                  where it goes itself: a group that has limits for its children may hold no process
        step-<number>/           one run: memory.max, pids.max; cgroup.kill ends all that is in it, wherever it has moved

Source: cgroup-v2.rst of the kernel; systemd's CGROUP_DELEGATION.md.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from dreamos_tasks.model.limits import Limits
from dreamos_tasks.tools.breach import Breach
from dreamos_tasks.tools.metering import Reading

LEAF = "daemon"
NEEDED = ("memory", "pids")  # controllers, without which /proc tells as much
USED = (*NEEDED, "io")
THREADS_A_PROCESS = (
    8  # the kernel counts threads too: a group may have so many times its processes, then nothing starts
)

_STEP = re.compile(r"step-\d+")
_MOUNT = re.compile(r"^\d+ \d+ \d+:\d+ (?P<root>\S+) (?P<place>\S+) .* - cgroup2 ", re.MULTILINE)


class NotDelegated(Exception):  # not an error of a task or a board: nobody above sees it
    """There is no cgroup that this process may divide, and why."""


class Cgroups:
    """A cgroup that is ours to divide. `controllers` are those that its children have."""

    def __init__(self, path: Path, controllers: frozenset[str]) -> None:
        self.path = path
        self.controllers = controllers
        self._numbers = count(1)
        self._ended: list[StepGroup] = []

    @classmethod
    def take(cls, own: Path | None = None) -> Cgroups:
        """Divide our own group, and go into a part of it. For the whole process; call it before anything is started.

        Raises NotDelegated, which says why not, and then has changed nothing that matters.
        """
        base, used = divisible(own or own_cgroup())
        try:
            (base / LEAF).mkdir(exist_ok=True)
            _write(base / LEAF / "cgroup.procs", os.getpid())
            _write(base / "cgroup.subtree_control", " ".join(f"+{name}" for name in USED if name in used))
        except OSError as error:
            raise NotDelegated(f"{base} may not be divided: {error.strerror or error}") from error
        return cls(base, used)

    def make(self, limits: Limits) -> StepGroup:
        """A new group with these limits. Raises OSError."""
        while True:
            group = StepGroup(self.path / f"step-{next(self._numbers)}", self.controllers)
            try:
                group.path.mkdir()
            except FileExistsError:  # an earlier process of ours has left it
                continue
            try:
                group.limit(limits)
            except OSError:
                group.remove()
                raise
            return group

    def drop(self, group: StepGroup) -> None:
        """Kill what is in it, and remove it as soon as it is empty: now, or when another one is dropped."""
        group.kill()
        self._ended = [ended for ended in (*self._ended, group) if not ended.remove()]

    def end_leftovers(self) -> int:
        """Kill what an earlier process of ours has left in its groups; gives how many processes there were."""
        left = [StepGroup(path, self.controllers) for path in self.path.iterdir() if _STEP.fullmatch(path.name)]
        ended = sum(len(group.pids()) for group in left)
        for group in left:
            self.drop(group)
        return ended


@dataclass(frozen=True, slots=True)
class StepGroup:
    """The cgroup of one run."""

    path: Path
    controllers: frozenset[str]

    def limit(self, limits: Limits) -> None:
        """Have the kernel hold these limits. Raises OSError."""
        if limits.memory_bytes is not None and "memory" in self.controllers:
            _write(self.path / "memory.max", limits.memory_bytes)
            _write(self.path / "memory.oom.group", 1)  # half a tree that goes on helps nobody
            with suppress(FileNotFoundError):  # where the kernel does not account for swap
                _write(self.path / "memory.swap.max", 0)
        if limits.processes is not None and "pids" in self.controllers:
            _write(self.path / "pids.max", limits.processes * THREADS_A_PROCESS)

    def add(self, pids: Iterable[int]) -> None:
        """Take processes in, and with them all that they start from now on. Those that are gone are passed over."""
        for pid in pids:
            with suppress(ProcessLookupError):
                _write(self.path / "cgroup.procs", pid)

    def pids(self) -> Sequence[int]:
        """The processes in it."""
        return _pids(self.path)

    def kill(self) -> None:
        """Kill all that is in it at one stroke."""
        with suppress(FileNotFoundError, PermissionError):  # a kernel before 5.14 has no such file
            _write(self.path / "cgroup.kill", 1)

    def remove(self) -> bool:
        """Remove it; False when there is still a process in it."""
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def read(self) -> Reading:
        """What is held now and what has been used. Memory counts the page cache too, as its limit does."""
        return Reading(
            memory_bytes=_number(self.path / "memory.current"),
            processes=len(self.pids()),
            cpu_seconds=_values(self.path / "cpu.stat").get("usage_usec", 0) / 1_000_000,
            written_bytes=sum(map(int, re.findall(r"\bwbytes=(\d+)", _text(self.path / "io.stat")))),
        )

    def read_at_end(self) -> Reading:
        """The same, with the peaks that the kernel has noted (since 5.19 and 6.1)."""
        now = self.read()
        return Reading(
            memory_bytes=max(now.memory_bytes, _number(self.path / "memory.peak")),
            processes=now.processes,
            cpu_seconds=now.cpu_seconds,
            written_bytes=now.written_bytes,
        )

    def breach(self, limits: Limits) -> Breach | None:
        """The limit at which the kernel has stepped in."""
        if limits.memory_bytes is not None and _values(self.path / "memory.events").get("oom_kill", 0):
            used = max(limits.memory_bytes, _number(self.path / "memory.peak"))
            return Breach(limit="memory_bytes", most=limits.memory_bytes, used=used)
        if limits.processes is not None and _values(self.path / "pids.events").get("max", 0):
            used = max(limits.processes, len(self.pids()))
            return Breach(limit="processes", most=limits.processes, used=used)
        return None


def own_cgroup(proc: Path = Path("/proc")) -> Path:
    """The folder of this process's cgroup, version 2. Raises NotDelegated when there is none."""
    own = next((line[3:] for line in _text(proc / "self/cgroup").splitlines() if line.startswith("0::")), None)
    mount = _MOUNT.search(_text(proc / "self/mountinfo"))
    if own is None or mount is None:
        raise NotDelegated("this machine has no cgroups of version 2")
    root, place = mount["root"], mount["place"]
    if not own.startswith(root) or "/.." in own:
        raise NotDelegated(f"the own cgroup {own} is not below what is mounted at {place}")
    return Path(place) / own.removeprefix(root).lstrip("/")


def divisible(own: Path) -> tuple[Path, frozenset[str]]:
    """The group to divide for a process that is in this one, and the controllers to use. Raises NotDelegated."""
    base = own.parent if own.name == LEAF else own
    offered = _text(base / "cgroup.controllers").split()
    missing = [name for name in NEEDED if name not in offered]
    if missing:
        raise NotDelegated(f"{base} has no controllers for {' and '.join(missing)}")
    if _text(base / "cgroup.type").strip() != "domain":
        raise NotDelegated(f"{base} is not a group that can be divided")
    others = [pid for pid in _pids(base) if pid != os.getpid()]
    if others:
        raise NotDelegated(f"{base} holds other processes too: {', '.join(map(str, others[:5]))}")
    return base, frozenset(name for name in USED if name in offered)


def _write(file: Path, value: str | int) -> None:
    """Into a file that is there: the kernel makes them."""
    handle = os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC)
    try:
        os.write(handle, str(value).encode("ascii"))
    finally:
        os.close(handle)


def _text(file: Path) -> str:
    """Empty when it is not there, as with a controller that is not."""
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _pids(folder: Path) -> list[int]:
    return [int(line) for line in _text(folder / "cgroup.procs").split()]


def _number(file: Path) -> int:
    text = _text(file).strip()
    return int(text) if text.isdigit() else 0


def _values(file: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    pairs = (line.split() for line in _text(file).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}
