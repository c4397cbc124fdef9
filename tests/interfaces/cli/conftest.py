"""The command line in tests: run in this process on a board of its own."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.interfaces.cli.main import run
from tests.answer import Answer


class Dt:
    """`dt("add", "title")` runs the command."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def __call__(self, *args: str, stdin: str = "") -> Answer:
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        self._capsys.readouterr()
        code = run(args)
        out, err = self._capsys.readouterr()
        return Answer(code, out, err)

    def add(self, title: str, *options: str) -> str:
        """Add a task; gives its id."""
        answer = self("add", title, *options)
        assert answer.code == 0, answer.err
        return answer.out.strip()

    def task(self, task_id: str) -> Any:
        """The task's document."""
        return self("show", task_id, "--json").json


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def dt(unmade: Dt) -> Dt:
    """With a board that is there already."""
    assert unmade("init").code == 0
    return unmade


@pytest.fixture
def unmade(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Dt:
    """Its home is not there yet."""
    for variable in ("DREAMOS_TASKS_AGENT", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DREAMOS_TASKS_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "no-config"))
    return Dt(home, capsys, monkeypatch)
