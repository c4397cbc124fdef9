"""W11: eight agents by four interfaces at once on one board: how many tasks a second, and that each was done once."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import closing

from benchmarks.board_workloads import folder
from benchmarks.daemon_workloads import daemon
from benchmarks.measuring import Results
from dreamos_tasks import TaskNexus
from dreamos_tasks.app.race.contest import Contest

PROCESSES = 8
DOORS = ("mcp", "http", "cli", "python")
TASKS, FEW_TASKS = 5_000, 400
PATIENCE_SECONDS = 900.0
CONFIG = "dreamos_tasks: 1\nserver: {port: 0}\nclaims: {lease_seconds: 120}\n"


def w11(results: Results, *, repetitions: int, quick: bool) -> None:
    """Two processes by each door, together; then each door with all eight, so that one sees what it takes by itself."""
    for _ in range(repetitions):
        _drain(results, "all four at once", DOORS, FEW_TASKS if quick else TASKS)
        for door in DOORS:
            _drain(results, f"eight by {door}", (door,), FEW_TASKS // (4 if door == "cli" else 1))


def _drain(results: Results, system: str, doors: tuple[str, ...], tasks: int) -> None:
    with folder() as home:
        (home / "config.yaml").write_text(CONFIG)
        board = home / "runtime" / "nexus.db"
        TaskNexus.open(board).close()
        with daemon(home, concurrent=1):
            contest = Contest(
                board,
                processes=PROCESSES,
                rng=random.Random(1),
                doors=doors,
                home=home,
                tasks_each=tasks // PROCESSES,
                patience_seconds=PATIENCE_SECONDS,
            )
            with closing(contest):
                _tell(results, contest, system, doors)


def _tell(results: Results, contest: Contest, system: str, doors: tuple[str, ...]) -> None:
    proofs = [contest.work(kill_seconds=0), *contest.audited()]
    assert all(proof.ok for proof in proofs), proofs
    ends = [task for task in contest.nexus.get_all_tasks() if task.finished_at is not None]
    started = min(task.started_at for task in ends if task.started_at is not None)
    finished = max(task.finished_at for task in ends if task.finished_at is not None)
    seconds = (finished - started).total_seconds()
    results.add("W11", "claim and complete", "tasks/s", system, len(ends) / seconds)
    results.add("W11", "done exactly once, auditor clean", "%", system, 100.0)
    if len(doors) > 1:
        done = Counter(doors[(int(task.result["by"].rpartition("-")[2]) - 1) % len(doors)] for task in ends)
        for door in doors:
            results.add("W11", "share when all four work at once", "%", f"by {door}", 100 * done[door] / len(ends))
