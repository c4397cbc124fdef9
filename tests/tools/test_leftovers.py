"""What a killed daemon leaves running is ended by the next one, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from dreamos_tasks.tools.orphans import end_leftovers
from dreamos_tasks.tools.process_table import environment_of, send_signal, stat_of
from tests.command import sleeping
from tests.tools.conftest import Workshop, is_running

ROOT = Path(__file__).parents[2]
RUNNER = """
import asyncio, os, sys
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.orphans import become_subreaper
from dreamos_tasks.tools.process import Command
from dreamos_tasks.tools.run_tag import RunTag

become_subreaper()
home, instance, line = sys.argv[1:]
command = Command(arguments=("/bin/sh", "-c", line), cwd=home, environment={"PATH": os.environ["PATH"]})
children = Children(home_id=home, instance=instance)
asyncio.run(children.run(command, tag=RunTag("dt-1", 1, "serve"), on_output=lambda _: None, grace_seconds=1))
"""
LINE = "setsid sleep 300 & echo $! > escaped; sleep 300 & echo $! > sleeper; env -i setsid sleep 300 & echo $! > bare; wait"


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A program that runs LINE for this home."""
    command = [sys.executable, "-c", RUNNER, str(home), "earlier", LINE]
    process = subprocess.Popen(command, cwd=ROOT)  # noqa: ASYNC220  nothing else runs in this loop
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        await end_leftovers(str(home), except_instance="ours")


async def pids_of(workshop: Workshop) -> list[int]:
    return [await workshop.pid_in(name) for name in ("escaped", "sleeper", "bare")]


async def test_what_a_killed_daemon_left_is_ended(workshop: Workshop) -> None:
    async with running(workshop.folder) as daemon:
        pids = await pids_of(workshop)
        daemon.kill()
        daemon.wait()
        assert all(map(is_running, pids))

        ended = await end_leftovers(str(workshop.folder), except_instance="ours")

    assert ended == 4  # with the shell
    assert not any(map(is_running, pids))


async def test_what_a_living_process_runs_is_left_alone(workshop: Workshop) -> None:
    async with running(workshop.folder):
        pids = await pids_of(workshop)

        assert await end_leftovers(str(workshop.folder), except_instance="ours") == 0

        assert all(map(is_running, pids))


async def test_what_another_home_left_is_left_alone(workshop: Workshop) -> None:
    async with running(workshop.folder) as other:
        pids = await pids_of(workshop)
        other.kill()
        other.wait()

        assert await end_leftovers(str(workshop.folder / "elsewhere"), except_instance="ours") == 0

        assert all(map(is_running, pids))


async def test_a_daemon_that_was_started_in_a_leftover_spares_what_it_runs_in(workshop: Workshop) -> None:
    ask = "import asyncio, sys; from dreamos_tasks.tools.orphans import end_leftovers as end"
    ask += "; print(asyncio.run(end(sys.argv[1], except_instance='ours')))"
    async with running(workshop.folder) as daemon:
        sleeper = await workshop.pid_in("sleeper")
        entries = environment_of(sleeper).decode().split("\0")
        tags = dict(entry.split("=", 1) for entry in entries if entry)
        await pids_of(workshop)
        daemon.kill()
        daemon.wait()

        # Its parent and itself carry the tag of the dead daemon, as an agent's own `dt up` does.
        said = subprocess.run(  # noqa: ASYNC221  nothing else runs in this loop
            ["/bin/sh", "-c", '"$@"; echo alive', "sh", sys.executable, "-c", ask, str(workshop.folder)],
            env=tags, cwd=ROOT, start_new_session=True, capture_output=True, text=True, check=True,
        )  # fmt: skip

    assert said.stdout.split() == ["4", "alive"]


def test_a_process_with_a_reused_pid_is_never_signalled() -> None:
    with sleeping() as stranger:
        stat = stat_of(stranger.pid)
        assert stat is not None

        before = (stat.pid, stat.started_ticks - 1)  # who had this pid before it
        assert not send_signal(before, signal.SIGKILL)
        assert is_running(stranger.pid)

        assert send_signal(stat.identity, signal.SIGKILL)
        assert stranger.wait() == -signal.SIGKILL
        assert not send_signal(stat.identity, signal.SIGKILL)


def test_a_zombie_is_over_and_no_longer_a_process() -> None:
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    stat = stat_of(child)
    assert stat is not None
    assert stat.is_over

    os.waitpid(child, 0)
    assert stat_of(child) is None
