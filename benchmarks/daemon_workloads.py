"""W4, W5, W6, W7: workloads on the daemon and on the command line, as real processes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import psutil

from benchmarks.board_workloads import folder
from benchmarks.measuring import Results, percentile
from dreamos_tasks import TaskDraft, TaskNexus
from dreamos_tasks.model.plan import Plan, Step

DT = str(Path(sys.executable).with_name("dt"))
TRUE = shutil.which("true") or "/bin/true"
READY_WITHIN_SECONDS = 20.0
STAMP = "date +%s%N > {}"  # a command whose start can be read afterwards


@contextmanager
def daemon(home: Path, *, concurrent: int) -> Iterator[subprocess.Popen[bytes]]:
    """A real daemon of its own process, ended by its pid afterwards."""
    environ = {
        **os.environ,
        "DREAMOS_TASKS_HOME": str(home),
        "DREAMOS_TASKS_DAEMON__MAX_CONCURRENT_TASKS": str(concurrent),
        "DREAMOS_TASKS_LOGGING__LEVEL": "WARNING",
    }
    with subprocess.Popen([DT, "daemon"], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            until(lambda: (home / "runtime" / "daemon.json").exists(), READY_WITHIN_SECONDS)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def until(condition: Callable[[], bool], seconds: float, *, every: float = 0.002) -> None:
    """Wait for a condition. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("what was waited for did not happen")
        time.sleep(every)


def command(argv: Sequence[str] | str) -> Plan:
    """A plan of one step."""
    return Plan(steps=(Step(name="run", params={"command": argv}),))


def w4(results: Results, *, repetitions: int, quick: bool) -> None:
    """Pickup."""
    samples = 40 if quick else 150
    for metric in ("p50", "p99"):
        results.compare_with("W4", f"to the command's start, {metric}", "starting the command at once")
    for repetition in range(repetitions):
        with folder() as home, daemon(home, concurrent=4):
            nexus = TaskNexus.open(home / "runtime" / "nexus.db")
            inbox = home / "runtime" / "inbox"
            ways: dict[str, Callable[[str, Path], None]] = {
                "starting the command at once": lambda _, stamp: _start(stamp),
                "dreamos-tasks, add": partial(_add, nexus),
                "dreamos-tasks, file dropped": partial(_drop, inbox),
            }
            waits: dict[str, list[float]] = {way: [] for way in ways}
            chance = random.Random(repetition)
            for sample in range(samples):
                for number, (way, act) in enumerate(ways.items()):
                    time.sleep(chance.uniform(0.03, 0.08))  # the daemon is to be idle again
                    stamp = home / f"stamp-{sample}-{number}"
                    begin = time.time_ns()
                    act(f"t{sample}", stamp)
                    until(lambda stamp=stamp: stamp.exists() and stamp.stat().st_size > 10, 10)
                    waits[way].append((int(stamp.read_text()) - begin) / 1e6)
            for way, values in waits.items():
                for metric, percent in (("p50", 50), ("p99", 99)):
                    results.add("W4", f"to the command's start, {metric}", "ms", way, percentile(values, percent))


def _start(stamp: Path) -> None:
    subprocess.run(["/bin/sh", "-c", STAMP.format(stamp)], check=True)


def _add(nexus: TaskNexus, name: str, stamp: Path) -> None:
    nexus.add_task(TaskDraft(title=name, plan=command(STAMP.format(stamp))))


def _drop(inbox: Path, name: str, stamp: Path) -> None:
    beside = inbox.parent / f"{name}.json.part"
    beside.write_text(json.dumps({"title": name, "run": STAMP.format(stamp)}))
    beside.rename(inbox / f"{name}.json")


def w5(results: Results, *, repetitions: int, quick: bool) -> None:
    """Commands."""
    tasks = 400 if quick else 2000
    for concurrent in (2, 8):
        metric = f"commands, {concurrent} at a time"
        results.compare_with("W5", metric, "posix_spawn and wait")
        for _ in range(repetitions):
            results.add("W5", metric, "tasks/s", "posix_spawn and wait", _spawn_rate(tasks, concurrent))
            if shutil.which("tsp"):
                results.add("W5", metric, "tasks/s", "task-spooler", _spooler_rate(tasks, concurrent))
            with folder() as home:
                nexus = TaskNexus.open(home / "runtime" / "nexus.db")
                nexus.add_tasks([TaskDraft(title="true", plan=command([TRUE])) for _ in range(tasks)])
                begin = time.monotonic()
                with daemon(home, concurrent=concurrent):
                    until(lambda nexus=nexus: nexus.store.last_seq() > tasks, 30, every=0.0005)
                    begin, first = time.monotonic(), nexus.stats()["status"].get("completed", 0)
                    until(lambda nexus=nexus: nexus.stats()["status"].get("completed", 0) == tasks, 120, every=0.01)
                    rate = (tasks - first) / (time.monotonic() - begin)
            results.add("W5", metric, "tasks/s", "dreamos-tasks FULL", rate)


