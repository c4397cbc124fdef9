"""Capture: what a step prints, kept within a limit: its head and its tail in a file, a little of both as text.

Memory and disk are bounded however much is printed. The file is not fsynced: after a power cut a log may lack its end.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from dreamos_tasks.tools.redaction import Redactor

TEXT_BYTES = 4096  # of the head and of the tail, for the board
LARGEST_TAIL_BYTES = 1_048_576  # it is held in memory, up to twice, until the step ends
MARKER_BYTES = 64  # room for the marker line, whose number has at most 19 digits

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_INNER_BYTES = re.compile(rb"\A[\x80-\xbf]{1,3}")  # what is left of a character that was cut


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """What was kept of a step's output.

    `head` and `tail` are text; the tail is empty when the head holds everything. `total_bytes` counts what was printed, with
    a mark for each secret; `sha256` is that of the file. Without output there is no file. `trouble` says why not all is kept
    that should be.
    """

    head: str = ""
    tail: str = ""
    total_bytes: int = 0
    path: Path | None = None
    sha256: str = ""
    trouble: str = ""


class Capture:
    """Takes a step's output piece by piece. `feed` never raises: a disk that is full ends the file, not the step.

    `redactor` blanks secrets before anything is kept; this stream is its only one.
    """

    def __init__(self, folder: Path, step: str, *, limit_bytes: int, redactor: Redactor | None = None) -> None:
        self._folder = folder
        self._step = step
        self._redactor = redactor or Redactor(())
        self._tail_bytes = min(limit_bytes // 2, LARGEST_TAIL_BYTES)
        self._head_bytes = limit_bytes - self._tail_bytes  # less when the disk was full there
        self._total = 0
        self._written = 0
        self._file = -1
        self._path: Path | None = None
        self._hash = hashlib.sha256()
        self._trouble = ""
        self._head = b""
        self._recent = bytearray()  # the newest bytes; once the file has its head, enough for its tail

    def feed(self, chunk: bytes) -> None:
        """Take what was printed next."""
        self._keep(self._redactor.feed(chunk))

    def finish(self) -> Captured:
        """Complete the file. Call it once, after the last piece."""
        self._keep(self._redactor.rest())
        if self._total == 0:
            return Captured()
        self._write_tail()
        if self._file >= 0:
            os.close(self._file)
        head, tail = self._text()
        return Captured(
            head=head,
            tail=tail,
            total_bytes=self._total,
            path=self._path,
            sha256=self._hash.hexdigest() if self._path is not None else "",
            trouble=f"its log is incomplete: {self._trouble}" if self._trouble else "",
        )

    def _keep(self, chunk: bytes) -> None:
        if not chunk:
            return
        if len(self._head) < TEXT_BYTES:
            self._head += chunk[: TEXT_BYTES - len(self._head)]
        self._total += len(chunk)
        if self._written < self._head_bytes:
            self._write(chunk[: self._head_bytes - self._written])
        self._recent += chunk
        kept = TEXT_BYTES if self._written < self._head_bytes else max(TEXT_BYTES, self._tail_bytes)
        if len(self._recent) > 2 * kept:
            del self._recent[:-kept]

    def _write_tail(self) -> None:
        rest = self._total - self._written
        if 0 < rest <= self._tail_bytes:
            if self._write(self._recent[-rest:]):
                self._trouble = ""  # room came back before anything was lost
        elif rest > 0:
            kept = max(0, self._tail_bytes - MARKER_BYTES)
            marker = f"\n[... {rest - kept} bytes left out ...]\n".encode("ascii")
            self._write(marker + self._recent[len(self._recent) - kept :])

    def _write(self, piece: bytes | bytearray) -> bool:
        """Append to the file. When it takes no more, its head ends there, and what follows is for its tail."""
        written = 0
        try:
            if self._file < 0:
                self._file, self._path = _create(self._folder, file_name_of(self._step))
            while written < len(piece):
                written += os.write(self._file, memoryview(piece)[written:])
        except OSError as error:
            self._trouble = error.strerror or str(error)
        self._hash.update(memoryview(piece)[:written])
        self._written += written
        if written < len(piece):
            self._head_bytes = self._written
        return written == len(piece)

    def _text(self) -> tuple[str, str]:
        """The head, and of what comes after it the newest part; neither begins or ends within a character."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(self._head)
        cut = len(decoder.getstate()[0]) if self._total > len(self._head) else 0
        head = self._head[: len(self._head) - cut]
        rest = self._total - len(head)
        tail = bytes(self._recent[-min(rest, TEXT_BYTES) :]) if rest else b""
        if rest > TEXT_BYTES:
            tail = _INNER_BYTES.sub(b"", tail, count=1)
        return _as_text(head), _as_text(tail)


def file_name_of(step: str) -> str:
    """A name for the files of a step: its own where it is plain, else one as good as unique."""
    if _PLAIN_NAME.fullmatch(step):
        return step
    digest = hashlib.sha256(step.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_UNSAFE.sub('_', step).strip('._-')[:60] or 'step'}-{digest}"


def _create(folder: Path, name: str) -> tuple[int, Path]:
    """A new file, for us alone; with a number in its name when a step ran before under the same claim."""
    _make_folder(folder)
    for number in count(1):
        path = folder / (f"{name}.log" if number == 1 else f"{name}.{number}.log")
        with suppress(FileExistsError):
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path
    raise AssertionError("numbers do not end")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    except FileNotFoundError:
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _as_text(part: bytes) -> str:
    # A board may be kept where text cannot hold NUL.
    return part.decode("utf-8", "replace").replace("\0", "\ufffd")
