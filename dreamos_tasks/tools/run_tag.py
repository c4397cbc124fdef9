"""Tags: what every process of a run carries in its environment, so that it is known whose it is even when orphaned.

    DREAMOS_TASKS_RUN=<task id>:<token>:<step>
    DREAMOS_TASKS_INSTANCE=<instance>:<pid>.<start ticks>.<pid namespace>:<home id>

The first says which run a process belongs to, the second which process started it, and for which home.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from dreamos_tasks.tools.process_table import Identity, environment_of, is_alive, stat_of

RUN_VARIABLE = "DREAMOS_TASKS_RUN"
INSTANCE_VARIABLE = "DREAMOS_TASKS_INSTANCE"


@dataclass(frozen=True, slots=True)
class RunTag:
    """One run of one step."""

    task_id: str
    token: int
    step: str

    def __str__(self) -> str:
        return f"{self.task_id}:{self.token}:{self.step}"


@dataclass(frozen=True)
class Origin:
    """Who starts processes: `instance` is random, one a start of the program; `home_id` names the board."""

    home_id: str
    instance: str

    def environment(self, tag: RunTag) -> Mapping[str, str]:
        """The variables to give to a process of this run."""
        return {RUN_VARIABLE: str(tag), INSTANCE_VARIABLE: self._mark}

    @cached_property
    def _mark(self) -> str:
        us = stat_of(os.getpid())
        started = us.started_ticks if us is not None else 0
        return f"{self.instance}:{os.getpid()}.{started}.{_pid_namespace()}:{self.home_id}"


@dataclass(frozen=True, slots=True)
class Marks:
    """The tag found on a process."""

    run: str
    instance: str
    home_id: str
    starter: Identity
    namespace: str

    @property
    def starter_is_dead(self) -> bool:
        """Whether the process that started it is gone. False too when that lived where pids mean something else."""
        return self.namespace == _pid_namespace() and not is_alive(self.starter)


def marks_on(pid: int) -> Marks | None:
    """The tag that a process carries; None without one, or when it cannot be read."""
    found: dict[str, str] = {}
    for entry in environment_of(pid).split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name.startswith(b"DREAMOS_TASKS_"):
            found[name.decode("ascii", "replace")] = os.fsdecode(value)
    try:
        instance, starter, home_id = found[INSTANCE_VARIABLE].split(":", 2)
        starter_pid, started_ticks, namespace = starter.split(".", 2)
        identity = (int(starter_pid), int(started_ticks))
    except (KeyError, ValueError):
        return None
    return Marks(found.get(RUN_VARIABLE, ""), instance, home_id, identity, namespace)


def _pid_namespace() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        return "unknown"
