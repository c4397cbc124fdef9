"""Verbs about the daemon: up, down, daemon, status."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dreamos_tasks.errors import AlreadyRunning, DreamosError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.daemon_view import show_status, show_up, status_form
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import SECONDS, watch_option
from dreamos_tasks.interfaces.cli.text import duration
from dreamos_tasks.interfaces.cli.verb import verb

if TYPE_CHECKING:
    from dreamos_tasks.app.daemon_lock import DaemonCard
    from dreamos_tasks.model.task import Task

LABEL_COLUMNS = 9  # of `daemon   `, with which a line of the status begins
STOP_MARGIN_SECONDS = 30.0  # beyond the grace of running tasks: their processes are ended, results are written


@verb("up", examples=("dt up", "dt up --detach", "dt up --detach --json"))
@option("--detach", "-d", is_flag=True, help="Come back as soon as it is ready; it goes on without this terminal.")
def up(call: Call, detach: bool) -> None:
    """Start the daemon, and make the board if there is none. Prints where it is, and what to do next.

    The daemon runs tasks that have a plan, takes in dropped files and serves the dashboard. Without --detach it stays here
    until Ctrl-C, which lets running tasks go on for daemon.grace_seconds; a second Ctrl-C ends them at once. When one runs
    already, that is said, and all is well (exit 0).
    """
    from dreamos_tasks.app.home_making import make_home

    if _said_that_it_runs(call):
        return
    made = make_home(call.home, call.settings)
    if made:
        call.out.note(f"made a board in {call.home.path}")
    try:
        if detach:
            _start_apart(call, made)
        else:
            _start_here(call, made)
    except AlreadyRunning:
        if not _said_that_it_runs(call):  # one that is only starting has shown no card yet
            call.out.note("another daemon is just starting on this board: dt status")
            if call.out.as_json:
                call.out.document({"pid": None, "home": str(call.home.path), "started": False})


def _start_apart(call: Call, made: tuple[Path, ...]) -> None:
    from dreamos_tasks.app.daemon_lock import running_daemon
    from dreamos_tasks.app.daemon_process import start_detached, this_command

    home = call.home
    start_detached([*this_command(), "--json", "--home", str(home.path), "daemon", "--detached"], home)
    card = running_daemon(home.daemon_file)
    if card is None:
        raise DreamosError("the daemon was ready, and ended at once", fix=f"{home.logs}/daemon.log says why")
    show_up(call, card, started=True, made=made, link=_link(call, card))


def _start_here(call: Call, made: tuple[Path, ...]) -> None:
    from dreamos_tasks.app.daemon_lock import running_daemon
    from dreamos_tasks.interfaces.daemon import run_daemon

    def ready(link: str | None) -> None:
        card = running_daemon(call.home.daemon_file)
        assert card is not None, "it is this very process"
        show_up(call, card, started=True, made=made, link=link)
        sys.stdout.flush()

    call.exit_code = run_daemon(call.home, call.settings, on_ready=ready)


def _said_that_it_runs(call: Call) -> bool:
    from dreamos_tasks.app.daemon_lock import running_daemon

    card = running_daemon(call.home.daemon_file)
    if card is not None:
        show_up(call, card, started=False, made=(), link=_link(call, card))
    return card is not None


def _link(call: Call, card: DaemonCard) -> str | None:
    """What signs a browser in to the dashboard; None, and a word about it, when there is none to be had."""
    from dreamos_tasks.interfaces.http.asking import ask_for_link

    if "http" not in card.endpoints:
        return None
    try:
        return ask_for_link(call.home, card.endpoints)
    except DreamosError as error:
        call.out.hint(f"no link to the dashboard: {error.message} ({error.cause})")
        return None


@verb("daemon", examples=("dt daemon", "dt --home /var/lib/dreamos-tasks daemon"))
@option("--detached", is_flag=True, hidden=True, help="Started by dt up --detach: the log is enough once it is ready.")
def daemon(call: Call, detached: bool) -> None:
    """Be the daemon, in the foreground: what systemd runs. SIGTERM or Ctrl-C drains; a second one ends running tasks at once.

    Exits 0 when it was stopped, 4 when another daemon holds the board, 6 when the board cannot be used.
    """
    from dreamos_tasks.interfaces.daemon import run_daemon, silence_output

    def ready(_: object) -> None:
        if detached:
            silence_output()

    call.exit_code = run_daemon(call.home, call.settings, on_ready=ready)


@verb("down", examples=("dt down", "dt down --timeout 5m"))
@option("--timeout", "timeout_seconds", type=SECONDS, help="How long to wait. [default: its tasks' grace, and 30 s]")
def down(call: Call, timeout_seconds: float | None) -> None:
    """Stop the daemon: it takes no new task, gives running ones their grace, puts back the rest. Exits 124 if it takes longer.

    Said once more while it drains, it ends running tasks at once.
    """
    from dreamos_tasks.app.daemon_lock import running_daemon
    from dreamos_tasks.app.daemon_process import stop_daemon
    from dreamos_tasks.app.status_socket import ask_status

    card = running_daemon(call.home.daemon_file)
    if card is None:
        if call.out.as_json:
            call.out.document({"stopped": False, "pid": None})
        else:
            call.out.line("no daemon runs")
        return
    running = list((ask_status(call.home.status_socket) or {}).get("running", ()))
    if running and not call.out.as_json:
        call.out.note(f"waiting for {', '.join(running)}")
    begun = time.monotonic()
    grace = call.settings.daemon.grace_seconds + STOP_MARGIN_SECONDS
    stopped = stop_daemon(card, timeout_seconds=grace if timeout_seconds is None else timeout_seconds)
    _say_stopped(call, card, running, stopped=stopped, seconds=time.monotonic() - begun)


def _say_stopped(call: Call, card: DaemonCard, running: list[str], *, stopped: bool, seconds: float) -> None:
    tasks = [call.nexus.get_task_by_id(task_id) for task_id in running]
    if call.out.as_json:
        states = {task.task_id: task.status.value for task in tasks}
        call.out.document({"stopped": stopped, "pid": card.process.pid, "seconds": round(seconds, 3), "tasks": states})
        return
    how = f"stopped after {duration(seconds)}" if stopped else "had just ended by itself"
    call.out.line(f"the daemon (pid {card.process.pid}) {how}")
    for task in tasks:
        call.out.line(f"  {task.task_id}  {_fate(task)}")


def _fate(task: Task) -> str:
    match task.status.value:
        case "in_progress":
            return "still marked as in progress; the next daemon takes it up again"
        case "pending":
            return "put back; it goes on from its last recorded step"
        case state:
            return state


@verb("status", examples=("dt status", "dt status --json", "dt status --watch"))
@watch_option
def status(call: Call, watches: bool) -> None:
    """Show how daemon and board stand: what runs, what waits, what is wrong. Makes nothing."""
    if watches and call.home.board(call.settings.board).exists():
        from dreamos_tasks.interfaces.cli.watching import watch

        watch(call, lambda: _show(call))
    elif call.out.as_json:
        call.out.document(status_form(call))
    else:
        _show(call)


def _show(call: Call) -> None:
    for line in show_status(call):
        call.out.broken_line(line, indent=LABEL_COLUMNS)
