"""Service: the daemon as a systemd service, installed, uninstalled and asked how it stands."""

from __future__ import annotations

import getpass
import os
import pwd
import shlex
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import dreamos_tasks
from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.systemd.systemctl import Systemctl
from dreamos_tasks.interfaces.systemd.unit import SYSTEM_HOME, UNIT_NAME, Scope, ServiceUnit, render
from dreamos_tasks.interfaces.systemd.unit_file import UnitFile, unit_directory

LINGER_FOLDER = Path("/var/lib/systemd/linger")  # one file for each user whose services outlive the login
PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "SubState", "MainPID", "NRestarts", "StatusText")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceReport:
    """What an install or uninstall did.

    `done` are sentences; `remaining` are commands for a person to run, because systemd could not be asked or said
    no; `hints` are sentences worth knowing. `problem` is what systemd had against it, and empty when all went well.
    """

    scope: Scope
    unit_path: Path
    changed: bool  # whether the unit file is another than before
    done: tuple[str, ...]
    remaining: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """How the service stands. The `_state` words are systemd's own, and empty when it could not be asked."""

    scope: Scope
    unit_path: Path
    installed: bool
    ours: bool  # the file is one that `install` wrote
    reachable: bool  # systemd could be asked
    load_state: str = ""  # loaded, not-found, masked, ...
    unit_file_state: str = ""  # enabled, disabled, ...
    active_state: str = ""  # active, activating, failed, inactive, ...
    sub_state: str = ""  # running, auto-restart, ...
    main_pid: int | None = None
    restarts: int | None = None  # by systemd, since the service was last started by hand
    status_text: str = ""  # the daemon's own last STATUS=


def this_installation() -> tuple[Path, tuple[Path, ...]]:
    """The `dreamos-tasks` command of the running environment, and the folders it cannot run without.

    Raises UsageError when there is no such command. For ServiceUnit's `program` and `program_paths`.
    """
    program = Path(sysconfig.get_path("scripts")) / "dreamos-tasks"
    if not os.access(program, os.X_OK):
        raise UsageError(
            f"there is no {program} for systemd to start",
            cause="dreamos-tasks runs from a source tree that is not installed",
            fix="uv tool install . (or pip install .), then run the dreamos-tasks it made",
        )
    package = Path(dreamos_tasks.__file__).resolve().parent
    folders = (Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent, package)
    return program, tuple(dict.fromkeys(folders))


