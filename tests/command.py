"""The command as tests use it: called within the test's process, or as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.interfaces.cli.main import run

ROOT = Path(__file__).resolve().parent.parent
COMMAND = (sys.executable, "-m", "dreamos_tasks.interfaces.cli.main")
STARTED: list[subprocess.Popen[str]] = []
PATIENCE_SECONDS = 60.0  # a busy machine: nobody waits so long unless something is wrong


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
class Dt:
    """Calls the command within the test's process, in the test's current folder."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *args: str) -> Said:
        self.capsys.readouterr()
        code = run(args)
        printed = self.capsys.readouterr()
        return Said(code=code, out=printed.out, err=printed.err)


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


def own_environment(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of the person who runs the tests is found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DREAMOS_TASKS_", "XDG_"))}
    busy = {
        "DREAMOS_TASKS_DAEMON__UNDER_PRESSURE": "ignore"
    }  # a test that needs two tasks at once must not wait for calm
    return {**kept, **busy, "HOME": str(folder), "PYTHONPATH": str(ROOT), "NO_COLOR": "1", **more}


def until(condition: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> Any:
    """What `condition` gives, as soon as it is true. Fails the test when it never is."""
    ends_at = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > ends_at:
            pytest.fail(f"this did not happen within {seconds:g} s")
        time.sleep(0.02)
    return found
