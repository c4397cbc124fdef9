"""A command at a terminal, as a person has it: what it shows, and keys that are typed."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from dataclasses import dataclass

from tests.command import COMMAND, PATIENCE_SECONDS, STARTED, DtProcess

_SEQUENCE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # colours, and what moves the cursor


@dataclass
class Terminal:
    """A started command whose stdin and stderr are a terminal; its stdout is, too, unless it is kept apart."""

    process: subprocess.Popen[str]
    handle: int
    shown: str = ""

    @classmethod
    def start(cls, dt: DtProcess, *args: str, **environment: str) -> Terminal:
        """Run `dt` with these arguments."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*COMMAND, *args],
            cwd=dt.folder,
            env={**dt.environment, "TERM": "xterm", "COLUMNS": "100", "LINES": "30", **environment},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            text=True,
            start_new_session=True,
        )
        os.close(theirs)
        STARTED.append(process)
        return cls(process, ours)

    def until(self, words: str) -> str:
        """All that was shown, as soon as these words are."""
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while words not in self.plain:
            assert time.monotonic() < ends_at, f"{words!r} is not shown; this is:\n{self.plain}"
            if not self._read():
                break
        assert words in self.plain, f"{words!r} was never shown; this was:\n{self.plain}"
        return self.plain

    def type(self, keys: str) -> None:
        """Type these keys."""
        os.write(self.handle, keys.encode())

    def end(self) -> int:
        """Wait for its end; gives its exit code."""
        ends_at = time.monotonic() + PATIENCE_SECONDS
        while self._read():
            assert time.monotonic() < ends_at, f"it does not end; it shows:\n{self.plain}"
        code = self.process.wait(PATIENCE_SECONDS)
        os.close(self.handle)
        return code

    @property
    def plain(self) -> str:
        """What was shown, without colours and moves."""
        return _SEQUENCE.sub("", self.shown).replace("\r\n", "\n")

    def _read(self) -> bool:
        """Take what has come, or wait a little for it. False when nothing more can come."""
        if not select.select([self.handle], [], [], 0.1)[0]:
            return True
        try:
            chunk = os.read(self.handle, 65_536)
        except OSError:  # the last one at the other side has closed it
            return False
        self.shown += chunk.decode("utf-8", "replace")
        return bool(chunk)
