"""ServiceUnit: what `dreamos-tasks.service` is made from, and the text it becomes. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dreamos_tasks.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

UNIT_NAME = "dreamos-tasks.service"
MARK = "# Written by `dreamos-tasks service install`, which writes over it; changes belong in a drop-in."
SYSTEM_HOME = Path("/var/lib/dreamos-tasks")  # what StateDirectory= makes for the service's user
HOMES = (Path("/home"), Path("/root"), Path("/run/user"))  # what ProtectHome= empties

USER_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?")  # what systemd and useradd agree on


class Scope(StrEnum):
    """Whose systemd runs the daemon."""

    SYSTEM = "system"
    USER = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUnit:
    """A daemon as systemd is to run it. All paths are absolute.

    `workspaces` are the folders that tasks may work in, beside `home`. `program_paths` are the folders that
    `program` needs to run (its environment, its interpreter). `user` is who a system service runs as; a user's
    own service has none.
    """

    scope: Scope
    program: Path
    home: Path
    workspaces: tuple[Path, ...] = ()
    program_paths: tuple[Path, ...] = ()
    user: str | None = None
    memory_max: str = "75%"  # of the machine's memory, all tasks together: the rest of the machine stays usable
    tasks_max: int = 4096  # processes and threads, all tasks together: a fork bomb ends here

    def __post_init__(self) -> None:
        for path in (self.program, self.home, *self.workspaces, *self.program_paths):
            _check_path(path)
        if set(str(self.program)) & set("\\\"'"):
            raise UsageError(
                f"systemd starts no program with a quote or backslash in its path: {self.program}",
                fix="install dreamos-tasks in another folder",
            )
        if self.scope is Scope.SYSTEM and not self.user:
            raise UsageError(
                "a system service needs to know which user it runs as",
                cause="tasks run with that user's rights, so none is assumed",
                fix="dt service install --system --run-as NAME, or --user for a service of your own",
            )
        if self.user and not USER_NAME.fullmatch(self.user):
            raise UsageError(f"{self.user!r} is no user name")
        if self.scope is Scope.USER and self.user:
            raise UsageError(f"a user's own service always runs as that user, not as {self.user}")


def render(unit: ServiceUnit) -> str:
    """The unit file. The same value always gives the same text."""
    sections = {
        "Unit": _description(),
        "Service": [*_process(unit), *_limits(unit), *_sandbox(unit), *_files(unit)],
        "Install": [f"WantedBy={'multi-user.target' if unit.scope is Scope.SYSTEM else 'default.target'}"],
    }
    text = "\n".join("\n".join([f"[{name}]", *lines, ""]) for name, lines in sections.items())
    return f"{MARK}\n\n{text}"


def _description() -> list[str]:
    return [
        "Description=Task board daemon for coding agents (dreamos-tasks)",
        "StartLimitIntervalSec=0",  # it is to come back however often it dies; RestartSec= keeps the rate down
    ]


def _process(unit: ServiceUnit) -> list[str]:
    return [
        "Type=notify",
        *([f"User={unit.user}"] if unit.user else []),
        f"Environment={_quoted(f'DREAMOS_TASKS_HOME={unit.home}')}",
        f"ExecStart={_quoted(str(unit.program))} daemon",
        "WatchdogSec=30",
        "Restart=on-failure",
        "RestartSec=2",
        "RestartPreventExitStatus=2",  # wrong settings do not mend themselves
        "KillMode=mixed",  # TERM for the daemon, which drains; KILL for whatever is left of the tasks
        "TimeoutStopSec=90",
    ]


def _limits(unit: ServiceUnit) -> list[str]:
    return [
        "Delegate=memory pids cpu io",  # a cgroup of its own for each task
        f"MemoryMax={unit.memory_max}",
        f"TasksMax={unit.tasks_max}",
        "OOMPolicy=continue",  # a task that ate the memory dies alone
    ]


def _sandbox(unit: ServiceUnit) -> list[str]:
    for_all = [
        "# What tasks may do. MemoryDenyWriteExecute= is left out: agents on Node compile as they run.",
        "UMask=0077",
        "NoNewPrivileges=yes",
        "RestrictSUIDSGID=yes",
        "RestrictRealtime=yes",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
        "LockPersonality=yes",
        "KeyringMode=private",
        "SystemCallArchitectures=native",
        "SystemCallFilter=@system-service",
        "SystemCallFilter=~@privileged @resources",
        "SystemCallErrorNumber=EPERM",
    ]
    return for_all if unit.scope is Scope.USER else [*for_all, *SYSTEM_ONLY]


# A user's systemd may neither drop capabilities nor make mount namespaces, and where unprivileged user namespaces
# are forbidden (as Ubuntu does) a unit that asks for them does not start at all. So a user's own service goes
# without these, and is held by what seccomp and no-new-privileges give (systemd.exec(5), "Sandboxing").
SYSTEM_ONLY = (
    "CapabilityBoundingSet=",
    "AmbientCapabilities=",
    "ProtectSystem=strict",
    "ProtectHome=tmpfs",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelLogs=yes",
    "ProtectClock=yes",
    "ProtectHostname=yes",
    "ProtectProc=invisible",
    "RemoveIPC=yes",
)


def _files(unit: ServiceUnit) -> list[str]:
    """A user's service keeps all in `home`; state and log folders would only be empty ones in ~/.config."""
    kinds = ("State", "Runtime", "Logs") if unit.scope is Scope.SYSTEM else ("Runtime",)
    lines = [line for kind in kinds for line in (f"{kind}Directory=dreamos-tasks", f"{kind}DirectoryMode=0700")]
    if unit.scope is Scope.USER:
        return lines
    writable = [path for path in dict.fromkeys((unit.home, *unit.workspaces)) if path != SYSTEM_HOME]
    needed = [path for path in _outermost(unit.program_paths) if _is_below(path, HOMES)]
    read_only = [path for path in needed if not _is_below(path, writable)]
    return [
        *lines,
        "# Home folders are hidden, all else is read-only, but for these; more by: systemctl edit " + UNIT_NAME,
        *(f"BindPaths={_bound(path)}" for path in writable),
        *(f"BindReadOnlyPaths={_bound(path)}" for path in read_only),
    ]


def _outermost(paths: tuple[Path, ...]) -> list[Path]:
    return [path for path in dict.fromkeys(paths) if not any(other in path.parents for other in paths)]


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _check_path(path: Path) -> None:
    if not path.is_absolute() or ".." in path.parts:
        raise UsageError(f"a unit needs absolute paths without '..', not {str(path)!r}")
    if not str(path).isprintable():
        raise UsageError(f"{str(path)!r} holds characters that a unit file cannot", fix="rename the folder")


def _quoted(word: str) -> str:
    """One word of ExecStart= or Environment=: systemd's own quoting, specifiers and variables taken literally."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'


def _bound(path: Path) -> str:
    """One word of BindPaths=; in quotes a colon does not begin the place to bind at.

    The dash: a folder that is gone later is a task's trouble, not the daemon's.
    """
    return _quoted(f"-{path}")
