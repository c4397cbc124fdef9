"""W1, W2, W3, W8: workloads on the board itself."""

from __future__ import annotations

import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measuring import Results, jain, percentile, rate
from benchmarks.systems import ADDING, DRAINING, Dreamos, Raw, System

WINDOW_SECONDS = 6.0  # a system that needs longer is counted for what it did in it


@contextmanager
def folder() -> Iterator[Path]:
    """A fresh folder on the disk under test: BENCH_RUNS, or the system's folder for temporary files."""
    made = Path(tempfile.mkdtemp(prefix="dt-bench-", dir=os.environ.get("BENCH_RUNS")))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def in_child(act: Callable[[], Any]) -> Any:
    """What `act` gives, from a forked process: clean memory, no shared connection."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, json.dumps(act()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read()
    os.waitpid(pid, 0)
    if not answer:
        raise RuntimeError("the measured process died")
    return json.loads(answer)


def w1(results: Results, *, repetitions: int, quick: bool) -> None:
    """Adding."""
    single, bulk = (1000, 10_000) if quick else (10_000, 100_000)
    for metric, limit in (("add, one commit each", Raw.name), ("add in bulk", Raw.name)):
        results.compare_with("W1", metric, limit)
    for _ in range(repetitions):
        for system in ADDING:
            if system.available():
                one, many = in_child(lambda system=system: _add(system, single, bulk))
                results.add("W1", "add, one commit each", "tasks/s", system.name, one)
                if many is not None:
                    results.add("W1", "add in bulk", "tasks/s", system.name, many)


def _add(system: type[System], single: int, bulk: int) -> tuple[float, float | None]:
    """How many a second, one by one and in bulk; None for a system that can add one by one only."""
    with folder() as at:
        system(at).create()
        under_test = system(at)
        under_test.open()
        under_test.add(range(20))
        one = rate(single, lambda: under_test.add(range(single)))
        if system.add_bulk is System.add_bulk:
            return one, None
        return one, rate(bulk, lambda: under_test.add_bulk(range(10**7, 10**7 + bulk)))


def w2(results: Results, *, repetitions: int, quick: bool) -> None:
    """Draining, by 1 to 8 processes."""
    tasks = 2000 if quick else 10_000
    for processes in (1, 8) if quick else (1, 2, 4, 8):
        results.compare_with("W2", f"drain, {processes} processes", Raw.name)
        for _ in range(repetitions):
            for system in DRAINING:
                if system.available():
                    _drain(results, system, processes, tasks)


def _drain(results: Results, system: type[System], processes: int, tasks: int) -> None:
    with folder() as at:
        system(at).create()
        in_child(lambda: _fill(system, at, tasks))
        begin = time.monotonic() + 0.5
        pids = []
        for worker in range(processes):
            pid = os.fork()
            if pid == 0:
                try:
                    (at / f"done-{worker}.json").write_text(json.dumps(_work(system, at, begin)))
                finally:
                    os._exit(0)
            pids.append(pid)
        for pid in pids:
            os.waitpid(pid, 0)
        shares = [json.loads((at / f"done-{worker}.json").read_text()) for worker in range(processes)]
    counts, slowest, ends = [s[0] for s in shares], max(s[1] for s in shares), max(s[2] for s in shares)
    metric = f"drain, {processes} processes"
    results.add("W2", metric, "tasks/s", system.name, sum(counts) / (ends - begin))
    if processes > 1:
        results.add("W2", f"{metric}: fairness", "Jain", system.name, jain(counts))
        results.add("W2", f"{metric}: slowest claim", "ms", system.name, slowest * 1e3)


def _fill(system: type[System], at: Path, tasks: int) -> int:
    under_test = system(at)
    under_test.open()
    under_test.add_bulk(range(tasks))
    return tasks


def _work(system: type[System], at: Path, begin: float) -> tuple[int, float, float]:
    under_test = system(at)
    under_test.open()
    while time.monotonic() < begin:
        time.sleep(0.0005)
    count, slowest, handle, last = 0, 0.0, None, begin
    while time.monotonic() < begin + WINDOW_SECONDS:
        start = time.monotonic()
        handle = under_test.claim() if handle is None else under_test.complete_and_claim(handle)
        last = time.monotonic()
        slowest = max(slowest, last - start)
        if handle is None:
            break
        count += 1
    return count, slowest, last


def w3(results: Results, *, repetitions: int, quick: bool) -> None:
    """Growth."""
    sizes = ((1000, 0), (10_000, 0), (100_000, 100_000)) if quick else ((1000, 0), (100_000, 0), (1_000_000, 1_000_000))
    for pending, done in sizes:
        metric, name = "claim and complete", f"dreamos-tasks, {pending:,} pending, {done:,} done"
        results.compare_with("W3", metric, "dreamos-tasks, 1,000 pending, 0 done")
        with folder() as at:
            _grow(at, pending, done)
            for _ in range(repetitions):
                results.add("W3", metric, "tasks/s", name, in_child(lambda at=at: _claim_some(at, 150)))


def _grow(at: Path, pending: int, done: int) -> None:
    """A board of any size: two tasks as we write them, copied by SQL."""
    import apsw

    from dreamos_tasks import TaskDraft, TaskNexus

    nexus = TaskNexus.open(at / "nexus.db")
    nexus.add_task(TaskDraft(title="benchmark task", description="x" * 100))
    finished = nexus.get_next_task("w")
    assert finished is not None
    assert finished.claim is not None
    nexus.mark_task_completed(finished.task_id, token=finished.claim.token)
    nexus.add_task(TaskDraft(title="benchmark task", description="x" * 100))
    nexus.close()
    board = apsw.Connection(str(at / "nexus.db"))
    columns = [row[1] for row in board.execute("PRAGMA table_info(task)") if row[1] not in ("n", "task_id")]
    board.execute("BEGIN IMMEDIATE")
    for status, count in (("completed", done), ("pending", pending)):
        names = ", ".join(columns)
        board.execute(
            f"""WITH RECURSIVE k (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < ?)
            INSERT INTO task (task_id, {names}) SELECT ? || hex(randomblob(6)) || i, {", ".join("t." + c for c in columns)}
            FROM k, task AS t WHERE t.n = (SELECT min(n) FROM task WHERE status = ?) AND ? > 0""",
            (count, status[0], status, count),
        )
    board.execute("COMMIT")
    board.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    board.close()


def _claim_some(at: Path, count: int) -> float:
    under_test = Dreamos(at)
    under_test.open()
    for _ in range(20):
        under_test.complete(under_test.claim())

    def act() -> None:
        for _ in range(count):
            under_test.complete(under_test.claim())

    return rate(count, act)


def w8(results: Results, *, repetitions: int, quick: bool) -> None:
    """The next ready task among many with dependencies."""
    tasks, edges = (10_000, 20_000) if quick else (100_000, 200_000)
    results.compare_with("W8", "claim and complete", "the same board without dependencies")
    for seed in range(repetitions):
        for name, links in (("the same board without dependencies", 0), ("with dependencies", edges)):
            answer = in_child(lambda seed=seed, links=links: _with_dependencies(seed, tasks, links))
            results.add("W8", "claim and complete", "tasks/s", name, answer["rate"])
            results.add("W8", "claim in the store, p99", "us", name, answer["claim_p99_us"])
            if answer["wrong"]:
                raise RuntimeError(f"{answer['wrong']} tasks were handed out before what they depend on")
        results.add("W8", "complete with 1,000 dependants", "ms", "dreamos-tasks", in_child(_thousand_dependants))


def _with_dependencies(seed: int, tasks: int, edges: int) -> dict[str, float]:
    from dreamos_tasks import TaskDraft, TaskNexus
    from dreamos_tasks.model.query import ClaimRequest

    chance = random.Random(seed)
    needs: list[set[int]] = [set() for _ in range(tasks)]
    for _ in range(edges):
        later = chance.randrange(1, tasks)
        needs[later].add(chance.randrange(later))
    words = ("critical", "high", "medium", "low")
    with folder() as at:
        nexus = TaskNexus.open(at / "nexus.db")
        for start in range(0, tasks, 10_000):
            nexus.add_tasks(
                [
                    TaskDraft(
                        task_id=f"t-{n}", title="t", priority=chance.choice(words),  # type: ignore[arg-type]
                        depends_on=tuple(f"t-{other}" for other in needs[n]),
                    )
                    for n in range(start, min(tasks, start + 10_000))
                ]
            )  # fmt: skip
        request, waits = ClaimRequest(agent_id="w"), []
        for _ in range(500):
            with nexus.store.transaction():
                began = time.perf_counter()
                nexus.store.next_claimable(request, now=nexus.clock.now())
                waits.append((time.perf_counter() - began) * 1e6)
        done: set[str] = set()
        wrong, count, begin = 0, 0, time.perf_counter()
        while time.perf_counter() - begin < 2.0 and (task := nexus.get_next_task("w")) is not None:
            wrong += any(other not in done for other in task.depends_on)
            assert task.claim is not None
            nexus.mark_task_completed(task.task_id, token=task.claim.token)
            done.add(task.task_id)
            count += 1
        return {
            "rate": count / (time.perf_counter() - begin),
            "claim_p99_us": percentile(waits, 99),
            "wrong": wrong,
        }


def _thousand_dependants() -> float:
    from dreamos_tasks import TaskDraft, TaskNexus

    with folder() as at:
        nexus = TaskNexus.open(at / "nexus.db")
        nexus.add_task(TaskDraft(task_id="first", title="first", priority="high"))  # type: ignore[arg-type]
        nexus.add_tasks([TaskDraft(title="after", depends_on=("first",)) for _ in range(1000)])
        task = nexus.get_next_task("w")
        assert task is not None
        assert task.claim is not None
        begin = time.perf_counter()
        nexus.mark_task_completed("first", token=task.claim.token)
        return (time.perf_counter() - begin) * 1e3
