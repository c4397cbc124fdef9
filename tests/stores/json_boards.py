"""JSON boards in tests: written as editors do, read as people do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dreamos_tasks.board.nexus import TaskNexus
from tests.fakes import FakeReading

Open = Callable[[], TaskNexus]
READING = FakeReading("boot-1", 5_000_000, 1_800_000_000_000_000)


def write(path: Path, text: str, *, seconds_later: float = 0) -> None:
    """Write as an editor does; `seconds_later` than now, as the file system counts."""
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    if seconds_later:
        moment = path.stat().st_mtime + seconds_later
        os.utime(path, (moment, moment))


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def tasks_in(path: Path) -> list[dict[str, Any]]:
    top = read(path)
    found: list[dict[str, Any]] = top if isinstance(top, list) else top["tasks"]
    return found


def edit(path: Path, **fields: Any) -> None:
    """Change fields of the first task in the file; None removes one."""
    top = read(path)
    task = (top if isinstance(top, list) else top["tasks"])[0]
    for name, value in fields.items():
        if value is None:
            task.pop(name)
        else:
            task[name] = value
    write(path, json.dumps(top))


def corrupt_copies(path: Path) -> list[Path]:
    return sorted(path.parent.glob(f"{path.name}.corrupt-*"))
