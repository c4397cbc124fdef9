"""Appended lines: many processes write to one file, each line whole, and killed ones leave nothing half written."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def whole_lines(path: Path) -> list[str]:
    """All lines, oldest first; one that is being written at this moment is not among them. Empty without a file."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    return content[: content.rfind(b"\n") + 1].decode("utf-8").split("\n")[:-1]


def append_line(path: Path, line: str) -> None:
    """Add one line, by one `write` with O_APPEND. Raises OSError, also when the disk took only a part of it."""
    content = line.encode("utf-8") + b"\n"
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.write(fd, content) != len(content):
            raise OSError(errno.ENOSPC, "only a part of a line was written", str(path))
    finally:
        os.close(fd)
