"""Cgroups: what is asked of the kernel, read from its files; and, where this machine has them, that it is done."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamos_tasks.model.limits import Limits
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.tools.breach import Breach
from dreamos_tasks.tools.cgroup import LEAF, Cgroups, NotDelegated, StepGroup, own_cgroup
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.metering import Reading
from dreamos_tasks.tools.shell import ShellTool
from tests.tools.conftest import Workshop, is_running
from tests.waiting import until

HYBRID = "9:name=systemd:/\n4:memory:/other\n0::/user.slice\n"
MOUNTS = (
    "25 20 0:22 / /sys/fs/cgroup ro,nosuid - tmpfs tmpfs ro,mode=755\n"
    "26 25 0:23 {root} {place} rw,nosuid,relatime shared:9 - cgroup2 cgroup2 rw\n"
    "27 25 0:24 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def proc(folder: Path, *, cgroup: str, mounts: str) -> Path:
    """A /proc with these."""
    own = folder / "self"
    own.mkdir()
    (own / "cgroup").write_text(cgroup)
    (own / "mountinfo").write_text(mounts)
    return folder


def group(folder: Path, **files: object) -> Path:
    """A cgroup as its files show it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in {"cgroup.procs": "", "cgroup.type": "domain\n", "cgroup.subtree_control": "", **files}.items():
        (folder / name.replace("__", ".")).write_text(str(content))
    return folder


@pytest.mark.parametrize(
    ("cgroup", "root", "place", "found"),
    [
        ("0::/system.slice/dt.service\n", "/", "/sys/fs/cgroup", "/sys/fs/cgroup/system.slice/dt.service"),
        (HYBRID, "/", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/user.slice"),
        ("0::/\n", "/", "/sys/fs/cgroup", "/sys/fs/cgroup"),
        ("0::/docker/5f/x\n", "/docker/5f", "/sys/fs/cgroup", "/sys/fs/cgroup/x"),
    ],
)
def test_our_own_group_is_found_where_it_is_mounted(
    tmp_path: Path, cgroup: str, root: str, place: str, found: str
) -> None:
    assert own_cgroup(proc(tmp_path, cgroup=cgroup, mounts=MOUNTS.format(root=root, place=place))) == Path(found)


@pytest.mark.parametrize(
    ("cgroup", "mounts"),
    [
        ("4:memory:/x\n", MOUNTS.format(root="/", place="/sys/fs/cgroup")),
        ("0::/x\n", "25 20 0:22 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n"),
        ("0::/../x\n", MOUNTS.format(root="/", place="/sys/fs/cgroup")),
        ("0::/other\n", MOUNTS.format(root="/docker/5f", place="/sys/fs/cgroup")),
        ("", ""),
    ],
)
def test_without_a_group_of_ours_it_is_said_why(tmp_path: Path, cgroup: str, mounts: str) -> None:
    with pytest.raises(NotDelegated, match="cgroup"):
        own_cgroup(proc(tmp_path, cgroup=cgroup, mounts=mounts))


def test_a_group_that_is_ours_is_divided(tmp_path: Path) -> None:
    own = group(tmp_path / "dt.service", **{"cgroup.procs": os.getpid(), "cgroup.controllers": "cpu io memory pids"})
    group(own / LEAF)

    cgroups = Cgroups.take(own)

    assert cgroups.path == own
    assert cgroups.controllers == {"memory", "pids", "io"}
    assert (own / LEAF / "cgroup.procs").read_text() == str(os.getpid())
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids +io"


def test_who_is_in_the_divided_group_already_takes_the_one_above(tmp_path: Path) -> None:
    own = group(tmp_path / "dt.service", **{"cgroup.controllers": "memory pids"})

    assert Cgroups.take(group(own / LEAF)).path == own


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"cgroup.controllers": "cpu hugetlb"}, "no controllers for memory and pids"),
        ({"cgroup.controllers": "memory pids", "cgroup.procs": "1\n"}, "holds other processes too: 1"),
        ({"cgroup.controllers": "memory pids", "cgroup.type": ""}, "not a group that can be divided"),
        ({"cgroup.controllers": "memory pids"}, "may not be divided: No such file"),
    ],
)
def test_a_group_that_is_not_ours_is_left_alone(tmp_path: Path, files: dict[str, str], why: str) -> None:
    own = group(tmp_path / "dt.service", **files)

    with pytest.raises(NotDelegated, match=why):
        Cgroups.take(own)

    assert (own / "cgroup.subtree_control").read_text() == ""


def test_limits_are_written_for_the_kernel(tmp_path: Path) -> None:
    files = dict.fromkeys(("memory.max", "memory.oom.group", "memory.swap.max", "pids.max"), "max")
    step = StepGroup(group(tmp_path, **files), frozenset({"memory", "pids"}))

    step.limit(Limits(memory_bytes=5_000_000, processes=10))

    written = {name: (tmp_path / name).read_text() for name in files}
    assert written == {"memory.max": "5000000", "memory.oom.group": "1", "memory.swap.max": "0", "pids.max": "80"}


