"""Racer: one process of a race, by one door.

    python -m dreamos_tasks.app.race.racer claim DOOR PLACE NAME          claims the task of each line of stdin: `won` or `held`
    python -m dreamos_tasks.app.race.racer add DOOR PLACE NAME COUNT      adds so many once a line comes, tells their ids
    python -m dreamos_tasks.app.race.racer work DOOR PLACE NAME LEDGER JOURNAL [LEASE_SECONDS]

`work` claims and completes over and over, and notes what the board acknowledged; it ends when stdin is closed and nothing is
ready. It may be killed at any moment. PLACE is a home, or for the door `python` the board's file.
"""

from __future__ import annotations

import select
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from dreamos_tasks.app.race.doors import Door, door_to
from dreamos_tasks.app.race.journal import WORK, Entry, Journal
from dreamos_tasks.app.race.ledger import Ledger

IDLE_SECONDS = 0.05  # between two looks at a board on which nothing is ready


def main() -> None:
    """Do what the first argument says."""
    deed, kind, place, name, *arguments = sys.argv[1:]
    lease_seconds = float(arguments.pop()) if deed == "work" and len(arguments) > 2 else None
    with closing(door_to(kind, Path(place), name, lease_seconds=lease_seconds)) as door:
        _say("ready")
        DEEDS[deed](door, name, *arguments)


def claim(door: Door, _: str) -> None:
    """Claim each task that is named, at once with all others who are told of it."""
    for line in sys.stdin:
        _say("won" if door.claim(line.strip()) else "held")


def add(door: Door, name: str, count: str) -> None:
    """Add so many tasks, each in a commit of its own."""
    if sys.stdin.readline():
        _say(" ".join(door.add(f"{name} {number}") for number in range(int(count))))


def work(door: Door, name: str, ledger_path: str, journal_path: str) -> None:
    """Work until there is nothing left to do and nobody needs us."""
    ledger, journal = Ledger(Path(ledger_path)), Journal(Path(journal_path))
    while True:
        held = door.take()
        if held is None:
            if select.select([sys.stdin], [], [], IDLE_SECONDS)[0]:
                return
            continue
        task_id, token, attempt = held
        ledger.note("claim", task_id, token)
        journal.append(Entry(task_id, WORK, attempt, token))
        if door.complete(held, result={"by": name}):  # else it took longer than the lease: somebody else does it
            ledger.note("complete", task_id, token)


def _say(words: str) -> None:
    print(words, flush=True)  # noqa: T201  whoever started the race reads it


DEEDS: dict[str, Callable[..., None]] = {"claim": claim, "add": add, "work": work}

if __name__ == "__main__":
    main()
