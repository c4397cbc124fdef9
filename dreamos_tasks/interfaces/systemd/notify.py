"""Notifier: tells systemd what the daemon is doing, by datagrams to the socket that it names (sd_notify(3))."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

SEND_TIMEOUT_SECONDS = 1.0  # a manager that does not read must not hold up the daemon's loop for longer


class Notifier:
    """Sends nothing when nobody listens, so the daemon calls it always. Never raises for a lost message.

    Each method gives whether the message was handed over.
    """

    def __init__(self, address: str | None = None, *, watchdog_interval_seconds: float | None = None) -> None:
        self._address = address
        self.watchdog_interval_seconds = watchdog_interval_seconds  # how often to call `watchdog`; None: never

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, as systemd sets them for Type=notify."""
        address = environ.get("NOTIFY_SOCKET", "")
        return cls(
            address if address.startswith(("/", "@")) else None,
            watchdog_interval_seconds=_watchdog_interval(environ, pid=os.getpid()),
        )

    def ready(self, status: str = "") -> bool:
        """Start-up is over: units ordered after this one may start."""
        return self._send("READY=1", status)

    def status(self, status: str) -> bool:
        """One line that `systemctl status` shows."""
        return self._send("", status)

    def stopping(self, status: str = "") -> bool:
        """Draining has begun."""
        return self._send("STOPPING=1", status)

    def watchdog(self) -> bool:
        """Still alive. Call it from the loop that would be stuck."""
        return self._send("WATCHDOG=1")

    def _send(self, state: str, status: str = "") -> bool:
        if self._address is None:
            return False
        lines = [state] if state else []
        if status:
            lines.append("STATUS=" + " ".join(status.split()))  # a line break would start another assignment
        name = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(SEND_TIMEOUT_SECONDS)
                sender.sendto("\n".join(lines).encode("utf-8", "backslashreplace"), name)
        except OSError:
            return False
        return True


def _watchdog_interval(environ: Mapping[str, str], *, pid: int) -> float | None:
    """Half of what systemd waits, as sd_watchdog_enabled(3) advises; None when this process is not watched."""
    timeout_us = environ.get("WATCHDOG_USEC", "")
    if not timeout_us.isascii() or not timeout_us.isdigit() or int(timeout_us) == 0:
        return None
    if environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    return int(timeout_us) / 1_000_000 / 2
