"""An agent for tests: claims, works, completes, over and over, and notes what the board acknowledged.

    python -m tests.torture.agent BOARD NAME LEDGER JOURNAL LEASE_SECONDS

It ends when its stdin closes and nothing is ready for it. It may be killed at any moment.
"""

from __future__ import annotations

import select
import sys
from pathlib import Path

from dreamos_tasks import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.errors import Refused
from dreamos_tasks.model.task import Progress
from tests.torture.journal import WORK, Entry, Journal
from tests.torture.ledger import Ledger

IDLE_SECONDS = 0.05


def main() -> None:
    """Work until there is nothing left to do and nobody needs us."""
    board, name, ledger_path, journal_path, lease_seconds = sys.argv[1:]
    ledger, journal = Ledger(Path(ledger_path)), Journal(Path(journal_path))
    rules = BoardRules(lease_seconds=float(lease_seconds), max_lost_leases=1000)
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


if __name__ == "__main__":
    main()
