"""Processes that a test's board has started, found as an administrator would: in /proc, by what is in their environment."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from dreamos_tasks.app.race.auditor import TaggedProcess

VARIABLES = (b"DREAMOS_TASKS_TASK_ID", b"DREAMOS_TASKS_TOKEN")


def processes_of(home: Path) -> list[TaggedProcess]:
    """All that run for tasks of this home: they carry a task's variables, and name the home there or stand in it."""
    return [process for pid in _pids() if (process := _tagged(pid, os.fsencode(home))) is not None]


def end_all(home: Path) -> None:
    """Kill what a test's tasks have left; a pid is signalled through a handle that was opened before it was looked at."""
    for process in processes_of(home):
        try:
            handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            continue
        try:
            if _tagged(process.pid, os.fsencode(home)) == process:
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            continue
        finally:
            os.close(handle)


def is_over(pid: int) -> bool:
    """Whether the process has ended, reaped or not."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return text[text.rindex(b")") + 2 : text.rindex(b")") + 3] in (b"Z", b"X")


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _tagged(pid: int, home: bytes) -> TaggedProcess | None:
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        if not all(name in environment for name in VARIABLES) or is_over(pid):
            return None
        folder = os.fsencode(os.readlink(f"/proc/{pid}/cwd"))
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    if home not in environment and not (folder + b"/").startswith(home + b"/"):
        return None
    values = dict(entry.split(b"=", 1) for entry in environment.split(b"\0") if b"=" in entry)
    task_id, token = (values.get(name, b"") for name in VARIABLES)
    return TaggedProcess(pid, task_id.decode(), int(token or 0), command)
