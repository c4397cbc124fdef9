"""Nursery: agents in processes of their own, forked from one that has imported what they need, which costs more than they do.

None of them shares anything with another: the nursery has no board open, and no thread.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TIMEOUT_SECONDS = 120.0  # no deed takes a tenth of this
MOST_BYTES = 65_536  # of a request
_open: list[Nursery] = []


class Agent:
    """One process: told and heard line by line. `end` waits for it, and gives what it said on stderr."""

    def __init__(self, pid: int, nursery: Nursery, stdin: int, stdout: int, stderr: int) -> None:
        self._pid = pid
        self._nursery = nursery
        self._stdin = open(stdin, "w", encoding="utf-8")  # noqa: SIM115  closed by `end`
        self._stdout = open(stdout, encoding="utf-8")  # noqa: SIM115
        self._stderr = open(stderr, encoding="utf-8")  # noqa: SIM115
        self._is_there = True
        self._said = ""

    def say(self) -> None:
        """Give the word."""
        self._stdin.write("go\n")
        self._stdin.flush()

    def hear(self) -> str:
        """Its next line. AssertionError when it has ended."""
        line = self._stdout.readline()
        assert line, self.end()
        return line

    def kill(self) -> None:
        """SIGKILL; it is over when this returns. May be called twice."""
        if self._is_there:
            self._is_there = False
            self._nursery.ask({"end": self._pid, "kill": True})

    def end(self) -> str:
        """There is no further word for it: wait until it has ended. May be called twice."""
        if not self._stdin.closed:
            self._stdin.close()
            self._stdout.read()
            self._said = self._stderr.read()
            self._stdout.close()
            self._stderr.close()
        if self._is_there:
            self._is_there = False
            self._nursery.ask({"end": self._pid, "kill": False})
        return self._said


class Nursery:
    """Its process, and the way to talk to it."""

    def __init__(self) -> None:
        self._line, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(TIMEOUT_SECONDS)
        with other:
            self._process = subprocess.Popen([sys.executable, "-m", "tests.agents"], cwd=ROOT, stdin=other.fileno())

    def start(self, deed: str, arguments: Sequence[Any]) -> Agent:
        """An agent that does this."""
        (stdin, say), (hear, stdout), (trouble, stderr) = (os.pipe() for _ in range(3))
        pid = self.ask({"deed": deed, "arguments": arguments}, stdin, stdout, stderr)
        for end in (stdin, stdout, stderr):
            os.close(end)
        return Agent(pid, self, say, hear, trouble)

    def ask(self, request: Any, *descriptors: int) -> int:
        """Its answer, a number."""
        socket.send_fds(self._line, [json.dumps(request).encode()], descriptors)
        return int(self._line.recv(MOST_BYTES))

    def close(self) -> None:
        """It ends when nobody talks to it any more."""
        self._line.close()
        self._process.wait(TIMEOUT_SECONDS)


@contextmanager
def nursery() -> Iterator[None]:
    """Agents can be started meanwhile."""
    _open.append(Nursery())
    try:
        yield
    finally:
        _open.pop().close()


def start(deed: str, arguments: Sequence[Any]) -> Agent:
    """An agent of the nursery that is open."""
    assert _open, "the test's module uses the fixture `agents`"
    return _open[-1].start(deed, arguments)


def serve(act: Callable[[str, Sequence[Any]], None]) -> None:
    """What the nursery's process does: fork whoever is asked for, on the three descriptors that come along."""
    line = socket.socket(fileno=sys.stdin.fileno())
    while True:
        message, descriptors, _, _ = socket.recv_fds(line, MOST_BYTES, 3)
        if not message:
            return
        request = json.loads(message)
        if "end" in request:
            if request["kill"]:
                os.kill(request["end"], signal.SIGKILL)
            answer = os.waitpid(request["end"], 0)[1]
        else:
            answer = os.fork()
            if answer == 0:
                _live(descriptors, act, request)
            for descriptor in descriptors:
                os.close(descriptor)
        line.send(str(answer).encode())


def _live(descriptors: Sequence[int], act: Callable[[str, Sequence[Any]], None], request: Any) -> None:
    """The forked process, from its first moment to its last."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)  # with the first the line to the nursery's owner is gone
        os.close(descriptor)
    code = 1
    try:
        act(request["deed"], request["arguments"])
        code = 0
    except BaseException:  # noqa: BLE001  whatever it is, whoever started it reads it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)
