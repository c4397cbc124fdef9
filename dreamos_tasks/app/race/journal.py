"""Journal: what was really done for tasks, written by whoever did it, where no board and no daemon ever writes."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from dreamos_tasks.app.race.appended import append_line, whole_lines

WORK = "work"  # the step under which an agent notes what it did for a task without a plan


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One effect: this run of this step happened."""

    task_id: str
    step: str
    attempt: int
    token: int


class Journal:
    """A file of lines that are only ever appended, each by one `write` with O_APPEND."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def command(self, *then: str) -> str:
        """A shell line whose effect is one entry, taken from the variables that every step is given; then the rest."""
        names = ("TASK_ID", "STEP", "ATTEMPT", "TOKEN")
        words = " ".join(f'"$DREAMOS_TASKS_{name}"' for name in names)
        return "; ".join((f"printf '%s\\t%s\\t%s\\t%s\\n' {words} >> {shlex.quote(str(self.path))}", *then))

    def append(self, entry: Entry) -> None:
        """The same from Python, for agents."""
        append_line(self.path, f"{entry.task_id}\t{entry.step}\t{entry.attempt}\t{entry.token}")

    def entries(self) -> list[Entry]:
        """All of them, oldest first."""
        lines = (line.split("\t") for line in whole_lines(self.path))
        return [Entry(task_id, step, int(attempt), int(token)) for task_id, step, attempt, token in lines]
