"""A dropped file, read with suspicion: a regular file of ours with one name, never followed, never waited for."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import Reading, read_text
from dreamos_tasks.intake.json_text import read_file
from dreamos_tasks.intake.problems import InvalidDrafts, Problem

# O_NONBLOCK: a FIFO would wait for a writer for ever. O_NOCTTY: a terminal must not become ours.
OPENING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is the same as long as nobody writes the file or puts another in its place."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    links: int

    @classmethod
    def of(cls, found: os.stat_result) -> Fingerprint:
        """The fingerprint in a `stat`."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_nlink)


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a dropped file, and which file it was."""

    text: bytes
    fingerprint: Fingerprint

    @property
    def sha256(self) -> str:
        """The hash of the bytes, in hexadecimal."""
        return hashlib.sha256(self.text).hexdigest()


class ManyNames(InvalidDrafts):
    """The file has other names. For a moment it may: some writers link a file into place and then remove its first name."""


def read_dropped(path: Path, *, max_bytes: int) -> Content:
    """The content of a dropped file. Raises InvalidDrafts (not a file of ours), UnreadableJson (too large), OSError."""
    _check(path, os.lstat(path))  # before opening: to open a device can already do something
    fd = os.open(path, OPENING)
    try:
        found = os.fstat(fd)
        _check(path, found)
        return Content(read_file(fd, max_bytes=max_bytes), Fingerprint.of(found))
    finally:
        os.close(fd)


def read_tasks(content: Content, name: str, door: Door, *, max_bytes: int, max_tasks: int) -> Reading:
    """The drafts of a file; a name that ends in `.jsonl` says that it holds one a line. Raises as `read_text`."""
    return read_text(content.text, door, lines=is_lines(name), max_bytes=max_bytes, max_tasks=max_tasks)


def is_lines(name: str) -> bool:
    """Whether a file of this name holds a task a line."""
    return name.lower().endswith(".jsonl")


def _check(path: Path, found: os.stat_result) -> None:
    name = path.name
    if not stat.S_ISREG(found.st_mode):
        kind = next((kind for is_one, kind in _KINDS if is_one(found.st_mode)), "no file")
        raise InvalidDrafts(
            [_refused(f"it is {kind}", expected="a regular file", found=kind, fix="drop a copy of the file itself")]
        )
    if found.st_uid != os.geteuid():
        raise InvalidDrafts(
            [
                _refused(
                    f"it belongs to user {found.st_uid}",
                    expected=f"a file of user {os.geteuid()}",
                    found=f"user {found.st_uid}",
                    fix=f"cp {name} as user {os.geteuid()} and drop the copy",
                )
            ]
        )
    if found.st_nlink > 1:
        raise ManyNames(
            [
                _refused(
                    f"it has {found.st_nlink} names (hard links)",
                    expected="a file with one name",
                    found=f"{found.st_nlink} links",
                    fix="drop a copy: whoever has the other name could still change it",
                )
            ]
        )


def _refused(message: str, *, expected: str, found: str, fix: str) -> Problem:
    return Problem(pointer="", message=message, expected=expected, found=found, fix=fix)
