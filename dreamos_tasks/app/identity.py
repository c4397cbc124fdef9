"""Which process is which: by pid, start time and boot, never by pid alone."""

from __future__ import annotations

import os

from dreamos_tasks.board.clock import this_boot
from dreamos_tasks.model.task import ProcessIdentity
from dreamos_tasks.tools.process_table import stat_of


def this_process(instance: str) -> ProcessIdentity:
    """Who we are; `instance` is random and new at each start."""
    pid = os.getpid()
    return ProcessIdentity(pid=pid, started_ticks=started_ticks(pid) or 0, boot_id=this_boot(), instance=instance)


def is_alive(process: ProcessIdentity) -> bool:
    """Whether exactly this process still runs (a zombie does not)."""
    return process.boot_id == this_boot() and started_ticks(process.pid) == process.started_ticks


def started_ticks(pid: int) -> int | None:
    """When the process with this pid started; None when there is none, or only its zombie."""
    stat = stat_of(pid)
    return None if stat is None or stat.is_over else stat.started_ticks


def process_of(pid: int) -> ProcessIdentity | None:
    """Who the process with this pid is now; None when there is none. What tells it apart is when it started."""
    ticks = started_ticks(pid)
    return None if ticks is None else ProcessIdentity(pid=pid, started_ticks=ticks, boot_id=this_boot(), instance="")
