"""Searching: the lines of files that a regular expression fits. A program of its own: only ending it stops a slow pattern.

Python's `re` may take years over a pattern, and gives no other thread of its process a turn meanwhile. So this runs in a child,
which gets a request as JSON on its stdin and prints one JSON document a line: each match as it is found, then the end.
"""

from __future__ import annotations

import json
import os
import re
import stat
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from dreamos_tasks.tools.workspace.declined import Declined
from dreamos_tasks.tools.workspace.folder import Workspace
from dreamos_tasks.tools.workspace.patterns import PathPattern
from dreamos_tasks.tools.workspace.tree import Entry, walk

LONGEST_LINE_BYTES = 1_048_576  # a longer one is searched in pieces
SHOWN_CHARACTERS = 500  # of a line
SNIFFED_BYTES = 8192
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

Match = Mapping[str, Any]


class Search:
    """One search, as the request says it."""

    def __init__(self, request: Mapping[str, Any]) -> None:
        flags = re.IGNORECASE if request["ignore_case"] else 0
        pattern = re.escape(request["pattern"]) if request["literal"] else request["pattern"]
        self._pattern = re.compile(pattern, flags)
        glob = request["glob"]
        self._glob = PathPattern(glob if "/" in glob else f"**/{glob}") if glob else None
        self._skip = frozenset(request["skip"])
        self._limit: int = request["limit"]
        self._until = time.monotonic() + request["seconds"]
        self.files = 0
        self.truncated: str | None = None

    def matches(self, workspace: Workspace, path: str) -> Iterator[Match]:
        """The lines that fit, file by file in order of their paths."""
        for found, match in enumerate(self._all(workspace, path)):
            if found == self._limit:
                self.truncated = "limit"
                return
            yield match

    def _all(self, workspace: Workspace, path: str) -> Iterator[Match]:
        start = workspace.place(path)
        status = workspace.status(start)
        if status is not None and not stat.S_ISDIR(status.st_mode):
            yield from self._in_file(workspace.open_file(start), start.path)
            return
        top = workspace.open_folder(start)
        try:
            for entry in self._files(workspace, top):
                if time.monotonic() >= self._until:
                    self.truncated = "time"
                    return
                with suppress(FileNotFoundError, PermissionError):
                    fd = os.open(entry.name, _OPEN, dir_fd=entry.folder)
                    yield from self._in_file(fd, entry.path if start.path == "." else f"{start.path}/{entry.path}")
        finally:
            os.close(top)

    def _files(self, workspace: Workspace, top: int) -> Iterator[Entry]:
        def may_enter(entry: Entry) -> bool:
            return entry.name not in self._skip and workspace.may_touch(entry.status)

        for entry in walk(top, may_enter=may_enter, is_lenient=True):
            if not stat.S_ISREG(entry.status.st_mode) or entry.name in self._skip:
                continue
            if workspace.may_touch(entry.status) and (self._glob is None or self._glob.fits(entry.path)):
                yield entry

    def _in_file(self, fd: int, path: str) -> Iterator[Match]:
        name = os.fsencode(path).decode("utf-8", "backslashreplace")
        with open(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode) or b"\0" in file.peek(SNIFFED_BYTES)[:SNIFFED_BYTES]:
                return
            self.files += 1
            number = 1
            while line := file.readline(LONGEST_LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                found = self._pattern.search(text)
                if found is not None:
                    yield {"path": name, "line": number, "text": _around(text, found)}
                number += line.endswith(b"\n")


def main(source: TextIO, target: TextIO) -> None:
    """Search as the request on `source` says, and answer on `target`."""
    request = json.load(source)
    closed: Sequence[Path] = [Path(path) for path in request["closed"]]
    search = Search(request)
    try:
        with Workspace(Path(request["root"]), closed=closed) as workspace:
            for match in search.matches(workspace, request["path"]):
                _say(target, match)
    except Declined as error:
        _say(target, {"declined": [error.category, error.message, error.cause, error.fix]})
    except OSError as error:
        _say(target, {"error": [error.errno, error.strerror, error.filename]})
    else:
        _say(target, {"files": search.files, "truncated": search.truncated})


def _around(text: str, found: re.Match[str]) -> str:
    """The line, or if it is long what is around the match."""
    if len(text) <= SHOWN_CHARACTERS:
        return text.replace("\0", "\ufffd")
    start = max(0, min(found.start() - SHOWN_CHARACTERS // 4, len(text) - SHOWN_CHARACTERS))
    return text[start : start + SHOWN_CHARACTERS].replace("\0", "\ufffd")


def _say(target: TextIO, document: Mapping[str, Any]) -> None:
    target.write(json.dumps(document) + "\n")
    target.flush()


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
