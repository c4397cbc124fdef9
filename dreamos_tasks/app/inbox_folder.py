"""The inbox as it lies there: what waits, what was rejected and why, what was accepted. Reads and moves files, no more."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dreamos_tasks.errors import NotFound, Refused
from dreamos_tasks.intake.filing import ERROR, RECEIPT
from dreamos_tasks.intake.folders import SUFFIXES, make_private
from dreamos_tasks.model.task import NAME_PATTERN
from dreamos_tasks.whole_file import sync_folder

OWN_FOLDERS = frozenset({"accepted", "rejected"})  # any other folder is an agent's


@dataclass(frozen=True, slots=True, kw_only=True)
class DroppedFile:
    """One file. `note` is what lies beside it: the reasons of a rejection, or the receipt of what was accepted."""

    name: str
    path: Path
    at: datetime
    note: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxContents:
    """What is in the inbox."""

    waiting: tuple[DroppedFile, ...]
    rejected: tuple[DroppedFile, ...]
    accepted: tuple[DroppedFile, ...]  # the newest
    folders: tuple[Path, ...] = ()  # named like files of tasks, and none


def read_inbox(inbox: Path, *, newest: int) -> InboxContents:
    """Look at the inbox. What is taken away meanwhile is left out."""
    return InboxContents(
        waiting=tuple(sorted(_waiting(inbox), key=lambda file: file.at)),
        rejected=tuple(sorted(_noted(inbox / "rejected", ERROR), key=lambda file: file.at)),
        accepted=tuple(_accepted(inbox / "accepted", newest)),
        folders=tuple(path for path in _named_like_files(inbox) if _is_folder(path)),
    )


def put_back(inbox: Path, name: str) -> Path:
    """Put a rejected file into the folder it was dropped into; gives where it is now. Raises NotFound, Refused."""
    rejected = inbox / "rejected"
    files = {file.name: file for file in _noted(rejected, ERROR)}
    if name not in files:
        near = get_close_matches(name, files, n=2)
        fix = f"did you mean {' or '.join(near)}?" if near else "dt inbox lists what was rejected"
        raise NotFound(f"no rejected file is called {name!r}", fix=fix)
    agent = files[name].note.get("agent")
    folder = inbox / agent if isinstance(agent, str) and NAME_PATTERN.fullmatch(agent) else inbox
    make_private(folder)
    target = folder / name
    if os.path.lexists(target):
        raise Refused(f"{target} waits there already", fix="wait until it has been taken, or move one of them away")
    os.rename(rejected / name, target)
    (rejected / (name + ERROR)).unlink(missing_ok=True)  # it is about a file that is no longer here
    sync_folder(folder)
    return target


def _waiting(inbox: Path) -> Iterator[DroppedFile]:
    for path in _named_like_files(inbox):
        if not _is_folder(path):
            yield from _file(path, str(path.relative_to(inbox)))


def _named_like_files(inbox: Path) -> Iterator[Path]:
    for folder in (inbox, *(path for path in _listed(inbox) if _is_agents(path))):
        for path in _listed(folder):
            if path.name.lower().endswith(SUFFIXES) and not path.name.startswith("."):
                yield path


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_agents(path: Path) -> bool:
    return not path.name.startswith(".") and path.name not in OWN_FOLDERS and _is_folder(path)


def _noted(folder: Path, ending: str) -> Iterator[DroppedFile]:
    """The files of a folder, each with its note; the notes themselves are none."""
    listed = _listed(folder)
    notes = {path.name for path in listed if path.name.endswith(ending)}
    for path in listed:
        if path.name in notes or path.name.startswith(".") or path.is_dir():
            continue
        note = folder / (path.name + ending)
        yield from _file(path, path.name, note=_read(note) if note.name in notes else {})


def _accepted(folder: Path, newest: int) -> Iterator[DroppedFile]:
    """The newest accepted files, newest first. Folders are named by their day."""
    left = newest
    for day in sorted((path for path in _listed(folder) if path.is_dir()), reverse=True):
        files = sorted(_noted(day, RECEIPT), key=lambda file: file.at, reverse=True)
        yield from files[:left]
        left -= len(files)
        if left <= 0:
            return


def _file(path: Path, name: str, *, note: Mapping[str, Any] | None = None) -> Iterator[DroppedFile]:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    at = datetime.fromtimestamp(status.st_ctime, UTC)  # a rename is noted here, and not in mtime
    yield DroppedFile(name=name, path=path, at=at, note=note or {})


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read(path: Path) -> Mapping[str, Any]:
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return form if isinstance(form, dict) else {"note": form}
