"""Launcher: starts programs in threads of its own, without the interpreter's lock: all else goes on while the kernel is at it.

`subprocess` and `os.posix_spawn` hold that lock until the new process has become its program. On a busy machine that waits
for a processor as any process does, and the whole daemon waited with it. The C library's posix_spawn(3), called through ctypes,
leaves the lock to others meanwhile.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from queue import SimpleQueue

from dreamos_tasks.tools.process_table import kernel_lists_children

THREADS = 2  # a second one for when a program lies on a disk that does not answer
SPAWN_SETSIGDEF, SPAWN_SETSID = 0x04, 0x80  # <spawn.h>
ROOMY_BYTES = 1024  # more than any of spawn.h's and signal.h's structures takes
IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # programs get them as they are by default
REFUSED = -1


@dataclass(slots=True, kw_only=True)
class Launch:
    """One program to start, and once it has been tried, the pid of its process: REFUSED when there is none."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    cwd: str
    stdin: int
    output: int
    pid: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    _arrival: asyncio.Future[None] | None = None

    async def arrived(self) -> asyncio.CancelledError | None:
        """Wait until it has been tried, even when cancelled meanwhile: gives the cancellation, which is to be gone on with."""
        cancelled = None
        while not self.pid:
            self._arrival = self._loop.create_future()
            try:
                await self._arrival
            except asyncio.CancelledError as error:
                cancelled = error
        return cancelled

    def tell(self, pid: int) -> None:
        """Called by the thread. A loop that is gone cannot look after the process."""
        try:
            self._loop.call_soon_threadsafe(self._take, pid)
        except RuntimeError:
            if pid != REFUSED:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    def _take(self, pid: int) -> None:
        self.pid = pid
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)


class Launcher:
    """Its threads are started with the first launch, and end with the process."""

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._waiting: SimpleQueue[Launch] = SimpleQueue()
        for number in range(THREADS):
            threading.Thread(target=self._serve, name=f"launcher-{number}", daemon=True).start()

    def begin(self, launch: Launch) -> None:
        """Have it started as soon as a thread is free."""
        self._waiting.put(launch)

    def _serve(self) -> None:
        while True:
            launch = self._waiting.get()
            try:
                pid = self._spawn.start(launch)
            except (OSError, ValueError):  # whoever asked tries it in the slow way, which knows what is wrong
                pid = REFUSED
            launch.tell(pid)
            del launch  # it may hold secrets


@cache
def launcher() -> Launcher | None:
    """The launcher of this process; None where the C library or the kernel lacks something for it.

    A process that is being started must not be taken for an orphan: those are told apart by the thread whose children they are.
    """
    if not kernel_lists_children():
        return None
    try:
        return Launcher(Spawn())
    except AttributeError:  # musl, or a glibc before 2.34
        return None


class Spawn:
    """posix_spawn(3): in a session of its own, with no file descriptors but the standard ones."""

    def __init__(self) -> None:
        """Raises AttributeError when the C library has not all that is needed."""
        self._posix_spawn = ctypes.CDLL(None).posix_spawn  # without the interpreter's lock
        short = ctypes.PyDLL(None)  # with it: they only note something down
        self._init = short.posix_spawn_file_actions_init
        self._add_dup2 = short.posix_spawn_file_actions_adddup2
        self._add_chdir = short.posix_spawn_file_actions_addchdir_np
        self._add_closefrom = short.posix_spawn_file_actions_addclosefrom_np
        self._destroy = short.posix_spawn_file_actions_destroy
        self._attributes = ctypes.create_string_buffer(ROOMY_BYTES)
        signals = ctypes.create_string_buffer(ROOMY_BYTES)
        short.posix_spawnattr_init(self._attributes)
        short.posix_spawnattr_setflags(self._attributes, ctypes.c_short(SPAWN_SETSID | SPAWN_SETSIGDEF))
        short.sigemptyset(signals)
        for number in IGNORED_BY_PYTHON:
            short.sigaddset(signals, number)
        short.posix_spawnattr_setsigdefault(self._attributes, signals)

    def start(self, launch: Launch) -> int:
        """The pid. Raises OSError when it cannot be started, ValueError when a text cannot be given to a program."""
        program = _found(launch.arguments[0], launch.environment.get("PATH", os.defpath))
        arguments, environment = _vector(launch.arguments), _vector(_entries(launch.environment))
        pid = ctypes.c_int()
        actions = ctypes.create_string_buffer(ROOMY_BYTES)
        self._init(actions)
        try:
            error = (
                self._add_dup2(actions, launch.stdin, 0)
                or self._add_dup2(actions, launch.output, 1)
                or self._add_dup2(actions, launch.output, 2)
                or self._add_chdir(actions, *_encoded((launch.cwd,)))
                or self._add_closefrom(actions, 3)
                or self._posix_spawn(
                    ctypes.byref(pid), *_encoded((program,)), actions, self._attributes, arguments, environment
                )
            )
        finally:
            self._destroy(actions)
        if error:
            raise OSError(error, os.strerror(error))
        return pid.value


def _found(name: str, path: str) -> str:
    """Where the program is. Raises FileNotFoundError."""
    if "/" in name:
        return name
    for folder in path.split(os.pathsep):
        place = f"{folder}/{name}"
        if folder.startswith("/") and os.access(place, os.X_OK):
            return place
    raise FileNotFoundError(name)


def _entries(environment: Mapping[str, str]) -> Sequence[str]:
    if any("=" in name for name in environment):
        raise ValueError("illegal environment variable name")
    return [f"{name}={value}" for name, value in environment.items()]


def _vector(texts: Sequence[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(texts) + 1))(*_encoded(texts), None)


def _encoded(texts: Sequence[str]) -> list[bytes]:
    """As the kernel takes them. Raises ValueError when there is a NUL within one."""
    if not texts:
        return []
    encoded = os.fsencode("\0".join(texts)).split(b"\0")
    if len(encoded) != len(texts):
        raise ValueError("embedded null byte")
    return encoded
