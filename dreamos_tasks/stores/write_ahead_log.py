"""WriteAheadLog: the -wal beside an SQLite board; it grows without end while somebody reads the board as it once was.

What is committed goes into the -wal first, and from there into the board, but not past what the oldest reader still has to
see. So one read transaction that is left open (a shell with a BEGIN, a tool that looks at the board) keeps the -wal from
being begun anew. Claims go on meanwhile; the disk fills.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import apsw

from dreamos_tasks.stores import sqlite_connection
from dreamos_tasks.stores.file_lock import FileLock

LOCKS = Path("/proc/locks")
# Bytes of the -shm that a reader locks while it reads: WAL_READ_LOCK(0..4) of SQLite's walIndex.
READ_MARKS = range(123, 128)
TURN_SECONDS = 1.0  # to wait for the board's lock; others are writing otherwise, and it is tried again soon
READERS_MS = 100  # to wait for readers that are about to end; writers wait meanwhile


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """A process that reads the board, or has it open."""

    pid: int
    command: str


class WriteAheadLog:
    """The -wal of one board."""

    def __init__(self, board: Path) -> None:
        self._board = board
        self.path = Path(f"{board}-wal")
        self._shared = Path(f"{board}-shm")

    def size_bytes(self) -> int:
        """0 when there is none."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def empty(self, *, insist: bool = True) -> bool:
        """Write all of it into the board and cut it to nothing; False when a reader stands in the way. Any thread may call it.

        `insist`: keep writers waiting for readers that may be about to end; otherwise nobody is kept waiting in vain.
        Raises BoardUnavailable kinds.
        """
        with closing(sqlite_connection.connect(self._board, full_durability=True)) as connection:
            try:
                # The long part, without a lock: writers go on beside it.
                is_written = _checkpoint(connection, "PASSIVE")
                if not is_written and not insist:
                    return False
                connection.set_busy_timeout(READERS_MS)
                return self._cut(connection)
            except apsw.Error as error:
                raise sqlite_connection.unavailable(self._board, error) from error

    def readers(self) -> tuple[Reader, ...]:
        """Who reads the board now, as the kernel's table of locks has it; where that says nothing, who has it open.

        We ourselves are not among them. Empty where /proc does not show them: they run in another container, or as
        somebody else.
        """
        pids = self._pids_at_a_mark() or self._pids_with_it_open()
        return tuple(Reader(pid=pid, command=_command_of(pid)) for pid in sorted(pids - {os.getpid()}))

    def _cut(self, connection: apsw.Connection) -> bool:
        """Begin the log anew, at length 0, while nobody writes. Raises BoardLocked when writers do not end."""
        lock = FileLock(f"{self._board}.lock", timeout_seconds=TURN_SECONDS)
        with closing(lock), lock:
            return _checkpoint(connection, "TRUNCATE")

    def _pids_at_a_mark(self) -> set[int]:
        try:
            inode = self._shared.stat().st_ino
            lines = LOCKS.read_text(encoding="ascii", errors="replace").splitlines()
        except OSError:
            return set()
        return {pid for line in lines if (pid := _reading_pid(line, inode)) is not None}

    def _pids_with_it_open(self) -> set[int]:
        with suppress(OSError):
            board = self._board.stat()
            return {int(name) for name in os.listdir("/proc") if name.isdigit() and _has_open(name, board)}
        return set()


def _checkpoint(connection: apsw.Connection, kind: str) -> bool:
    """Write into the board what may be; whether that was all."""
    found = connection.execute(f"PRAGMA wal_checkpoint({kind})").fetchone()
    assert found is not None, "it always answers"
    is_busy, frames, written = found
    return not is_busy and bool(frames == written)


def _reading_pid(line: str, inode: int) -> int | None:
    """Of a line like `1: POSIX  ADVISORY  READ 11377 fe:00:3104773 124 124`, when it is a reader's lock on this file."""
    words = line.split()
    if len(words) != 8 or words[1] == "->" or words[3] != "READ":  # "->": only waits for it
        return None
    if not words[5].endswith(f":{inode}") or not words[6].isdigit() or int(words[6]) not in READ_MARKS:
        return None
    pid = int(words[4])
    return pid if pid > 0 else None  # 0 and less: in another container, or held by an open file rather than a process


def _has_open(pid: str, file: os.stat_result) -> bool:
    with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        for descriptor in descriptors:
            with suppress(OSError):
                if os.path.samestat(descriptor.stat(), file):
                    return True
    return False


def _command_of(pid: int) -> str:
    """The words it was started with, shortened; they may be anything, so whoever shows them escapes them."""
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        return words if len(words) <= 80 else f"{words[:79]}…"
    return ""
