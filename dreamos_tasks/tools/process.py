"""Process: one started command. Its output is handed on as it comes, and its end is told by the kernel, without a thread.

A process is started by vfork and exec, in a session of its own. Its output comes through a pipe that is read when there is
something to read: a reader that is slow slows the writer down. Its end is awaited on a pidfd.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache

from dreamos_tasks.tools.watch import watch_of

READ_BYTES = 65_536  # what a pipe holds by default
LAST_READ_BYTES = 1_048_576  # the most that a pipe holds; what comes after that was written after the end


OnOutput = Callable[[bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start: its arguments, where, in which (complete) environment, and what it reads from stdin.

    `passed` are file descriptors of ours that it gets under the same numbers.
    """

    arguments: Sequence[str]
    cwd: str
    environment: Mapping[str, str]
    stdin: bytes = b""
    passed: tuple[int, ...] = ()


class Process:
    """The first process of a tree. Start it with `Process.start`; call `close` when the tree is gone."""

    __slots__ = (
        "_closed",
        "_end",
        "_handle",
        "_loop",
        "_on_output",
        "_output",
        "_watch",
        "has_ended",
        "pid",
        "used",
    )

    def __init__(self, pid: int, output: int, on_output: OnOutput) -> None:
        self.pid = pid
        self.has_ended = False  # the first process; others of its tree may live on
        self.used: resource.struct_rusage | None = None  # by it and those it has waited for, once it is closed
        self._on_output = on_output
        self._output = output
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[bool] = self._loop.create_future()
        self._watch = watch_of(self._loop)
        self._handle = os.pidfd_open(pid)
        try:
            self._watch.add(self._handle, self._see_end)
            self._watch.add(output, self._read)
        except OSError:
            self._watch.remove(self._handle)
            os.close(self._handle)
            raise

    @classmethod
    def start(cls, command: Command, on_output: OnOutput) -> Process:
        """Start it. `on_output` gets stdout and stderr in the order of their arrival, and must not raise.

        Raises OSError when it cannot be started (then `filename` says whether the program or the cwd is at fault), and
        ValueError when an argument or a variable cannot be given to a program.
        """
        with _Ends(command.stdin) as ends:
            process = subprocess.Popen(
                command.arguments,
                stdin=ends.stdin,
                stdout=ends.their_output,
                stderr=subprocess.STDOUT,
                cwd=command.cwd,
                env=command.environment,
                start_new_session=True,
                pass_fds=command.passed,
            )
            process.returncode = 0  # we wait for it, Popen need not
            try:
                started = cls(process.pid, ends.output, on_output)
            except OSError:  # no file descriptor is left to watch it with
                os.kill(process.pid, signal.SIGKILL)
                os.waitpid(process.pid, 0)
                raise
            ends.output = -1  # it is for the process to close
            return started

    async def wait(self, timeout_seconds: float | None = None) -> bool:
        """Wait, once, for the end of the first process. False when it did not come in time."""
        if timeout_seconds is None:
            return await self._end
        timer = self._loop.call_later(timeout_seconds, self._tell, False)
        try:
            return await self._end
        finally:
            timer.cancel()

    def give_up(self) -> None:
        """Have whoever waits go on, as at a timeout."""
        self._tell(False)

    def close(self) -> int | None:
        """Hand on what is left of the output, and reap. Until then its pid, and so its process group, is nobody else's.

        Gives the exit code, or minus the signal that ended it; None when it has not ended (it is reaped when it does), or
        when somebody else took its status. Whoever still holds the pipe open is not waited for.
        """
        self._closed = True
        self._read_rest()
        self._stop_reading()
        return self._reap() if self.has_ended else None

    def _see_end(self) -> None:
        self._watch.remove(self._handle)
        self.has_ended = True
        if self._closed:
            self._reap()
        else:
            self._tell(True)

    def _tell(self, ended: bool) -> None:
        if not self._end.done():
            self._end.set_result(ended)

    def _read(self) -> int:
        """Hand on what has come; says how much."""
        try:
            chunk = os.read(self._output, READ_BYTES)
        except BlockingIOError:
            return 0
        if chunk:
            self._on_output(chunk)
        else:
            self._stop_reading()
        return len(chunk)

    def _read_rest(self) -> None:
        rest = LAST_READ_BYTES
        while self._output >= 0 and rest > 0 and (count := self._read()):
            rest -= count

    def _stop_reading(self) -> None:
        if self._output >= 0:
            self._watch.remove(self._output)
            os.close(self._output)
            self._output = -1

    def _reap(self) -> int | None:
        # By its pid, which is its own until it is reaped: only so the kernel tells what it has used.
        status = None
        with suppress(ChildProcessError):
            pid, ended, used = os.wait4(self.pid, os.WNOHANG)
            if pid == self.pid:
                status, self.used = os.waitstatus_to_exitcode(ended), used
        os.close(self._handle)
        return status


class _Ends:
    """What a process gets as its stdin and output, and our end of that: open while it is started."""

    __slots__ = ("output", "stdin", "their_output")

    def __init__(self, content: bytes) -> None:
        self.stdin = _file_of(content) if content else _nothing()
        try:
            self.output, self.their_output = os.pipe2(os.O_CLOEXEC)
        except OSError:
            self._close_stdin()
            raise
        os.set_blocking(self.output, False)

    def __enter__(self) -> _Ends:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_stdin()
        os.close(self.their_output)
        if self.output >= 0:
            os.close(self.output)

    def _close_stdin(self) -> None:
        if self.stdin != _nothing():
            os.close(self.stdin)


def _file_of(content: bytes) -> int:
    """A file in memory that holds this: no writer is needed who waits for a reader."""
    handle = os.memfd_create("stdin", os.MFD_CLOEXEC)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(handle, rest) :]
        os.lseek(handle, 0, os.SEEK_SET)
    except OSError:
        os.close(handle)
        raise
    return handle


@cache
def _nothing() -> int:
    """An empty stdin, opened once for all."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
