"""Kills a process at exactly the n-th time it makes a system call, by strace's fault injection."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.torture.rig import Rig
from tests.torture.waiting import until

# What changes files. A step's shell makes none of the second set, so that it cannot be hit in the daemon's place.
WRITES = "write,pwrite64,writev,fsync,fdatasync,ftruncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir"
BOARD_WRITES = "pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2,link,linkat,unlink,unlinkat"

# What Python compiles it would write only once: the calls of one run would not be those of the next.
AS_EVER = ("-E", "PYTHONDONTWRITEBYTECODE=1")

CALL = re.compile(
    r"(\d+) +([a-z0-9_]+)\("
)  # a line of the trace; one that goes on after an interruption has no name in front


class KillPoint(NamedTuple):
    """The `number`-th time that a thread makes this system call."""

    call: str
    number: int


@cache
def _why_not() -> str:
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-qq", "-o", os.devnull, "-e", "inject=write:signal=SIGKILL:when=1", "echo"], capture_output=True
    )
    return "" if tried.returncode in (-9, 137) else f"strace cannot trace here: {tried.stderr.decode().strip()[:200]}"


def require_strace() -> None:
    """Skip the test where processes cannot be traced."""
    if why := _why_not():
        pytest.skip(why)


def tracing(calls: str, out: Path) -> list[str]:
    """What is put before a command to write down these calls of it."""
    return ["strace", *AS_EVER, "-f", "-qq", "-o", str(out), "-e", f"trace={calls}", "-e", "signal=none"]


def killing(point: KillPoint) -> list[str]:
    """What is put before a command to kill it at this call, before the call does anything."""
    return ["strace", *AS_EVER, "-f", "-qq", "-o", os.devnull, *_killing(point)]


def failing(point: KillPoint, error: str) -> list[str]:
    """What is put before a command to have this one call of it fail, as a broken or full disk makes it fail."""
    inject = f"inject={point.call}:error={error}:when={point.number}"
    return ["strace", *AS_EVER, "-f", "-qq", "-o", os.devnull, "-e", f"trace={point.call}", "-e", inject]


def kill_points(trace: Path) -> list[KillPoint]:
    """Every call that was written down, one after another. strace counts each kind of call by itself, and by thread."""
    made: Counter[tuple[str, str]] = Counter()
    points: dict[KillPoint, None] = {}
    for line in trace.read_text(errors="replace").splitlines():
        if (found := CALL.match(line)) is not None:
            made[found.groups()] += 1  # type: ignore[index]
            points[KillPoint(found[2], made[found[1], found[2]])] = None
    return list(points)


def attach(rig: Rig, pid: int, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Begin to trace a running process with all its threads; comes back when each of them is traced."""
    tracer = rig.start(["strace", "-f", "-qq", *options, "-p", str(pid)])
    until(lambda: tracer.poll() is not None or _all_traced(pid), what="strace attached")
    return tracer


def recording(calls: str, out: Path) -> list[str]:
    """Options of `attach` to write down these calls."""
    return ["-o", str(out), "-e", f"trace={calls}", "-e", "signal=none"]


def fatal(point: KillPoint) -> list[str]:
    """Options of `attach` to kill the process when the first of its threads makes this call."""
    return ["-o", os.devnull, *_killing(point)]


def _killing(point: KillPoint) -> list[str]:
    return ["-e", f"trace={point.call}", "-e", f"inject={point.call}:signal=SIGKILL:when={point.number}"]


def _all_traced(pid: int) -> bool:
    try:
        states = [(task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return True
    return all("TracerPid:\t0\n" not in state for state in states)


def chosen(rng: Random, points: Sequence[KillPoint], count: int, *, everything: bool) -> list[KillPoint]:
    """All points, or so many of them: the first, the last, and others by chance."""
    if everything or len(points) <= count:
        return list(points)
    inner = sorted(rng.sample(range(1, len(points) - 1), count - 2))
    return [points[0], *(points[index] for index in inner), points[-1]]
