"""Surroundings of a call under test: a workspace and a run folder that exist nowhere else."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from dreamos_tasks.model.tool import ToolContext

OUTPUT_LIMIT_BYTES = 65_536
TIMEOUT_SECONDS = 60.0  # more than any call of a suite needs, also on a busy machine
ENVIRONMENT = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def context_in(folder: Path, /, **changes: object) -> ToolContext:
    """The context of a call in `folder / "workspace"`, which is made; `changes` replace fields of it."""
    workspace = folder / "workspace"
    workspace.mkdir(parents=True, exist_ok=True)
    context = ToolContext(
        task_id="dt-7k2m",
        token=1,
        step="step",
        attempt=1,
        cwd=workspace,
        run_dir=folder / "runs" / "dt-7k2m" / "1",
        environment=ENVIRONMENT,
        timeout_seconds=TIMEOUT_SECONDS,
        output_limit_bytes=OUTPUT_LIMIT_BYTES,
    )
    return replace(context, **changes)  # type: ignore[arg-type]


def what_is_in(folder: Path) -> Mapping[str, object]:
    """All that lies in a folder: by path its mode, and its content or where it leads."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content: object = None
        if stat.S_ISLNK(status.st_mode):
            content = os.readlink(path)
        elif stat.S_ISREG(status.st_mode):
            content = path.read_bytes()
        found[str(path.relative_to(folder))] = (oct(status.st_mode), content)
    return found
