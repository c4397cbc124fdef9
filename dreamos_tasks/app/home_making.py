"""Makes a home: its folders, a short config.yaml, and an empty board. What is there stays as it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from dreamos_tasks.app.boards import make_folder, open_board
from dreamos_tasks.config.home import MARK, Home
from dreamos_tasks.config.settings import InboxSettings, Settings
from dreamos_tasks.intake.folders import InboxFolders

FILE_MODE = 0o600
CONFIG = f"""\
{MARK}  # the first key: it marks this folder as a board's home

# Settings that differ from the defaults go here, for example:
#
# daemon:
#   max_concurrent_tasks: 8
# claims:
#   lease_seconds: 1800
#
# dt config show lists every setting with its value, dt help config explains them, dt config check finds slips.
"""
IGNORE = "# What a running board keeps stays on this machine.\n*\n!.gitignore\n"


def make_home(home: Home, settings: Settings) -> tuple[Path, ...]:
    """Make what is missing; gives it, in the order it was made. Raises BoardUnavailable kinds and OSError.

    Everything made is readable by its owner alone, and so is the folder that a new board is put into: one that came with a
    checkout is open to others.
    """
    lock = home.board_lock(settings.board)
    missing = tuple(missing_parts(home, settings))
    had_lock = lock.exists()
    if (
        home.board(settings.board) in missing
        and home.runtime not in missing
        and home.runtime.stat().st_uid == os.geteuid()
    ):
        home.runtime.chmod(0o700)
    for folder in folders_of(home, settings.inbox):
        make_folder(folder)
    for file, text in _files(home).items():
        if file in missing:
            _write_new(file, text)
    open_board(home, settings).close()
    return (*missing, lock) if lock.exists() and not had_lock else missing


def missing_parts(home: Home, settings: Settings) -> Iterator[Path]:
    """What `make_home` would make."""
    folders = (above for folder in folders_of(home, settings.inbox) for above in (*reversed(folder.parents), folder))
    parts = (*_files(home), home.board(settings.board))
    yield from (path for path in dict.fromkeys((*folders, *parts)) if not path.exists())


def folders_of(home: Home, inbox: InboxSettings) -> tuple[Path, ...]:
    """Every folder a running board needs, each after the one it lies in."""
    drop = InboxFolders(home.inbox(inbox), home.outbox)
    of_inbox = (drop.inbox, drop.taken, drop.open, drop.accepted, drop.rejected, drop.outbox)
    return (home.path, home.runtime, *of_inbox, home.runs, home.logs)


def _files(home: Home) -> dict[Path, str]:
    return {home.config: CONFIG, home.runtime / ".gitignore": IGNORE}


def _write_new(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
