"""Ledger: what the board acknowledged, noted by whoever was told so. Each of it must be there after any restart."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from dreamos_tasks.app.race.appended import append_line, whole_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """A verb that came back without an error. `token` is the claim's, 0 for a verb without one."""

    verb: str  # add, claim, complete
    task_id: str
    token: int = 0


class Ledger:
    """One file of JSON lines; many processes append to it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, verb: str, task_id: str, token: int = 0) -> None:
        """Call it only after the verb has returned."""
        append_line(self.path, json.dumps(asdict(Acknowledged(verb=verb, task_id=task_id, token=token))))

    def entries(self) -> list[Acknowledged]:
        """All of them, oldest first."""
        return [Acknowledged(**json.loads(line)) for line in whole_lines(self.path)]
