"""Browser files: the screenshots and downloads of one visit, kept in the folder of the run, for their owner alone."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

from dreamos_tasks.tools.redaction import Redactor

COPY_BYTES = 1_048_576
LONGEST_NAME = 100  # characters

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class TooLarge(Exception):
    """There is more than may be kept."""


class BrowserFiles:
    """Keeps files under names of their own. `limit_bytes` is for all of them together.

    A page chooses what a download is called: `redactor` blanks secrets in that.
    """

    def __init__(self, folder: Path, step: str, *, limit_bytes: int, redactor: Redactor) -> None:
        self._folder = folder
        self._redactor = redactor
        self._step = step
        self._room = limit_bytes

    def keep(self, name: str, content: BinaryIO) -> dict[str, object]:
        """Write a file; says where, how long it is, and its hash. Raises TooLarge, OSError."""
        name = self._redactor.text(name)
        handle, path = self._create(_safe(name))
        digest = hashlib.sha256()
        size = 0
        try:
            with open(handle, "wb") as file:
                for piece in _pieces(content):
                    size += len(piece)
                    if size > self._room:
                        raise TooLarge(f"{name}: screenshots and downloads may take {self._room} bytes more")
                    file.write(piece)
                    digest.update(piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        self._room -= size
        return {"name": name, "path": str(path), "bytes": size, "sha256": digest.hexdigest()}

    def _create(self, name: str) -> tuple[int, Path]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stem, dot, ending = name.rpartition(".") if "." in name else (name, "", "")
        for number in count(1):
            path = self._folder / f"{self._step}-{stem}{f'.{number}' if number > 1 else ''}{dot}{ending}"
            with suppress(FileExistsError):
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path
        raise AssertionError("numbers do not end")


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    while piece := content.read(COPY_BYTES):
        yield piece


def _safe(name: str) -> str:
    """A name that is no path and no option, whatever a server calls its file."""
    kept = _UNSAFE.sub("_", name).lstrip(".-")
    stem, dot, ending = kept.rpartition(".")
    if dot and len(kept) > LONGEST_NAME:
        return f"{stem[: LONGEST_NAME - 20]}.{ending[:19]}"
    return kept[:LONGEST_NAME] or "file"
