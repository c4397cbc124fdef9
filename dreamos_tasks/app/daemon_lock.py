"""DaemonLock: one daemon a home. The kernel gives the lock back whatever way the daemon ends."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from dreamos_tasks.app.identity import is_alive
from dreamos_tasks.errors import AlreadyRunning, BoardUnavailable
from dreamos_tasks.model.task import ProcessIdentity


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonCard:
    """What `runtime/daemon.json` says about the daemon that runs."""

    process: ProcessIdentity
    version: str
    board: str
    inbox: str
    started_at: str
    endpoints: dict[str, str]


class DaemonLock:
    """Held from a daemon's start to its end, with its card beside it.

    A file that is deleted while it is locked would let a second daemon lock a new one, so the folder is locked too: a board
    cannot lose that.
    """

    def __init__(self, lock_path: Path, card_path: Path) -> None:
        self._lock_path = lock_path
        self._card_path = card_path
        self._held: tuple[int, ...] = ()

    def acquire(self) -> None:
        """Take the lock. Raises AlreadyRunning, BoardUnavailable."""
        held: list[int] = []
        try:
            held.append(os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            held.append(os.open(self._lock_path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            for fd in held:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _close(held)
            card = read_card(self._card_path)
            pid = card.process.pid if card is not None else None
            raise AlreadyRunning(pid=pid, home=str(self._lock_path.parent.parent)) from None
        except OSError as error:
            _close(held)
            raise BoardUnavailable(
                f"{self._lock_path} cannot be opened", cause=str(error), fix=f"ls -ld {self._lock_path.parent}"
            ) from error
        self._held = tuple(held)

    def show(self, card: DaemonCard) -> None:
        """Write the card for others to find the daemon by."""
        beside = self._card_path.with_name(f".{self._card_path.name}.part")
        beside.write_text(json.dumps(asdict(card), indent=2) + "\n", encoding="utf-8")
        beside.chmod(0o600)
        beside.replace(self._card_path)

    def release(self) -> None:
        """Take the card away and give the lock back. May be called twice."""
        if self._held:
            self._card_path.unlink(missing_ok=True)
            _close(self._held)
            self._held = ()


def read_card(path: Path) -> DaemonCard | None:
    """The card as it lies there, whether or not its daemon lives; None when there is none that can be read."""
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
        return DaemonCard(**{**form, "process": ProcessIdentity(**form["process"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running_daemon(path: Path) -> DaemonCard | None:
    """The card of a daemon that is alive; None otherwise."""
    card = read_card(path)
    return card if card is not None and is_alive(card.process) else None


def _close(fds: Iterable[int]) -> None:
    for fd in fds:
        os.close(fd)
