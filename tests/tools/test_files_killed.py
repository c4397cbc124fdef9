"""A change that is killed at any moment leaves nothing half done: it can be undone, and made again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dreamos_tasks.testing.surroundings import what_is_in
from dreamos_tasks.tools.workspace.putting import PART
from tests.command import ROOT
from tests.tools.filing import Filing
from tests.tools.killed_change import prepared


def words(params: dict[str, Any]) -> str:
    """A change in words."""
    return " ".join(str(params[name]) for name in ("action", "path", "to") if name in params)


CHANGES: list[dict[str, Any]] = [
    {"action": "write", "path": "notes.txt", "content": "new " * 1000},
    {"action": "write", "path": "a/b/new.txt", "content": "new " * 1000},
    {"action": "edit", "path": "notes.txt", "old": "old", "new": "new", "all": True},
    {"action": "move", "path": "notes.txt", "to": "a/b/moved.txt"},
    {"action": "move", "path": "notes.txt", "to": "other.txt", "overwrite": True},
    {"action": "move", "path": "folder", "to": "a/moved"},
    {"action": "delete", "path": "notes.txt", "missing_ok": True},
    {"action": "delete", "path": "folder", "recursive": True, "missing_ok": True},
]


def killed(folder: Path, params: dict[str, Any]) -> Sequence[Filing]:
    """What each time left behind, killed one call later than the time before; the last was not killed."""
    folder.mkdir()
    command = [sys.executable, "-m", "tests.tools.killed_change", str(folder), json.dumps(params)]
    subprocess.run(command, check=True, cwd=ROOT)
    times = [Filing.in_folder(path) for path in sorted(folder.iterdir(), key=lambda path: int(path.name))]
    assert len(times) > 3
    return times


def contents(files: Filing) -> Mapping[str, object]:
    """The files that a reader may see, without what lies beside them under names of our own."""
    found = {}
    for path, what in what_is_in(files.root).items():
        is_ours = any(PART.fullmatch(part) for part in path.split("/"))
        if not is_ours and not (files.root / path).is_dir():
            found[path] = what
    return found


@pytest.mark.parametrize("params", CHANGES, ids=words)
async def test_a_change_killed_at_any_moment_is_whole_or_not_made_and_can_be_undone(
    tmp_path: Path, params: dict[str, Any]
) -> None:
    before = prepared(tmp_path / "before")
    times = killed(tmp_path / "killed", params)
    after = contents(times[-1])

    for files in times:
        assert contents(files) in (contents(before), after)
        for record in files.tool.recorded(files.context):
            undone = await files.tool.undo(record, files.context)
            assert undone.category is None, undone
        assert files.all == before.all


@pytest.mark.parametrize("params", CHANGES, ids=words)
async def test_a_change_killed_at_any_moment_is_made_by_the_next_attempt(
    tmp_path: Path, params: dict[str, Any]
) -> None:
    times = killed(tmp_path / "killed", params)
    after = times[-1].all

    for files in times[:-1]:
        again = files.with_context(token=2, run_dir=files.context.run_dir.parent / "2")
        result = await again.do(**params)
        assert result.category is None or contents(files) == contents(times[-1]), result
        assert files.all == after