def test_what_the_kernel_counts_is_read(tmp_path: Path) -> None:
    files = {
        "cgroup.procs": "5\n6\n",
        "memory.current": "4096\n",
        "memory.peak": "8192\n",
        "cpu.stat": "usage_usec 1500000\nuser_usec 5\n",
        "io.stat": "254:0 rbytes=1 wbytes=4096 rios=1\n254:16 rbytes=1 wbytes=512 dbytes=0\n",
    }
    step = StepGroup(group(tmp_path, **files), frozenset({"memory", "pids", "io"}))

    assert step.read() == Reading(memory_bytes=4096, processes=2, cpu_seconds=1.5, written_bytes=4608)
    assert step.read_at_end().memory_bytes == 8192


@pytest.mark.parametrize(
    ("files", "breach"),
    [
        ({"memory.events": "low 0\noom_kill 0\n", "pids.events": "max 0\n"}, None),
        (
            {"memory.events": "max 9\noom 1\noom_kill 3\n", "memory.peak": "1100"},
            Breach(limit="memory_bytes", most=1000, used=1100),
        ),
        ({"pids.events": "max 2\n"}, Breach(limit="processes", most=10, used=10)),
    ],
)
def test_where_the_kernel_stepped_in_is_known(tmp_path: Path, files: dict[str, str], breach: Breach | None) -> None:
    step = StepGroup(group(tmp_path, **files), frozenset({"memory", "pids"}))

    assert step.breach(Limits(memory_bytes=1000, processes=10)) == breach
    assert step.breach(Limits()) is None


@pytest.fixture
def real() -> Iterator[Path]:
    """A new cgroup of version 2 on this machine; what is left in it is killed."""
    try:
        path = own_cgroup() / f"dreamos-tasks-test-{secrets.token_hex(4)}"
        path.mkdir()
    except (NotDelegated, OSError) as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    yield path
    for below in (*(inner for inner in path.iterdir() if inner.is_dir()), path):
        (below / "cgroup.kill").write_text("1")
        while StepGroup(below, frozenset()).pids():
            pass
        below.rmdir()


def with_cgroups(workshop: Workshop, cgroups: Cgroups) -> Workshop:
    children = Children(home_id=str(workshop.folder), instance=secrets.token_hex(8))
    children.hold_with(cgroups)
    return Workshop(workshop.folder, ShellTool(children))


async def test_a_run_has_a_group_of_its_own_that_is_gone_after_it(workshop: Workshop, real: Path) -> None:
    here = with_cgroups(workshop, Cgroups(real, frozenset()))
    child = "until grep -q step-1 /proc/self/cgroup; do :; done; cat /proc/$$/cgroup; echo $$ > child; exec sleep 300"
    line = f"setsid sh -c '{child}' & until [ -s child ]; do sleep 0.01; done"

    result = await here.run(line, {"limits": Limits(processes=10)})

    assert f"{real.name}/step-1\n" in result.output_head
    assert not is_running(await here.pid_in("child"))
    await here.run("true", {"limits": Limits(processes=10)})
    assert not (real / "step-1").exists()


async def test_a_group_is_killed_at_one_stroke(workshop: Workshop, real: Path) -> None:
    here = with_cgroups(workshop, Cgroups(real, frozenset()))
    bomb = "\n".join(["import os, time", *["os.fork() or os.setsid()"] * 10, "time.sleep(20)"])

    result = await here.run([sys.executable, "-c", bomb], {"limits": Limits(processes=50)})

    assert result.category is ErrorCategory.RESOURCE
    assert "it may have 50 processes" in result.message
    assert result.usage is not None
    assert result.usage.peak_processes > 50
    left = StepGroup(real / "step-1", frozenset())
    await until(lambda: left.pids() == [])  # each of a thousand needs a processor to die on


async def test_processor_time_is_what_the_group_has_used(workshop: Workshop, real: Path) -> None:
    here = with_cgroups(workshop, Cgroups(real, frozenset()))

    result = await here.run("while :; do :; done", {"limits": Limits(cpu_seconds=0.3)})

    assert result.category is ErrorCategory.RESOURCE
    assert "of processor time" in result.message


async def test_what_an_earlier_daemon_left_in_its_groups_is_ended(real: Path) -> None:
    left = Cgroups(real, frozenset()).make(Limits())
    process = await asyncio.create_subprocess_exec("sleep", "300", start_new_session=True)
    left.add([process.pid])

    ended = Cgroups(real, frozenset()).end_leftovers()

    assert ended == 1
    assert await process.wait() == -signal.SIGKILL
    await until(left.remove)


async def test_the_kernel_ends_a_step_that_takes_too_much_memory(workshop: Workshop) -> None:
    """In a service with Delegate=, or in a container that may divide its own group."""
    try:
        cgroups = Cgroups.take()
    except NotDelegated as error:
        pytest.skip(f"no cgroup is delegated to the tests: {error}")
    here = with_cgroups(workshop, cgroups)
    hold = "held = bytearray(b'x') * (300 * 1024 * 1024); import time; time.sleep(600)"

    result = await here.run([sys.executable, "-c", hold], {"limits": Limits(memory_bytes=100 << 20)})

    assert result.category is ErrorCategory.RESOURCE
    assert "it may hold 100 MiB of memory" in result.message
