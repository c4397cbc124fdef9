"""The daemon's process, seen from another: started apart from the terminal, stopped by its identity, never by pid alone."""

from __future__ import annotations

import json
import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from dreamos_tasks.app.boards import make_folder
from dreamos_tasks.app.daemon_lock import DaemonCard
from dreamos_tasks.app.identity import is_alive
from dreamos_tasks.config.home import Home
from dreamos_tasks.errors import DreamosError, WaitTimedOut, all_kinds
from dreamos_tasks.model.task import ProcessIdentity

START_TIMEOUT_SECONDS = 60.0  # recovery after a crash reads the write-ahead log, and ends what was left running
STARTING_LOG = "starting.log"  # what a daemon says before its own log is open; written anew at each start
SHOWN_BYTES = 2000


def start_detached(command: Sequence[str], home: Home, *, timeout_seconds: float = START_TIMEOUT_SECONDS) -> int:
    """Start the daemon in a session of its own and wait until it is ready; gives its pid.

    Raises what the daemon said when it ended instead, and WaitTimedOut (it is left running, and may become ready yet).
    """
    make_folder(home.logs)
    log = home.logs / STARTING_LOG
    name = f"dreamos-tasks-start-{secrets.token_hex(16)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as ear:
        ear.bind(f"\0{name}")
        with open(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as output:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=home.path,
                env={**_without_manager(os.environ), "NOTIFY_SOCKET": f"@{name}"},
                start_new_session=True,
            )
        ended = os.pidfd_open(child.pid)
        try:
            _await_ready(ear, ended, child, log, timeout_seconds)
        finally:
            os.close(ended)
    child.returncode = 0  # it goes on without us: no warning that it still runs
    return child.pid


def this_command() -> list[str]:
    """How this installation's `dt` is started, whatever lies in the current folder."""
    return [sys.executable, "-P", "-m", "dreamos_tasks.interfaces.cli.main"]


def stop_daemon(card: DaemonCard, *, timeout_seconds: float) -> bool:
    """Ask exactly this process to drain, and wait for its end. False when it had ended already.

    Raises WaitTimedOut. A process that got its pid meanwhile is never signalled.
    """
    try:
        handle = os.pidfd_open(card.process.pid)
    except ProcessLookupError:
        return False
    try:
        if not is_alive(card.process):  # asked after opening: from here on the handle is this very process, or nobody
            return False
        try:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        except ProcessLookupError:
            return False
        _await_end(handle, card.process, timeout_seconds)
    finally:
        os.close(handle)
    return True


def _await_ready(
    ear: socket.socket, ended: int, child: subprocess.Popen[bytes], log: Path, timeout_seconds: float
) -> None:
    until = time.monotonic() + timeout_seconds
    while (left := until - time.monotonic()) > 0:
        readable, _, _ = select.select((ear.fileno(), ended), (), (), left)
        if ear.fileno() in readable and b"READY=1" in ear.recv(4096).splitlines():
            return
        if ended in readable:
            raise _told(log, code=child.wait())
    raise WaitTimedOut(
        f"the daemon (pid {child.pid}) was not ready within {timeout_seconds:g} s",
        cause=_tail(log),
        fix=f"dt status shows whether it is by now; {log} says what it did",
    )


def _await_end(handle: int, process: ProcessIdentity, timeout_seconds: float) -> None:
    # A pidfd is readable once its process has ended, also for those who are not its parent.
    if not select.select((handle,), (), (), timeout_seconds)[0]:
        raise WaitTimedOut(
            f"the daemon (pid {process.pid}) still drains after {timeout_seconds:g} s",
            cause="its running tasks have not ended yet",
            fix="dt status shows them; dt down once more ends them at once",
        )


def _told(log: Path, *, code: int) -> DreamosError:
    """The error that a daemon ended with, as it said it in JSON."""
    for line in reversed(log.read_text(encoding="utf-8", errors="replace").splitlines()):
        try:
            form = json.loads(line)["error"]
            kind = _kinds().get(form["code"], DreamosError)
            error = kind.__new__(kind)
            DreamosError.__init__(error, form["message"], cause=form["cause"], fix=form["fix"])
        except (ValueError, KeyError, TypeError):
            continue
        return error
    return DreamosError(f"the daemon ended at once (exit code {code})", cause=_tail(log), fix=f"{log} has all it said")


def _kinds() -> dict[str, type[DreamosError]]:
    return {kind.code: kind for kind in reversed(all_kinds())}  # of those that share a code, the most general one


def _tail(log: Path) -> str:
    return log.read_bytes()[-SHOWN_BYTES:].decode("utf-8", "replace").strip()


def _without_manager(environ: os._Environ[str]) -> dict[str, str]:
    """The environment without what systemd told us about ourselves."""
    ours = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM", "INVOCATION_ID")
    return {name: value for name, value in environ.items() if name not in ours}
