"""A project folder with a board and a daemon, as end-to-end tests use it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamos_tasks.app.daemon_lock import read_card
from tests.command import DtProcess, Said, end_started, own_environment, until

JOURNAL = 'echo "$DREAMOS_TASKS_STEP $DREAMOS_TASKS_ATTEMPT $DREAMOS_TASKS_TOKEN $$" >> journal'
GATE = "while [ ! -e gate ]; do sleep 0.02; done"


@dataclass(frozen=True)
class Project:
    """A folder with a board. Steps append to its `journal`, which the daemon never touches, and some wait for its `gate`."""

    folder: Path
    dt: DtProcess

    @property
    def runtime(self) -> Path:
        return self.folder / ".dreamos" / "runtime"

    @property
    def inbox(self) -> Path:
        return self.runtime / "inbox"

    def up(self) -> int:
        """A daemon that is ready; its pid."""
        said = self.dt("up", "--detach", "--json")
        assert said.code == 0, said.err
        pid: int = said.form["pid"]
        return pid

    def daemon_pid(self) -> int:
        card = read_card(self.runtime / "daemon.json")
        assert card is not None
        return card.process.pid

    def drop(self, name: str, content: Any, *, folder: str = "") -> None:
        """Write a file beside the inbox and rename it into it, as the guide says."""
        text = content if isinstance(content, str) else json.dumps(content)
        beside = self.folder / f"{name}.part"
        beside.write_text(text)
        (self.inbox / folder).mkdir(exist_ok=True)
        beside.rename(self.inbox / folder / name)

    def journal(self) -> list[tuple[str, int, int]]:
        """Each run of a step as it happened: its name, attempt and token."""
        return [(name, int(attempt), int(token)) for name, attempt, token, _ in self._lines()]

    def journal_pids(self, step: str) -> list[int]:
        return [int(pid) for name, _, _, pid in self._lines() if name == step]

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def tasks(self) -> dict[str, Any]:
        """Every task by its title."""
        return {task["title"]: task for task in self.dt("list", "--all", "--json").form}

    def until_state(self, title: str, state: str) -> Any:
        """The task, as soon as it is in this state."""
        return until(lambda: next((t for t in (self.tasks().get(title),) if t and t["status"] == state), None))

    def _lines(self) -> list[list[str]]:
        journal = self.folder / "journal"
        return [line.split() for line in journal.read_text().splitlines()] if journal.exists() else []


@contextmanager
def project_in(folder: Path, **environment: str) -> Iterator[Project]:
    """A board in this folder; afterwards its daemon ends, whatever became of it."""
    dt = DtProcess(folder, own_environment(folder, DREAMOS_TASKS_INBOX__RESCAN_SECONDS="1", **environment))
    here = Project(folder, dt)
    assert dt("init").code == 0
    yield here
    end_started()
    here.open_gate()
    said: Said = dt("down", "--timeout", "60")
    assert said.code == 0, said.err
    assert not os.path.lexists(here.runtime / "daemon.json")


def step(name: str, *commands: str) -> dict[str, Any]:
    """A shell step that writes into the journal, and then does these."""
    command = "; ".join((JOURNAL, *commands))
    return {"name": name, "tool": "shell", "params": {"command": command}, "idempotent": True}
