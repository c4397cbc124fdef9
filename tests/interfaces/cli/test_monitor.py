"""monitor: once, and until it is interrupted."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import DtProcess, end_started, own_environment, until


@pytest.fixture
def dt(tmp_path: Path) -> Iterator[DtProcess]:
    timeouts = {"PENDING_TIMEOUT_SECONDS": "0.001", "CHECK_INTERVAL_SECONDS": "0.1"}
    settings = {f"DREAMOS_TASKS_MONITORING__{name}": value for name, value in timeouts.items()}
    called = DtProcess(tmp_path, own_environment(tmp_path, **settings))
    called("init")
    yield called
    end_started()


def test_one_check_deals_with_a_stall_once(dt: DtProcess) -> None:
    dt("add", "nobody wants it")
    first, second = dt("monitor", "--once", "--json").form, dt("monitor", "--once", "--json").form
    assert [task["action"] for task in first["stalled"]] == ["logged"]
    assert [task["action"] for task in second["stalled"]] == [None]


def test_a_person_reads_what_stalls_and_what_was_done(dt: DtProcess) -> None:
    task_id = dt("add", "nobody wants it").out.strip()
    said = dt("monitor", "--once")
    assert said.out.startswith("1 pending, 1 stalled")
    assert task_id in said.out


def test_it_goes_on_until_it_is_interrupted_and_ends_well(dt: DtProcess) -> None:
    process = dt.start("monitor", "--json")
    assert process.stdout is not None
    checks = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert [check["error"] for check in checks] == ["", ""]


def test_it_sees_what_is_added_meanwhile(dt: DtProcess) -> None:
    process = dt.start("monitor", "--json")
    assert process.stdout is not None
    process.stdout.readline()
    dt("add", "added later")
    until(lambda: json.loads(process.stdout.readline())["report"]["stalled"])  # type: ignore[union-attr]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
