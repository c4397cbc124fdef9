"""Fault 24, first half: somebody reads the board and never ends; the write-ahead log grows, and it is said who is to blame."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

import pytest

from dreamos_tasks.model.task import TaskDraft
from tests.torture.rig import Rig
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

KIB, MIB = 1024, 1024 * 1024
LONGEST_CLAIM_SECONDS = {True: 5.0, False: 20.0}  # who waited for the reader would wait for thirty
# Another program, with an SQLite of its own: it begins to read, and holds on until its stdin ends.
READER = """
import sqlite3, sys
board = sqlite3.connect(sys.argv[1], isolation_level=None)
board.execute("BEGIN")
print(board.execute("SELECT count(*) FROM task").fetchone()[0], flush=True)
sys.stdin.read()
"""


def start_reader(rig: Rig) -> subprocess.Popen[bytes]:
    process = rig.start([sys.executable, "-c", READER, str(rig.board)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline(), "it reads"
    return process


def work(rig: Rig) -> float:
    """One task from its adding to its end, as an agent does it; how long the claim took."""
    rig.nexus.add_task(TaskDraft(title="small", description="x" * 2000, assigned_to="ada"))
    begun = time.monotonic()
    task = rig.nexus.get_next_task("ada")
    took = time.monotonic() - begun
    assert task is not None
    assert task.claim is not None
    rig.nexus.mark_task_completed(task.task_id, token=task.claim.token)
    return took


def test_a_reader_that_never_ends_is_named_aloud_while_claims_go_on_and_the_alarm_ends_with_it(
    make_rig: Callable[..., Rig], long_run: bool
) -> None:
    limit = 16 * MIB if long_run else 256 * KIB
    rig = make_rig(board={"wal_bytes": limit})
    daemon = rig.start_daemon()
    before = [work(rig) for _ in range(50)]
    assert not daemon.trouble()
    reader = start_reader(rig)
    log = rig.board.with_name("nexus.db-wal")

    claims = []
    while log.stat().st_size <= limit:
        claims.append(work(rig))
    trouble = until(daemon.trouble, what=lambda: (log.stat().st_size, rig.log()[-2000:]))

    assert f"pid {reader.pid} " in trouble[0], trouble
    until(lambda: "trouble  " in rig.dt("status").out, what=lambda: rig.dt("status"))
    said = rig.dt("doctor", "--json")
    (found,) = (finding for finding in said.json["checks"] if finding["check"] == "wal")
    assert found["level"] == "fail"
    assert str(reader.pid) in found["detail"]
    assert str(reader.pid) in found["fix"]
    ends_at = time.monotonic() + (600 if long_run else 5)
    while time.monotonic() < ends_at:
        claims.append(work(rig))
    rig.wait_for(rig.add_journalled("the daemon's own work goes on"), "completed")
    assert rig.log().count("has grown to") == 1, "it is said once"
    print(f"{len(claims)} claims, median {median(claims):.5f} s, slowest {max(claims):.3f} s")  # noqa: T201

    reader.communicate()

    until(lambda: not daemon.trouble(), timeout_seconds=120, what=lambda: (daemon.trouble(), rig.log()[-2000:]))
    until(lambda: log.stat().st_size <= limit, what=lambda: log.stat().st_size)
    until(lambda: "can be emptied again" in rig.log(), what=lambda: rig.log()[-2000:])
    after = [work(rig) for _ in range(50)]
    unhindered = max(median(before), median(after))  # the machine may be busier now than it was at first
    assert median(claims) < max(10 * unhindered, 0.05), "nobody waits for the reader"
    assert max(claims) < LONGEST_CLAIM_SECONDS[long_run]
    daemon.stop()
    rig.assert_sound(all_final=True)


def test_a_log_that_is_too_large_without_anybody_reading_is_emptied_and_no_alarm_is_raised(
    make_rig: Callable[..., Rig],
) -> None:
    rig = make_rig(board={"wal_bytes": 64 * KIB})
    log = rig.board.with_name("nexus.db-wal")
    reader = start_reader(rig)
    while log.stat().st_size <= 1 * MIB:
        work(rig)
    reader.communicate()

    daemon = rig.start_daemon()

    until(lambda: log.stat().st_size <= 64 * KIB, what=lambda: log.stat().st_size)
    assert not daemon.trouble()
    assert "has grown" not in rig.log()
    daemon.stop()
