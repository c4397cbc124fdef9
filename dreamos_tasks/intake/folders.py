"""The folders of an inbox: made private, refused when others could write them; names and files that survive any writer."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamos_tasks.errors import BoardUnsafe
from dreamos_tasks.whole_file import replace_with, write_beside

FOLDER_MODE = 0o700
FILE_MODE = 0o600
OTHERS_WRITE = 0o022
# A file system takes 255 bytes. What is put around a name: a mark of its own and an agent (109 bytes) while it is taken,
# `.receipt.json` and the dot of a temporary file afterwards.
LONGEST_NAME = 128
SUFFIXES = (".json", ".jsonl")


@dataclass(frozen=True, slots=True)
class InboxFolders:
    """Where dropped files go. `taken` holds those being read, `open` a link for each whose tasks are not all final."""

    inbox: Path
    outbox: Path

    @property
    def taken(self) -> Path:
        """Renaming a file into it claims the file."""
        return self.inbox / ".taken"

    @property
    def open(self) -> Path:
        """Links to the receipts whose result is not written yet."""
        return self.inbox / ".open"

    @property
    def accepted(self) -> Path:
        """One folder a day below it."""
        return self.inbox / "accepted"

    @property
    def rejected(self) -> Path:
        """Files that gave no tasks, and why."""
        return self.inbox / "rejected"

    def ensure(self) -> None:
        """Make what is missing. Raises BoardUnsafe when another user owns or can write one of them, and OSError."""
        for folder in (self.inbox, self.taken, self.open, self.accepted, self.rejected, self.outbox):
            found = make_private(folder)
            problem = unsafe(folder, found)
            if problem:
                raise BoardUnsafe(
                    problem,
                    cause="whoever can write an inbox can run commands as the daemon",
                    fix=f"chown {os.geteuid()} {folder} && chmod 700 {folder}",
                )


def make_private(folder: Path) -> os.stat_result:
    """The folder, made if it is missing, readable by its owner alone; and those above it."""
    try:
        return os.stat(folder)
    except FileNotFoundError:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        return os.stat(folder)


def unsafe(folder: Path, found: os.stat_result) -> str:
    """Why a folder cannot be trusted; "" when it can."""
    if not stat.S_ISDIR(found.st_mode):
        return f"{folder} is not a folder"
    if found.st_uid != os.geteuid():
        return f"{folder} belongs to user {found.st_uid}, you are {os.geteuid()}"
    if found.st_mode & OTHERS_WRITE:
        return f"{folder} can be written by others (mode {stat.S_IMODE(found.st_mode):04o})"
    return ""


def safe_name(name: str) -> str:
    """The name a dropped file goes on under: printable, at most LONGEST_NAME bytes, its suffix kept.

    Two long names that begin alike stay two: the middle that is cut out is stood for by its hash.
    """
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    text = "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)
    if len(text.encode()) <= LONGEST_NAME:
        return text
    suffix = Path(text).suffix
    mark = f"~{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}{suffix if suffix.lower() in SUFFIXES else ''}"
    return text.encode()[: LONGEST_NAME - len(mark.encode())].decode("utf-8", "ignore") + mark


def numbered(name: str, number: int) -> str:
    """`fix.json`, `fix-2.json`, `fix-3.json` ..."""
    stem, dot, suffix = name.rpartition(".")
    return name if number == 1 else f"{stem if dot else suffix}-{number}{dot}{suffix if dot else ''}"


def write_whole(path: Path, document: Mapping[str, Any], *, writer: str = "") -> None:
    """Write a JSON document that nobody ever sees in part: beside, to the disk, then renamed. Its folder is synced apart.

    `writer` tells apart those who may write the same document at once; whoever names none is the only one.
    """
    beside = path.with_name(f".{path.name}{writer and f'.{writer}'}.tmp")
    content = (json.dumps(document, ensure_ascii=True, indent=2) + "\n").encode()
    write_beside(beside, [content], mode=FILE_MODE)
    replace_with(beside, path)


def exists(path: Path) -> bool:
    """Whether there is anything of this name, a dangling link too."""
    return os.path.lexists(path)
