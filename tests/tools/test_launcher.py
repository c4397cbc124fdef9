"""Programs are started beside the loop, and nothing about them is different for it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from dreamos_tasks.tools import process as process_module
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.launcher import Launch, Launcher, Spawn, launcher
from dreamos_tasks.tools.process import Command, Process
from dreamos_tasks.tools.process_table import children_of
from dreamos_tasks.tools.run_tag import RunTag
from tests.tools.conftest import Workshop, is_running
from tests.waiting import until

TAG = RunTag("dt-7k2m", 1, "run")
SEEN = """
readlink /proc/self/fd/0; ls /proc/self/fd | wc -l; pwd; grep -E '^(Sig|Umask|NoNewPrivs)' /proc/self/status | sed "s/00000001[08]/000000000/"
cut -d' ' -f6,7 /proc/$$/stat | sed "s/^$$ /its own session, terminal /"; env | sort; nice; ulimit -a; cat
"""


class HeldBack(Spawn):
    """Starts programs as always, once it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()
        self.was_asked = threading.Event()

    def start(self, launch: Launch) -> int:
        self.was_asked.set()
        assert self.may_go.wait(60)
        return super().start(launch)


@pytest.fixture
def held_back(monkeypatch: pytest.MonkeyPatch) -> HeldBack:
    spawn = HeldBack()
    slow = Launcher(spawn)
    monkeypatch.setattr(process_module, "launcher", lambda: slow)
    return spawn


def command(folder: Path, *arguments: str, path: str = "/usr/bin:/bin", **more: object) -> Command:
    return replace(Command(arguments=arguments, cwd=str(folder), environment={"PATH": path}), **more)  # type: ignore[arg-type]


async def output_of(asked: Command, *, beside: bool) -> str:
    chunks: list[bytes] = []
    process = await Process.launch(asked, chunks.append) if beside else Process.start(asked, chunks.append)
    assert await process.wait(30)
    assert process.close() == 0
    return os.fsdecode(b"".join(chunks))


def test_this_machine_starts_programs_beside_the_loop() -> None:
    assert launcher() is not None


async def test_a_program_finds_the_same_as_when_it_is_started_by_the_loop(tmp_path: Path) -> None:
    asked = command(tmp_path, "/bin/sh", "-c", SEEN, stdin="schön\n".encode())
    asked = replace(asked, environment={**asked.environment, "GREETING": "grüß\udcff Gott\n", "EMPTY": ""})

    beside, by_the_loop = await output_of(asked, beside=True), await output_of(asked, beside=False)

    assert beside == by_the_loop
    assert "its own session, terminal 0" in beside
    assert "SigIgn:\t0000000000000000" in beside
    assert beside.endswith("schön\n")


async def test_a_program_is_found_by_the_path_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\necho found\n")
    (tmp_path / "tool").chmod(0o700)

    assert await output_of(command(tmp_path, "tool", path=f"/nowhere:{tmp_path}:/bin"), beside=True) == "found\n"
    assert await output_of(command(tmp_path, "./tool"), beside=True) == "found\n"
    assert await output_of(command(tmp_path, "tool", path="."), beside=True) == "found\n"


@pytest.mark.parametrize("name", ["missing", "/nowhere/missing", "./missing"])
async def test_a_program_that_is_missing_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError) as refusal:
        await Process.launch(command(tmp_path, name), lambda _: None)

    assert refusal.value.filename == name


async def test_a_folder_that_is_missing_is_told_from_a_program_that_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as refusal:
        await Process.launch(command(tmp_path / "missing", "/bin/true"), lambda _: None)

    assert refusal.value.filename == str(tmp_path / "missing")


async def test_a_text_that_no_program_can_be_given_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="null byte"):
        await Process.launch(command(tmp_path, "/bin/echo", "a\0b"), lambda _: None)
    with pytest.raises(ValueError, match="environment variable name"):
        await Process.launch(command(tmp_path, "/bin/true", environment={"A=B": "c"}), lambda _: None)


async def test_no_file_stays_open_after_a_program_that_could_not_be_started(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")

    with pytest.raises(FileNotFoundError):
        await Process.launch(command(tmp_path, "missing", stdin=b"text"), lambda _: None)

    assert os.listdir("/proc/self/fd") == before


async def test_the_loop_goes_on_while_a_program_is_started(workshop: Workshop, held_back: HeldBack) -> None:
    run = asyncio.create_task(workshop.run("echo started"))
    await until(held_back.was_asked.is_set)

    held_back.may_go.set()

    assert (await run).output_head == "started\n"


async def test_a_run_that_is_cancelled_while_it_is_started_is_ended(workshop: Workshop, held_back: HeldBack) -> None:
    run = asyncio.create_task(workshop.run("echo $$ > pid; exec sleep 300"))
    await until(held_back.was_asked.is_set)
    run.cancel()
    await asyncio.sleep(0)
    run.cancel()

    held_back.may_go.set()
    with pytest.raises(asyncio.CancelledError):
        await run

    assert not any(is_running(pid) for pid in children_of(os.getpid()))


async def test_the_time_limit_of_a_task_ends_a_run_that_is_still_being_started(
    workshop: Workshop, held_back: HeldBack
) -> None:
    threading.Timer(0.3, held_back.may_go.set).start()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await workshop.run("exec sleep 300")

    assert not any(is_running(pid) for pid in children_of(os.getpid()))


async def test_the_end_of_one_run_leaves_another_alone_that_is_being_started(tmp_path: Path) -> None:
    children = Children(home_id=str(tmp_path), instance="ours")

    async def run(number: int) -> int | None:
        asked = command(tmp_path, "/bin/sh", "-c", f"exit {number % 50}")
        end = await children.run(asked, tag=TAG, on_output=lambda _: None, grace_seconds=5)
        return end.status

    statuses = await asyncio.gather(*map(run, range(200)))

    assert statuses == [number % 50 for number in range(200)]


def test_a_process_that_arrives_when_its_loop_is_gone_is_killed() -> None:
    async def begun() -> Launch:
        return Launch(arguments=(), environment={}, cwd="", stdin=0, output=0)

    launch = asyncio.run(begun())
    sleeper = subprocess.Popen(["sleep", "300"])

    launch.tell(sleeper.pid)

    assert not is_running(sleeper.pid)
    sleeper.returncode = -signal.SIGKILL  # its exit status has been taken
