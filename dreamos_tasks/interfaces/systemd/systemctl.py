"""Systemctl: the command that systemd is asked by, of the machine or of one user."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dreamos_tasks.interfaces.systemd.unit import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANSWER_TIMEOUT_SECONDS = 240.0  # a restart is a stop (TimeoutStopSec=90) and a start (90 by default)
AT_WORK = frozenset({"initializing", "starting", "running", "degraded", "maintenance", "stopping"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What systemctl said."""

    ok: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemctl:
    """Asks the systemd of the machine, or that of the user who asks. Never raises: no answer is an answer."""

    scope: Scope

    def is_reachable(self) -> bool:
        """Whether a systemd answers: none does in most containers, nor for a user without a login session."""
        return self.ask("is-system-running").text in AT_WORK

    def ask(self, *words: str) -> Answer:
        """Run one command to its end."""
        try:
            done = subprocess.run(
                self.command(*words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=ANSWER_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired:
            return Answer(ok=False, text=f"no answer within {ANSWER_TIMEOUT_SECONDS:g} s")
        except OSError as error:
            return Answer(ok=False, text=str(error))
        return Answer(ok=done.returncode == 0, text=done.stdout.strip() or done.stderr.strip())

    def properties(self, unit_name: str, names: Sequence[str]) -> Mapping[str, str]:
        """What systemd knows of a unit, by property name."""
        text = self.ask("show", unit_name, "--property", ",".join(names)).text
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def command(self, *words: str) -> list[str]:
        """The command as a person would type it."""
        return ["systemctl", *(["--user"] if self.scope is Scope.USER else []), *words]
