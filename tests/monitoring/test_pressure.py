"""Pressure: what is read of a machine, and how many tasks it is given then."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamos_tasks.monitoring.pressure import READ_AGAIN_SECONDS, Pressure, PressureGauge, read_pressure, slots_under

MIB = 1 << 20
PSI = "some avg10={} avg60=1.00 avg300=0.00 total=5\nfull avg10={} avg60=0.00 avg300=0.00 total=1\n"


def machine(folder: Path, **files: str) -> Path:
    """A /proc that says this."""
    (folder / "pressure").mkdir()
    for name, text in files.items():
        (folder / name.replace("__", "/")).write_text(text)
    return folder


def test_a_machine_at_ease_runs_as_many_as_it_may() -> None:
    assert slots_under(Pressure(), 4, disk_free_bytes=100) == (4, "")


@pytest.mark.parametrize(
    ("pressure", "slots", "words"),
    [
        (Pressure(memory_available=0.08), 3, "3 instead of 5 tasks at once: 8% of the memory is available"),
        (Pressure(memory_available=0.01), 1, "1 instead of 5 tasks at once: 1% of the memory is available"),
        (Pressure(memory_waited=0.3), 3, "processes wait for memory 30% of the time"),
        (Pressure(memory_waited=0.3, memory_stood_still=0.25), 1, "everything waits for memory 25% of the time"),
        (Pressure(load_per_cpu=9.5), 3, "the load is 9.5 for each processor"),
        (Pressure(load_per_cpu=40, cpu_waited=0.9), 1, "the load is 40.0 for each processor"),
        (Pressure(load_per_cpu=40, cpu_waited=0.1), 5, ""),
        (Pressure(disk_free_bytes=5 * MIB), 0, "no task is started: 5 MiB are free on the disk, less than 100 MiB"),
        (Pressure(disk_free_bytes=100 * MIB), 5, ""),
    ],
)
def test_under_pressure_fewer_tasks_start_and_it_is_said_why(pressure: Pressure, slots: int, words: str) -> None:
    found, reason = slots_under(pressure, 5, disk_free_bytes=100 * MIB)

    assert found == slots
    assert words in reason
    assert bool(reason) == (slots < 5)


@given(
    available=st.floats(0, 1),
    waited=st.floats(0, 1),
    load=st.floats(0, 1000),
    capacity=st.integers(1, 100),
)
def test_however_busy_the_machine_is_one_task_may_run(
    available: float, waited: float, load: float, capacity: int
) -> None:
    pressure = Pressure(memory_available=available, memory_waited=waited, load_per_cpu=load)

    slots, reason = slots_under(pressure, capacity)

    assert 1 <= slots <= capacity
    assert (reason == "") == (slots == capacity)


def test_the_pressure_is_what_the_kernel_says(tmp_path: Path) -> None:
    proc = machine(
        tmp_path,
        pressure__memory=PSI.format("12.50", "3.00"),
        pressure__cpu=PSI.format("80.00", "0.00"),
        meminfo="MemTotal:       1000 kB\nMemFree:         10 kB\nMemAvailable:    250 kB\nHugePages_Total: 0\n",
        loadavg=f"{3.0 * len(os.sched_getaffinity(0))} 1.00 1.00 2/500 12345\n",
    )

    found = read_pressure(tmp_path, proc=proc)

    free = found.disk_free_bytes
    assert found == Pressure(
        memory_available=0.25,
        memory_waited=0.125,
        memory_stood_still=0.03,
        cpu_waited=0.8,
        load_per_cpu=3.0,
        disk_free_bytes=free,
    )
    assert free is not None
    assert abs(free - shutil.disk_usage(tmp_path).free) < 1000 * MIB


def test_what_a_kernel_does_not_tell_is_taken_to_be_well(tmp_path: Path) -> None:
    assert read_pressure(tmp_path / "gone", proc=tmp_path / "none") == Pressure()


def test_this_machine_can_be_read() -> None:
    found = read_pressure(Path.cwd())

    assert 0 < found.memory_available <= 1
    assert found.load_per_cpu >= 0


def test_a_gauge_does_not_read_more_often_than_there_is_news(tmp_path: Path) -> None:
    proc = machine(tmp_path, meminfo="MemTotal: 100 kB\nMemAvailable: 50 kB\n")
    now = 1000.0
    gauge = PressureGauge(tmp_path, proc=proc, monotonic=lambda: now)

    first = gauge.read()
    (proc / "meminfo").write_text("MemTotal: 100 kB\nMemAvailable: 20 kB\n")

    assert first.memory_available == 0.5
    now += READ_AGAIN_SECONDS / 2
    assert gauge.read() is first
    now += READ_AGAIN_SECONDS / 2
    assert gauge.read().memory_available == 0.2
