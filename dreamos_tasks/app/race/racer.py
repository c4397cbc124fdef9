"""Racer: one process of a race, by the public Python interface.

    python -m dreamos_tasks.app.race.racer claim BOARD NAME        claims the task of each line of stdin: `won` or `held`
    python -m dreamos_tasks.app.race.racer add BOARD NAME COUNT    adds so many once a line comes, tells their ids
    python -m dreamos_tasks.app.race.racer work BOARD NAME LEDGER JOURNAL LEASE_SECONDS

`work` claims and completes over and over, and notes what the board acknowledged; it ends when stdin is closed and nothing is
ready. It may be killed at any moment.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from pathlib import Path

from dreamos_tasks import TaskDraft, TaskNexus
from dreamos_tasks.app.race.journal import WORK, Entry, Journal
from dreamos_tasks.app.race.ledger import Ledger
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.errors import ClaimHeld, Refused
from dreamos_tasks.model.task import Progress

IDLE_SECONDS = 0.05  # between two looks at a board on which nothing is ready
MOST_LOST_LEASES = 100_000  # being killed is what this is about: a task is never given up for it


def main() -> None:
    """Do what the first argument says."""
    deed, *arguments = sys.argv[1:]
    DEEDS[deed](*arguments)


def claim(board: str, name: str) -> None:
    """Claim each task that is named, at once with all others who are told of it."""
    with TaskNexus.open(board) as nexus:
        _say("ready")
        for line in sys.stdin:
            try:
                nexus.claim_task(line.strip(), name)
                _say("won")
            except ClaimHeld:
                _say("held")


def add(board: str, name: str, count: str) -> None:
    """Add so many tasks, each in a commit of its own."""
    with TaskNexus.open(board) as nexus:
        _say("ready")
        if sys.stdin.readline():
            drafts = [TaskDraft(title=f"{name} {number}") for number in range(int(count))]
            _say(" ".join(nexus.add_task(draft).task_id for draft in drafts))


def work(board: str, name: str, ledger_path: str, journal_path: str, lease_seconds: str) -> None:
    """Work until there is nothing left to do and nobody needs us."""
    ledger, journal = Ledger(Path(ledger_path)), Journal(Path(journal_path))
    rules = BoardRules(lease_seconds=float(lease_seconds), max_lost_leases=MOST_LOST_LEASES)
    with TaskNexus.open(board, rules=rules) as nexus:
        while True:
            task = nexus.get_next_task(name)
            if task is None:
                if select.select([sys.stdin], [], [], IDLE_SECONDS)[0]:
                    return
                continue
            assert task.claim is not None
            token = task.claim.token
            ledger.note("claim", task.task_id, token)
            journal.append(Entry(task.task_id, WORK, task.attempt, token))
            try:
                nexus.record_progress(task.task_id, Progress(percent=50.0), token=token)
                nexus.mark_task_completed(task.task_id, result={"by": name}, token=token)
            except Refused:
                continue  # it took longer than the lease: somebody else does it, or has done it
            ledger.note("complete", task.task_id, token)


def _say(words: str) -> None:
    print(words, flush=True)  # noqa: T201  whoever started the race reads it


DEEDS: dict[str, Callable[..., None]] = {"claim": claim, "add": add, "work": work}

if __name__ == "__main__":
    main()
