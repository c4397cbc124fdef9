"""The file of secrets: lines NAME=VALUE that steps are given by name, readable by its owner only."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from dreamos_tasks.errors import ConfigError

MOST_BYTES = 1_048_576  # a larger file is no list of secrets
_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)")


def read_secrets(path: Path) -> Mapping[str, str]:
    """All secrets by name; none when there is no such file. Raises ConfigError, which never holds a line's text.

    A line is NAME=VALUE; the value may stand in quotes, single or double. Empty lines and those that begin with # are notes.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"the secrets in {path} cannot be read", cause=error.strerror or str(error)) from None
    try:
        _require_private(path, os.fstat(fd))
    except ConfigError:
        os.close(fd)
        raise
    with open(fd, "rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{path} is too large for a file of secrets", cause=f"{MOST_BYTES:,} bytes are the most")
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text", fix="write it anew, a line NAME=VALUE for each secret") from None
    return dict(_secret(path, number, line) for number, line in enumerate(lines, start=1) if not _is_note(line))


def _require_private(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path} is no regular file", fix="write the secrets into a file of their own")
    if found.st_uid not in (os.geteuid(), 0):
        raise ConfigError(f"{path} belongs to another user", fix=f"chown {os.geteuid()} {path}")
    if found.st_mode & 0o077:
        raise ConfigError(
            f"others can read the secrets in {path}",
            cause=f"its mode is {stat.S_IMODE(found.st_mode):04o}",
            fix=f"chmod 600 {path}",
        )


def _is_note(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _secret(path: Path, number: int, line: str) -> tuple[str, str]:
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise ConfigError(f"line {number} of {path} is no secret", cause="expected NAME=VALUE", fix="correct that line")
    name, value = match[1], match[2]
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    if not value:
        raise ConfigError(f"the secret {name} in line {number} of {path} is empty", fix="give it a value, or remove it")
    return name, value