def _spawn_rate(tasks: int, concurrent: int) -> float:
    def one(_: int) -> None:
        os.waitpid(os.posix_spawn(TRUE, ["true"], os.environ), 0)

    begin = time.perf_counter()
    with ThreadPoolExecutor(concurrent) as pool:
        list(pool.map(one, range(tasks)))
    return tasks / (time.perf_counter() - begin)


def _spooler_rate(tasks: int, concurrent: int) -> float:
    with folder() as at:
        environ = {**os.environ, "TS_SOCKET": str(at / "s"), "TMPDIR": str(at), "TS_MAXFINISHED": "5000"}

        def spool(*words: str) -> None:
            subprocess.run(["tsp", *words], env=environ, check=True, capture_output=True)

        spool("-S", str(concurrent))
        begin = time.perf_counter()
        tsp = shutil.which("tsp") or "tsp"
        null = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
        for _ in range(tasks):
            os.waitpid(os.posix_spawn(tsp, ["tsp", "-n", "true"], environ, file_actions=null), 0)
        spool("-w")
        taken = time.perf_counter() - begin
        spool("-K")
    return tasks / taken


def w6(results: Results, *, repetitions: int, quick: bool) -> None:
    """The command line."""
    times = 7 if quick else 15
    results.compare_with("W6", "wall time", "python -c 'import click'")
    with folder() as home:
        nexus = TaskNexus.open(home / "runtime" / "nexus.db")
        nexus.add_tasks([TaskDraft(title=f"benchmark task {n}") for n in range(1000)])
        ids = [task.task_id for task in nexus.get_all_tasks()]
        nexus.close()
        # An installed program finds its bytecode. A checkout need not, so all make it here.
        environ = {**os.environ, "DREAMOS_TASKS_HOME": str(home), "PYTHONPYCACHEPREFIX": str(home / "bytecode")}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        ways: dict[str, Callable[[int], list[str]]] = {
            "python -c pass": lambda _: [sys.executable, "-c", "pass"],
            "python -c 'import click'": lambda _: [sys.executable, "-c", "import click"],
            "dt add": lambda n: [DT, "add", f"one more {n}"],
            "dt next": lambda _: [DT, "next", "--agent", "ada", "--json"],
            "dt claim": lambda n: [DT, "claim", ids[-1 - n], "--agent", "bob", "--json"],
            "dt heartbeat": lambda n: [DT, "heartbeat", ids[-1 - n], "--agent", "bob", "--json"],
            "dt complete": lambda n: [DT, "complete", ids[-1 - n], "--agent", "bob", "--json"],
            "dt list": lambda _: [DT, "list", "--json"],
        }
        for _ in range(repetitions):
            samples: dict[str, list[float]] = {way: [] for way in ways}
            for n in range(times + 1):
                for way, argv in ways.items():
                    begin = time.perf_counter()
                    subprocess.run(
                        argv(n), env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
                    )
                    if n:  # the first finds no bytecode
                        samples[way].append((time.perf_counter() - begin) * 1e3)
            ids = ids[: -times - 1]
            for way, values in samples.items():
                results.add("W6", "wall time", "ms", way, statistics.median(values))


def w7(results: Results, *, repetitions: int, quick: bool) -> None:
    """Memory, and the idle daemon's share of a core."""
    queued = 10_000 if quick else 100_000
    for _ in range(repetitions):
        with folder() as home:
            with daemon(home, concurrent=4) as process:
                share = _cpu_share(process.pid, 3 if quick else 10)
                results.add("W7", "idle daemon", "MiB", "dreamos-tasks", _rss_mib(process.pid))
                results.add("W7", "idle daemon, share of a core", "%", "dreamos-tasks", share)
            nexus = TaskNexus.open(home / "runtime" / "nexus.db")
            for _ in range(queued // 10_000):
                nexus.add_tasks([TaskDraft(title="waits for an agent") for _ in range(10_000)])
            with daemon(home, concurrent=4) as process:
                _cpu_share(process.pid, 1)
                results.add("W7", f"daemon, {queued:,} queued", "MiB", "dreamos-tasks", _rss_mib(process.pid))


def _rss_mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def _cpu_share(pid: int, seconds: float) -> float:
    """Percent of one core over some seconds."""
    process = psutil.Process(pid)
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / seconds * 100
