"""The verb service: the daemon as a systemd service, installed, looked at, uninstalled."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from dreamos_tasks.errors import DreamosError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED
from dreamos_tasks.interfaces.cli.verb_group import show_help, verb_group

if TYPE_CHECKING:
    from dreamos_tasks.interfaces.systemd.service import Service, ServiceReport
    from dreamos_tasks.interfaces.systemd.unit import ServiceUnit


@verb_group("service", examples=("dt service install --print", "dt service install", "dt service status"))
def service(call: Call) -> None:
    """Install the daemon as a systemd service, see how it stands, uninstall it."""
    show_help(call)


SYSTEM_OPTION = option(
    "--system/--user",
    "for_system",
    default=None,
    help="The machine's systemd, or yours. [default: yours; as root: the machine's]",
)


@service.below(
    "install",
    examples=("dt service install", "dt service install --print", "sudo dt service install --system --run-as ada"),
)
@SYSTEM_OPTION
@option("--print", "only_print", is_flag=True, help="Print the unit file and change nothing.")
@option("--run-as", metavar="USER", type=FILLED, help="Who a system service runs as.")
@option(
    "--workspace",
    "workspaces",
    metavar="DIR",
    multiple=True,
    help="A folder that tasks may work in. [default: the board's]",
)
def service_install(
    call: Call, for_system: bool | None, only_print: bool, run_as: str | None, workspaces: tuple[str, ...]
) -> None:
    """Write the unit, enable and start it. Again is harmless."""
    from dreamos_tasks.app.parts import workspace_of
    from dreamos_tasks.interfaces.systemd.service import this_installation
    from dreamos_tasks.interfaces.systemd.unit import Scope, ServiceUnit, render

    found = _service(for_system)
    program, program_paths = this_installation()
    unit = ServiceUnit(
        scope=found.scope,
        program=program,
        home=call.home.path,
        workspaces=tuple(Path(folder).absolute() for folder in workspaces) or (workspace_of(call.home),),
        program_paths=program_paths,
        user=run_as or (getpass.getuser() if only_print and found.scope is Scope.SYSTEM else None),
    )
    if only_print:
        _print(call, unit, text=render(unit), path=found.file.path)
        if unit.user is not None and run_as is None:
            call.out.note(
                f"note: it would run as {unit.user}; --run-as USER names another, and installing it asks for one"
            )
    else:
        _say_report(call, found.install(unit))


@service.below("uninstall", examples=("dt service uninstall",))
@SYSTEM_OPTION
def service_uninstall(call: Call, for_system: bool | None) -> None:
    """Stop and disable the service and remove its unit file. The board stays."""
    _say_report(call, _service(for_system).uninstall())


@service.below("status", examples=("dt service status", "dt service status --system --json"))
@SYSTEM_OPTION
def service_status(call: Call, for_system: bool | None) -> None:
    """Show how the service stands, as systemd sees it."""
    stands = _service(for_system).status()
    form = {**asdict(stands), "scope": stands.scope.value, "unit_path": str(stands.unit_path)}
    if call.out.as_json:
        call.out.document(form)
        return
    if not stands.installed:
        call.out.line(f"not installed (there is no {stands.unit_path})")
        return
    call.out.line(f"{stands.unit_path}{'' if stands.ours else ' (not written by dt service install)'}")
    if not stands.reachable:
        call.out.line("systemd could not be asked from here")
        return
    pid = f", pid {stands.main_pid}" if stands.main_pid else ""
    call.out.line(f"{stands.active_state} ({stands.sub_state}), {stands.unit_file_state}{pid}")
    if stands.status_text:
        call.out.line(stands.status_text)


def _service(for_system: bool | None) -> Service:
    from dreamos_tasks.interfaces.systemd.service import Service
    from dreamos_tasks.interfaces.systemd.unit import Scope

    is_system = os.geteuid() == 0 if for_system is None else for_system
    return Service(Scope.SYSTEM if is_system else Scope.USER)


def _print(call: Call, unit: ServiceUnit, *, text: str, path: Path) -> None:
    if call.out.as_json:
        call.out.document({"scope": unit.scope.value, "unit_path": str(path), "unit": text})
    else:
        call.out.line(text.rstrip("\n"))


def _say_report(call: Call, report: ServiceReport) -> None:
    if call.out.as_json:
        call.out.document(
            {
                "scope": report.scope.value,
                "unit_path": str(report.unit_path),
                "changed": report.changed,
                "done": list(report.done),
                "remaining": list(report.remaining),
                "hints": list(report.hints),
            }
        )
    else:
        for sentence in report.done:
            call.out.line(sentence)
        for command in report.remaining:
            call.out.line(f"still to be done: {command}")
        for hint in report.hints:
            call.out.note(f"note: {hint}")
    if report.problem:
        raise DreamosError("systemd said no", cause=report.problem, fix="; ".join(report.remaining))
