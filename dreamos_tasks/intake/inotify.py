"""inotify, as much of it as the inbox needs: the kernel's own word that a name appeared or a writer closed its file."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

IN_CLOSE_WRITE = 0x8
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x1000000
IN_DONT_FOLLOW = 0x2000000
WATCHED = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW
FINISHED = IN_CLOSE_WRITE | IN_MOVED_TO
GONE = IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED

_EVENT = struct.Struct("iIII")  # inotify(7): wd, mask, cookie, length of the name that follows
_READ_BYTES = 65_536


class Inotify:
    """One inotify instance. `fd` is readable when there is something to read. Raises OSError where the kernel has none."""

    def __init__(self) -> None:
        self.fd = _checked(_libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._folders: dict[int, Path] = {}

    def watch(self, folder: Path) -> int:
        """Begin to hear of a folder; gives the number of the watch. Raises OSError (ENOSPC: no watch left)."""
        wd = _checked(_libc().inotify_add_watch(self.fd, os.fsencode(folder), WATCHED))
        self._folders[wd] = folder
        return wd

    def unwatch(self, wd: int) -> None:
        """Hear no more of it. One that is gone already is no error."""
        if self._folders.pop(wd, None) is not None:
            _libc().inotify_rm_watch(self.fd, wd)

    def read(self) -> Iterator[tuple[int, Path | None, int]]:
        """What happened since the last time: watch, path (None: the folder itself, or events were lost), mask."""
        while True:
            try:
                content = os.read(self.fd, _READ_BYTES)
            except BlockingIOError:
                return
            at = 0
            while at < len(content):
                wd, mask, _, length = _EVENT.unpack_from(content, at)
                at += _EVENT.size
                name = content[at : at + length].rstrip(b"\0")
                at += length
                folder = self._folders.get(wd)
                yield wd, folder / os.fsdecode(name) if folder is not None and name else None, mask
                if mask & IN_IGNORED:
                    self._folders.pop(wd, None)

    def close(self) -> None:
        """May be called twice."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@cache
def _libc() -> ctypes.CDLL:
    if not sys.platform.startswith("linux"):
        raise OSError("inotify is Linux's own")
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
