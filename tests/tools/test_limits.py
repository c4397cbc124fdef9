"""Limits: what a step may use, for all its processes together, and what is known of what it used."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from pathlib import Path

import pytest

from dreamos_tasks.model.limits import Limits
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.tools.breach import Breach, breach_of, size_in_words
from dreamos_tasks.tools.metering import Reading
from dreamos_tasks.tools.process_table import adopted_by_us, written_bytes
from tests.tools.conftest import Workshop, is_running

MIB = 1 << 20
SOON = 20.0  # seconds in which a breach is over on a busy machine, where a call without limits would take minutes


def program(*lines: str) -> list[str]:
    """A command in this Python."""
    return [sys.executable, "-c", "\n".join(lines)]


HOLD = ("import time", "held = bytearray(b'x') * (300 * 1024 * 1024)", "time.sleep(600)")


async def test_a_step_that_takes_too_much_memory_is_ended(workshop: Workshop) -> None:
    result = await workshop.run(program(*HOLD), {"limits": Limits(memory_bytes=100 * MIB)})

    assert result.category is ErrorCategory.RESOURCE
    assert result.message.startswith("it held ")
    assert result.message.endswith("MiB of memory; it may hold 100 MiB of memory")
    assert any("limits.memory_bytes" in suggestion for suggestion in result.suggestions)
    assert result.usage is not None
    assert result.usage.peak_memory_bytes > 100 * MIB


async def test_memory_is_that_of_all_processes_together(workshop: Workshop) -> None:
    each = "held = bytearray(b'x') * (60 * 1024 * 1024); import time; time.sleep(600)"
    line = f'for n in 1 2 3; do setsid {sys.executable} -c "{each}" & done; wait'

    result = await workshop.run(line, {"limits": Limits(memory_bytes=150 * MIB)})

    assert result.category is ErrorCategory.RESOURCE
    assert "of memory" in result.message
    assert not any(map(is_running, adopted_by_us()))


async def test_memory_that_processes_share_counts_once(workshop: Workshop) -> None:
    lines = program(
        "import os, time",
        "held = bytearray(b'x') * (80 * 1024 * 1024)",
        "children = [os.fork() for _ in range(1)]",
        "pid = os.getpid()",
        "if children[0]: children.append(os.fork())",
        "if 0 in children: time.sleep(600)",
        "time.sleep(0.7)",
        "open('looked', 'w').close()",
        "[(os.kill(child, 9), os.waitpid(child, 0)) for child in children]",
    )

    result = await workshop.run(lines, {"limits": Limits(memory_bytes=160 * MIB)})

    assert (result.category, result.message) == (None, "")
    assert (workshop.folder / "looked").exists()


async def test_a_step_that_computes_for_too_long_is_asked_to_end(workshop: Workshop) -> None:
    line = "trap 'echo asked; exit 1' TERM; while :; do :; done"

    result = await workshop.run(line, {"limits": Limits(cpu_seconds=0.5)})

    assert result.category is ErrorCategory.RESOURCE
    assert result.message.endswith("it may use 0.5 s of processor time")
    assert result.output_head == "asked\n"
    assert result.usage is not None
    assert result.usage.cpu_seconds > 0.5


async def test_processor_time_is_that_of_all_processes_together(workshop: Workshop) -> None:
    line = "while :; do timeout 0.3 sh -c 'while :; do :; done'; done"  # none of them uses so much alone

    result = await workshop.run(line, {"limits": Limits(cpu_seconds=0.4), "timeout_seconds": 600.0})

    assert result.category is ErrorCategory.RESOURCE
    assert "of processor time" in result.message


async def test_without_anybody_who_looks_the_kernel_ends_what_computes_for_too_long(workshop: Workshop) -> None:
    result = await workshop.run("ulimit -t; ulimit -n", {"limits": Limits(cpu_seconds=3.5, open_files=50)})

    assert result.output_head == "5\n50\n"


async def test_open_files_are_limited_for_each_process(workshop: Workshop) -> None:
    lines = program("files = [open('/dev/null') for _ in range(100)]")

    result = await workshop.run(lines, {"limits": Limits(open_files=40)})

    assert result.category is ErrorCategory.RESOURCE
    assert "Too many open files" in result.output_head + result.output_tail


async def test_a_limit_is_never_above_what_the_daemon_itself_may(workshop: Workshop) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

    result = await workshop.run("ulimit -Hn", {"limits": Limits(open_files=hard + 1)})

    assert result.output_head == f"{hard}\n"


def counts_written(folder: Path) -> bool:
    before = written_bytes(os.getpid())
    with (folder / "written").open("wb") as file:
        file.write(b"x" * MIB)
        file.flush()
        os.fsync(file.fileno())
    return written_bytes(os.getpid()) > before


async def test_a_step_that_writes_too_much_is_ended(workshop: Workshop) -> None:
    if not counts_written(workshop.folder):
        pytest.skip("the kernel does not count what is written to the disk of the temporary folder")
    line = "while :; do dd if=/dev/zero of=file bs=1M count=4 conv=fsync 2>&-; done"

    result = await workshop.run(line, {"limits": Limits(written_bytes=8 * MIB)})

    assert result.category is ErrorCategory.RESOURCE
    assert result.message.endswith("it may write 8 MiB")


@pytest.mark.parametrize(
    "fork", ["fork()", "fork() or os.setsid()"], ids=["in its process group", "each in a session of its own"]
)
async def test_a_fork_bomb_is_put_out_while_others_go_on(workshop: Workshop, fork: str) -> None:
    """Fault 18."""
    bomb = program("import os, time", *[f"os.{fork}"] * 10, f"time.sleep({3 * SOON})")
    slowest = 0.0
    run = asyncio.create_task(workshop.run(bomb, {"limits": Limits(processes=100)}))
    while not run.done():
        began = time.monotonic()
        await asyncio.sleep(0.01)
        slowest = max(slowest, time.monotonic() - began)

    result = await run

    assert result.category is ErrorCategory.RESOURCE
    assert result.message.startswith("it grew to 101 processes; it may have 100 processes")
    assert slowest < SOON, "it is not waited for until the bomb ends by itself"
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert not any(map(is_running, adopted_by_us()))


async def test_a_fork_bomb_whose_first_process_ends_at_once_is_put_out_too(workshop: Workshop) -> None:
    """Fault 18: what a step leaves behind may grow while it is asked to end."""
    spread = ("import os, signal, time", "signal.signal(signal.SIGTERM, signal.SIG_IGN)", "if os.fork(): os._exit(0)")
    bomb = program(*spread, "for _ in range(9): time.sleep(0.1); os.fork()", "time.sleep(600)")
    grace = 3 * SOON
    began = time.monotonic()

    result = await workshop.run(
        bomb, {"limits": Limits(processes=100), "grace_seconds": grace, "timeout_seconds": 600.0}
    )

    assert result.category is ErrorCategory.RESOURCE
    assert result.message.startswith("it grew to 101 processes; it may have 100 processes")
    assert time.monotonic() - began < grace, "its grace is not waited for"
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    assert not any(map(is_running, adopted_by_us()))


async def test_what_a_short_command_used_is_known_without_a_look(workshop: Workshop) -> None:
    result = await workshop.run(program("for n in range(10**6): pass"), {"limits": Limits(processes=100)})

    assert result.usage is not None
    assert result.usage.cpu_seconds > 0
    assert result.usage.peak_processes >= 1


async def test_the_peaks_of_a_step_without_limits_are_known_too(workshop: Workshop) -> None:
    hold = "held = bytearray(b'x') * (50 * 1024 * 1024); import time; time.sleep(2.5)"

    result = await workshop.run(f'{sys.executable} -c "{hold}" & {sys.executable} -c "{hold}"; wait')

    assert result.category is None
    assert result.usage is not None
    assert result.usage.peak_processes >= 2
    assert result.usage.peak_memory_bytes > 50 * MIB


async def test_a_step_that_keeps_its_limits_is_left_alone(workshop: Workshop) -> None:
    limits = Limits(memory_bytes=500 * MIB, cpu_seconds=60, processes=20, open_files=100, written_bytes=500 * MIB)

    result = await workshop.run("echo $$ > shell; sleep 0.5; echo done", {"limits": limits})

    assert (result.category, result.output_head) == (None, "done\n")
    assert not is_running(await workshop.pid_in("shell"))


def test_the_first_limit_that_is_broken_is_named() -> None:
    reading = Reading(memory_bytes=2 * MIB, processes=5, cpu_seconds=3.0, written_bytes=7)

    assert breach_of(Limits(), reading) is None
    assert breach_of(Limits(memory_bytes=2 * MIB, processes=5, cpu_seconds=3.0, written_bytes=7), reading) is None
    assert breach_of(Limits(written_bytes=6), reading) == Breach(limit="written_bytes", most=6, used=7)
    assert breach_of(Limits(processes=4, memory_bytes=1), reading) == Breach(limit="processes", most=4, used=5)


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (100 * MIB, "100 MiB"), (5 << 30, "5 GiB")],
)
def test_sizes_are_said_in_words(number: int, words: str) -> None:
    assert size_in_words(number) == words
