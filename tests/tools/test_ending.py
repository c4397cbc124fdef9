"""Whatever a command starts is ended with it: nothing of a run is alive after the run."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.tools.orphans import become_subreaper
from dreamos_tasks.tools.process_table import adopted_by_us, stat_of
from tests.tools.conftest import Workshop, is_running
from tests.waiting import until

BUSY_SECONDS = 20.0  # by which a busy machine may be late; what is not ended goes on for minutes


async def test_a_child_that_ignores_term_is_killed_after_its_grace(workshop: Workshop) -> None:
    line = "trap '' TERM; sleep 300 & echo $! > sleeper; echo $$ > shell; wait; wait; while :; do sleep 300; done"
    run = asyncio.create_task(workshop.run(line, {"grace_seconds": 0.3}))
    pids = [await workshop.pid_in("sleeper"), await workshop.pid_in("shell")]

    began = time.monotonic()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert 0.3 <= time.monotonic() - began < 0.3 + BUSY_SECONDS
    assert not any(map(is_running, pids))


async def test_a_child_that_heeds_term_may_clean_up(workshop: Workshop) -> None:
    line = "trap 'sleep 0.05; echo clean; exit 3' TERM; echo $$ > shell; while :; do sleep 0.01; done"
    run = asyncio.create_task(workshop.run(line))
    await workshop.pid_in("shell")

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert (workshop.context.run_dir / "build.log").read_text().endswith("clean\n")


async def test_a_stopped_child_is_woken_to_end(workshop: Workshop) -> None:
    run = asyncio.create_task(workshop.run("echo $$ > shell; kill -STOP $$; sleep 300"))
    pid = await workshop.pid_in("shell")
    await until(lambda: (stat := stat_of(pid)) is not None and stat.is_stopped)

    began = time.monotonic()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert time.monotonic() - began < workshop.context.grace_seconds  # by TERM, not by KILL
    assert not is_running(pid)


async def test_a_grandchild_in_its_own_session_that_holds_the_pipe_is_not_waited_for(
    workshop: Workshop,
) -> None:
    result = await workshop.run(
        "setsid sh -c 'echo $$ > escaped; echo hello; exec sleep 300' & until [ -s escaped ]; do :; done"
    )

    assert result.category is None
    assert "a process it left running had to be ended" in result.message
    assert not is_running(await workshop.pid_in("escaped"))


async def test_a_daemon_that_forked_twice_is_ended_with_its_run(workshop: Workshop) -> None:
    line = "(setsid sh -c '(sleep 300 </dev/null >/dev/null 2>&1 & echo $! > escaped)' &) ; until [ -s escaped ]; do :; done"
    result = await workshop.run(line)

    assert result.category is None
    assert not is_running(await workshop.pid_in("escaped"))


async def test_a_timeout_ends_the_whole_tree(workshop: Workshop) -> None:
    line = "setsid sleep 300 & echo $! > escaped; sleep 300 & echo $! > sleeper; echo started; wait"
    result = await workshop.run(line, {"timeout_seconds": 4.0})  # by then it stands, also on a busy machine

    assert result.category is ErrorCategory.RESOURCE
    assert result.message == "timed out after 4 s"
    assert result.exit_code == 128 + signal.SIGTERM
    assert result.output_head == "started\n"
    assert not is_running(await workshop.pid_in("escaped"))
    assert not is_running(await workshop.pid_in("sleeper"))


async def test_a_second_cancellation_cuts_the_grace_short(workshop: Workshop) -> None:
    line = "trap 'echo > asked' TERM; echo $$ > shell; while :; do sleep 0.01; done"
    run = asyncio.create_task(workshop.run(line))
    pid = await workshop.pid_in("shell")

    began = time.monotonic()
    run.cancel()
    await until((workshop.folder / "asked").exists)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert time.monotonic() - began < workshop.context.grace_seconds
    assert not is_running(pid)


async def test_a_process_that_keeps_forking_is_ended(workshop: Workshop) -> None:
    line = "trap '' TERM; echo $$ > shell; for n in $(seq 500); do sleep 300 & setsid sleep 300 & done; wait"
    run = asyncio.create_task(workshop.run(line, {"grace_seconds": 0.0}))
    pid = await workshop.pid_in("shell")
    await until(lambda: len(adopted_by_us()) > 0)

    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert not is_running(pid)
    # The last of them may have become ours, dead, after the last look; a living one would sleep for minutes.
    await until(lambda: not [orphan for orphan in adopted_by_us() if is_running(orphan)])


async def test_the_orphan_of_one_run_outlives_the_end_of_another(workshop: Workshop) -> None:
    line = "(setsid sleep 300 >/dev/null & echo $! > escaped); until [ -e gate ]; do sleep 0.01; done"
    run = asyncio.create_task(workshop.run(line, {"step": "serve"}))
    orphan = await workshop.pid_in("escaped")

    await workshop.run("true", {"step": "check"})
    assert is_running(orphan)

    (workshop.folder / "gate").touch()
    await run
    assert not is_running(orphan)


async def test_an_orphan_without_a_tag_is_ended_when_no_run_can_own_it(workshop: Workshop) -> None:
    gate = "until [ -e gate ]; do sleep 0.01; done"
    other = asyncio.create_task(workshop.run(f"echo $$ > other; {gate}", {"step": "other"}))
    await workshop.pid_in("other")

    line = "env -i setsid sh -c 'echo $$ > escaped; exec sleep 300' & until [ -s escaped ]; do :; done"
    await workshop.run(line, {"step": "serve"})
    orphan = await workshop.pid_in("escaped")
    assert is_running(orphan)  # it may be the other's: nothing on it says whose it is

    (workshop.folder / "gate").touch()
    await other
    assert not is_running(orphan)


async def test_orphans_that_ended_are_reaped(workshop: Workshop) -> None:
    line = "(true & setsid true &) ; echo $$ > shell; until [ -e gate ]; do sleep 0.01; done"
    run = asyncio.create_task(workshop.run(line))
    shell = await workshop.pid_in("shell")
    await until(lambda: len(adopted_by_us()) > 1 and list(filter(is_running, adopted_by_us())) == [shell])

    await workshop.run("true", {"step": "check"})
    assert adopted_by_us() == [shell]

    (workshop.folder / "gate").touch()
    await run


async def test_a_run_ends_what_it_left_even_where_orphans_go_to_another_process(workshop: Workshop) -> None:
    become_subreaper(on=False)
    line = "sleep 300 >/dev/null & echo $! > sleeper; setsid sleep 300 & echo $! > escaped"
    result = await workshop.run(line)

    assert "2 processes it left running had to be ended" in result.message
    assert not is_running(await workshop.pid_in("sleeper"))
    assert not is_running(await workshop.pid_in("escaped"))
