"""The command as a process of its own; within a test's process the fixture `dt` of the command line's tests calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.torture import waiting

ROOT = Path(__file__).resolve().parent.parent
COMMAND = (sys.executable, "-m", "dreamos_tasks.interfaces.cli.main")
STARTED: list[subprocess.Popen[str]] = []
PATIENCE_SECONDS = 120.0  # a busy machine: nobody waits so long unless something is wrong


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a call printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def form(self) -> Any:
        """Its JSON document."""
        assert self.out, self.err
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        """Its JSON error; what else is on stderr is left aside."""
        found: dict[str, str] = json.loads(next(line for line in self.err.splitlines() if line.startswith("{")))[
            "error"
        ]
        return found


@dataclass(frozen=True)
class DtProcess:
    """Calls the command as a process of its own, in `folder`."""

    folder: Path
    environment: Mapping[str, str]

    def __call__(self, *args: str, text: str | None = None) -> Said:
        done = subprocess.run(
            [*COMMAND, *args],
            cwd=self.folder,
            env=self.environment,
            input=text,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start it and come back at once. `end_started` ends what a failing test leaves."""
        process = subprocess.Popen(
            [*COMMAND, *args],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        STARTED.append(process)
        return process


def end_started() -> None:
    """End what `DtProcess.start` has started and is still there."""
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            process.kill()
        process.communicate()


@contextmanager
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing. It is over afterwards, whatever became of the test."""
    with subprocess.Popen(["sleep", "600"]) as process:
        try:
            yield process
        finally:
            process.kill()


def own_environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of the person who runs the tests is found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DREAMOS_TASKS_", "XDG_"))}
    busy = {
        "DREAMOS_TASKS_DAEMON__UNDER_PRESSURE": "ignore"
    }  # a test that needs two tasks at once must not wait for calm
    return {**kept, **busy, "HOME": str(folder), "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **more}


def until(condition: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
    """What `condition` gives, as soon as it is true. Fails the test when it never is."""
    return waiting.until(condition, timeout_seconds=seconds)
