"""Ledger: what the board acknowledged, noted by whoever was told so. Each of it must be there after any restart."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


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
        line = json.dumps(asdict(Acknowledged(verb=verb, task_id=task_id, token=token))).encode() + b"\n"
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            assert os.write(fd, line) == len(line)
        finally:
            os.close(fd)

    def entries(self) -> list[Acknowledged]:
        """All of them, oldest first."""
        if not self.path.exists():
            return []
        return [Acknowledged(**json.loads(line)) for line in self.path.read_text(encoding="utf-8").splitlines()]
