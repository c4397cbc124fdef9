"""A program: makes one change again and again, each time killed before one system call more that changes anything.

    python -m tests.tools.killed_change FOLDER PARAMS

Each time has a folder of its own below FOLDER, `0`, `1` and so on, with its workspace and runs. The last one was not killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from dreamos_tasks.tools.workspace import renaming
from tests.tools.filing import Filing

CHANGING = ("open", "write", "fsync", "rename", "unlink", "mkdir", "rmdir", "symlink", "fchmod", "utime", "chown")


def prepared(folder: Path) -> Filing:
    """What every time begins with."""
    files = Filing.in_folder(folder)
    files.file("notes.txt", "old " * 1000, mode=0o640)
    files.file("other.txt", "other")
    files.file("folder/deep/script", "run", mode=0o755)
    files.file("folder/file", "text")
    for path in (files.root / "notes.txt", files.root / "other.txt", files.root / "folder/file"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return files


def main(folder: Path, params: dict[str, Any]) -> None:
    """Until it is not killed any more."""
    for number in count():
        files = prepared(folder / str(number))
        pid = os.fork()
        if pid == 0:
            _change(files, params, kill_before=number)
        _, status = os.waitpid(pid, 0)
        if not os.WIFSIGNALED(status):
            assert os.waitstatus_to_exitcode(status) == 0, f"the change failed: see {files.root}"
            return


def _change(files: Filing, params: dict[str, Any], *, kill_before: int) -> None:
    calls = count()

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*args: Any, **options: Any) -> Any:
            if next(calls) == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return counting

    async def change() -> int:
        for name in CHANGING:
            setattr(os, name, counted(getattr(os, name)))
        vars(renaming)["_renameat2"] = counted(vars(renaming)["_renameat2"])
        result = await files.do(**params)
        return 0 if result.category is None else 1

    os._exit(asyncio.run(change()))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