class Service:
    """The unit file in `directory`, and the systemd that looks there.

    In any other folder than systemd's own the file is only written, as for an image or a package.
    """

    def __init__(self, scope: Scope, *, directory: Path | None = None) -> None:
        self.scope = scope
        self.file = UnitFile(directory or unit_directory(scope))
        self._systemctl = Systemctl(scope=scope)

    def install(self, unit: ServiceUnit) -> ServiceReport:
        """Write the unit, enable and start it; restart it if the unit changed. Again is harmless.

        What can be checked is checked before anything is written. Raises UsageError for a unit that could not
        start, Refused when the file there is not ours or may not be written.
        """
        _check_can_start(unit)
        changed = self.file.write(render(unit))
        written = f"wrote {self.file.path}" if changed else f"{self.file.path} is up to date"
        return self._carried_out(
            [("daemon-reload",), ("enable", UNIT_NAME), ("restart" if changed else "start", UNIT_NAME)],
            changed=changed,
            done=(written,),
            hints=_linger_hint() if self.scope is Scope.USER else (),
        )

    def uninstall(self) -> ServiceReport:
        """Stop and disable the service, then remove our unit file and nothing else: the board stays.

        A service that systemd could not stop keeps its file, so that it can still be managed. Raises Refused when
        the file is not ours or may not be removed.
        """
        if not self.file.exists():
            return self._report(changed=False, done=(f"there is no {self.file.path}",))
        self.file.refuse_foreign()
        if self.is_reachable():
            stopped = self._carried_out([("disable", "--now", UNIT_NAME)], changed=False, done=())
            if stopped.problem:
                return stopped
            removed = tuple(f"removed {file}" for file in self.file.remove())
            return self._carried_out([("daemon-reload",)], changed=True, done=(*stopped.done, *removed))
        removed = tuple(f"removed {file}" for file in self.file.remove())
        return self._report(changed=True, done=removed, hints=(self._unreachable_hint(),))

    def status(self) -> ServiceStatus:
        """How the service stands, as far as can be told from here."""
        reachable = self.is_reachable()
        said = self._systemctl.properties(UNIT_NAME, PROPERTIES) if reachable else {}
        return ServiceStatus(
            scope=self.scope,
            unit_path=self.file.path,
            installed=self.file.exists(),
            ours=self.file.is_ours(),
            reachable=reachable,
            load_state=said.get("LoadState", ""),
            unit_file_state=said.get("UnitFileState", ""),
            active_state=said.get("ActiveState", ""),
            sub_state=said.get("SubState", ""),
            main_pid=_number(said.get("MainPID", "")) or None,
            restarts=_number(said.get("NRestarts", "")),
            status_text=said.get("StatusText", ""),
        )

    def is_reachable(self) -> bool:
        """Whether there is a systemd that runs and looks into our folder."""
        return self.file.directory == unit_directory(self.scope) and self._systemctl.is_reachable()

    def _carried_out(
        self,
        commands: list[tuple[str, ...]],
        *,
        changed: bool,
        done: tuple[str, ...],
        hints: tuple[str, ...] = (),
    ) -> ServiceReport:
        """Run the systemctl commands up to the first that fails; what is left is for a person to run."""
        typed = [shlex.join(self._systemctl.command(*words)) for words in commands]
        if not self.is_reachable():
            hints = (self._unreachable_hint(), *hints)
            return self._report(changed=changed, done=done, remaining=tuple(typed), hints=hints)
        for position, words in enumerate(commands):
            answer = self._systemctl.ask(*words)
            if not answer.ok:
                return self._report(
                    changed=changed,
                    done=done,
                    remaining=tuple(typed[position:]),
                    hints=(*hints, f"{self._journal_command()} shows what the daemon said"),
                    problem=f"{typed[position]}: {answer.text}",
                )
            done = (*done, f"ran {typed[position]}")
        return self._report(changed=changed, done=done, hints=hints)

    def _report(
        self,
        *,
        changed: bool,
        done: tuple[str, ...],
        remaining: tuple[str, ...] = (),
        hints: tuple[str, ...] = (),
        problem: str = "",
    ) -> ServiceReport:
        return ServiceReport(
            scope=self.scope,
            unit_path=self.file.path,
            changed=changed,
            done=done,
            remaining=remaining,
            hints=hints,
            problem=problem,
        )

    def _unreachable_hint(self) -> str:
        if self.file.directory != unit_directory(self.scope):
            return f"{self.file.directory} is not where systemd looks, so it was not asked"
        if self.scope is Scope.USER:
            return "your systemd cannot be reached from here; it runs in a login session"
        return "systemd does not run here, so it was not asked; dt up starts the daemon without it"

    def _journal_command(self) -> str:
        return f"journalctl {'--user ' if self.scope is Scope.USER else ''}-u {UNIT_NAME}"


def _check_can_start(unit: ServiceUnit) -> None:
    if not os.access(unit.program, os.X_OK) or os.path.isdir(unit.program):
        raise UsageError(f"{unit.program} is not a program that can be run")
    made_by_systemd = unit.scope is Scope.SYSTEM and unit.home == SYSTEM_HOME
    for folder in (*(() if made_by_systemd else (unit.home,)), *unit.workspaces):
        if not os.path.isdir(folder):  # False, not an error, where we may not look
            raise UsageError(
                f"there is no folder {folder}",
                cause="the service sees only folders that are there when it starts",
                fix=f"mkdir -p {shlex.quote(str(folder))}, or name another",
            )
    if unit.user is not None:
        _check_user(unit.user, home=None if made_by_systemd else unit.home)


def _check_user(name: str, *, home: Path | None) -> None:
    try:
        user = pwd.getpwnam(name)
    except KeyError as error:
        fix = f"sudo useradd --system {shlex.quote(name)}, or name another"
        raise UsageError(f"there is no user {name!r} on this machine", fix=fix) from error
    if home is not None and (owner := home.stat().st_uid) != user.pw_uid:
        raise UsageError(
            f"{home} does not belong to {name}, so a service that runs as {name} could not use the board in it",
            cause="boards are private to their owner",
            fix=f"--run-as {_name_of(owner)}, or sudo chown -R {shlex.quote(name)} {shlex.quote(str(home))}",
        )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _linger_hint() -> tuple[str, ...]:
    name = getpass.getuser()
    if (LINGER_FOLDER / name).exists():
        return ()
    return (f"the service ends when you log out; loginctl enable-linger {name} keeps it running",)


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None
