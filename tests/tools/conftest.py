"""A shell tool with real processes, and a look at what becomes of them."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.orphans import become_subreaper
from dreamos_tasks.tools.process_table import adopted_by_us, stat_of
from dreamos_tasks.tools.shell import ShellTool
from tests.waiting import until

Changes = Mapping[str, object]
NONE: Changes = {}
ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


@dataclass(frozen=True)
class Workshop:
    """A folder in which steps run, and the tool that runs them."""

    folder: Path
    tool: ShellTool

    @property
    def context(self) -> ToolContext:
        """Surroundings as an executor gives them."""
        return ToolContext(
            task_id="dt-7k2m",
            token=1,
            step="build",
            attempt=1,
            cwd=self.folder,
            run_dir=self.folder / "runs" / "dt-7k2m" / "1",
            environment=ENVIRONMENT,
            timeout_seconds=60.0,
            grace_seconds=20.0,
        )

    async def run(self, command: str | list[str], /, context: Changes = NONE, **params: object) -> ToolResult:
        """One call; `context` changes fields of the surroundings."""
        surroundings = replace(self.context, **context)  # type: ignore[arg-type]
        return await self.tool.execute({"command": command, **params}, surroundings)

    async def pid_in(self, name: str) -> int:
        """The pid that a process writes into this file."""
        path = self.folder / name
        return int(await until(lambda: path.exists() and path.read_text().strip(), what=f"a pid in {name}"))


@pytest.fixture(autouse=True)
def subreaper() -> Iterator[None]:
    """The test is a subreaper, as a daemon is. Afterwards what it adopted is reaped."""
    become_subreaper()
    yield
    become_subreaper(on=False)
    for pid in adopted_by_us():
        stat = stat_of(pid)
        if stat is not None and stat.is_over and stat.session != os.getsid(0):
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    children = Children(home_id=str(tmp_path), instance=secrets.token_hex(8))
    return Workshop(tmp_path, ShellTool(children))


def is_running(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    stat = stat_of(pid)
    return stat is not None and not stat.is_over
