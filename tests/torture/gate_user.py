"""A process that runs steps behind a shared gate, and notes when it is inside.

    python -m tests.torture.gate_user BOARD NAME JOURNAL GATE WORK_SECONDS LEASE_SECONDS

It claims plans until stdin closes. In the journal it notes `in` after the board let a step in, `out` before it says that the
step has ended: what lies between is within what the board counts.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time

from dreamos_tasks.app.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.model.gate import Gate
from dreamos_tasks.model.outcome import Snoozed, Succeeded
from dreamos_tasks.model.plan import StepResult, StepStatus
from dreamos_tasks.model.task import Task

IDLE_SECONDS = 0.01
CALL = "call"


def main(board: str, name: str, journal: str, gate: str, work_seconds: str, lease_seconds: str) -> None:
    """Go on until stdin closes."""
    notes = os.open(journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    shared = {CALL: (Gate(**json.loads(gate)),)}

    def note(word: str, task: Task) -> None:
        line = {"word": word, "at": time.monotonic_ns(), "name": name, "task": task.task_id}
        os.write(notes, json.dumps(line).encode() + b"\n")

    rules = BoardRules(lease_seconds=float(lease_seconds))
    with TaskNexus.open(board, rules=rules) as nexus:
        while not select.select([sys.stdin], [], [], 0)[0]:
            task = nexus.get_next_task(name, runs_plans=True)
            if task is None or task.claim is None:
                time.sleep(IDLE_SECONDS)
                continue
            token = task.claim.token
            started = StepResult(name=CALL, status=StepStatus.RUNNING, token=token)
            _, held_back = nexus.start_steps(task.task_id, (), token=token, starting=(started,), gates=shared)
            if CALL in held_back:
                refusal = held_back[CALL]
                later = Snoozed(reason=refusal.reason, until=refusal.until, gate_wait=refusal.wait_of(CALL))
                nexus.settle(task.task_id, later, token=token, gates=shared)
                continue
            note("in", task)
            time.sleep(float(work_seconds))
            note("out", task)
            ended = StepResult(name=CALL, status=StepStatus.COMPLETED, token=token)
            nexus.settle(task.task_id, Succeeded(), token=token, last_steps=(ended,), gates=shared)


if __name__ == "__main__":
    main(*sys.argv[1:])
