"""Faults 4 and 5: the disk is full, or fails to keep what it was given; nothing is called done that is not."""

from __future__ import annotations

import errno
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dreamos_tasks.model.task import Status, TaskDraft
from tests.torture.rig import Rig
from tests.torture.strace import (
    BOARD_WRITES,
    KillPoint,
    attach,
    chosen,
    failing,
    kill_points,
    require_strace,
    tracing,
)
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

FAULTS = 4  # of each kind in the short run


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        tried = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "none", str(place)], capture_output=True, text=True
        )
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if tried.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {tried.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path) -> Path:
    """Take all the room that is left."""
    filler = place / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError as error:
                assert error.errno == errno.ENOSPC  # noqa: PT017
    return filler


def test_a_full_disk_loses_nothing_is_said_loudly_and_is_got_over_without_a_restart(
    small_disk: Path, tmp_path: Path
) -> None:
    """Fault 4: commits, logs, outputs of steps and the inbox share the disk."""
    rig = Rig(small_disk / "home", notes=tmp_path)
    try:
        gate = tmp_path / "gate"
        daemon = rig.start_daemon()
        task_id = rig.add_journalled("cannot be recorded", steps=2, then=f"until test -e '{gate}'; do sleep 0.05; done")
        until(rig.journal.entries, what="the first step runs")

        filler = fill(small_disk)
        gate.touch()
        trouble = until(daemon.trouble, what=lambda: rig.log()[-2000:])
        assert daemon.is_calm(), "it does not spin"
        assert rig.task(task_id).status in (Status.IN_PROGRESS, Status.PENDING), "no false done"
        filler.unlink()

        assert any("full" in word or "disk" in word for word in trouble), trouble
        assert rig.wait_for(task_id, "final").status is Status.COMPLETED
        until(lambda: daemon.status() and not daemon.trouble(), what="the alarm ends")
        assert daemon.process.poll() is None
        after = rig.add_journalled("afterwards")
        assert rig.wait_for(after, "final").status is Status.COMPLETED
        assert daemon.stop() == 0
        rig.assert_sound(all_final=False)
    finally:
        rig.close()


@pytest.mark.parametrize("error", ["EIO", "ENOSPC"])
def test_a_command_whose_write_fails_says_so_and_has_done_nothing(
    rig: Rig, rng: random.Random, long_run: bool, tmp_path: Path, error: str
) -> None:
    """Faults 4 and 5, at each write and sync of a commit."""
    require_strace()
    trace = tmp_path / "trace"
    rig.dt("list")  # the first command of a home writes more than the others, and so does the first to open the board
    assert rig.nexus.get_all_tasks() == []
    assert rig.dt("add", "counted", prefix=tracing(BOARD_WRITES, trace)).code == 0
    points = [point for point in kill_points(trace) if point.call in ("pwrite64", "fsync", "fdatasync")]
    assert len(points) > 2, trace.read_text()

    for point in chosen(rng, points, FAULTS, everything=long_run):
        before = rig.nexus.store.last_seq()
        answer = rig.dt("add", f"fails at {point}", "--json", prefix=failing(point, error))
        events = rig.nexus.events(after=before)

        assert answer.code in (0, 6), (point, answer)
        assert len(events) == (answer.code == 0), (point, answer)
        if answer.code == 6:
            assert answer.error["code"] == "board_unavailable", (point, answer)
        rig.assert_sound(all_final=False)
        assert rig.dt("add", "and then it works").code == 0


def test_a_sync_that_fails_in_the_daemon_is_not_taken_for_done_and_the_work_goes_on(
    rig: Rig, rng: random.Random, long_run: bool, tmp_path: Path
) -> None:
    """Fault 5: the n-th fdatasync of its life under trace fails, the others work."""
    require_strace()
    daemon = rig.start_daemon()
    for number in range(1, 12 if long_run else 4):
        tracer = attach(rig, daemon.pid, ["-o", os.devnull, *failing(KillPoint("fdatasync", number), "EIO")[5:]])
        task_id = rig.add_journalled(f"sync {number} fails", steps=2)
        task = rig.wait_for(task_id, "final")
        tracer.terminate()
        tracer.wait()
        assert task.status is Status.COMPLETED
        assert daemon.process.poll() is None
    daemon.stop()
    rig.add(TaskDraft(title="the board works"))
    rig.assert_sound(all_final=False)
