"""Fault 7: somebody sets the wall clock; leases, timeouts, backoff and checks go by the time that nobody can set."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.task import Status, TaskDraft
from tests.torture.rig import CONFIG, Daemon, Rig, quick_retry
from tests.torture.waiting import until
from tests.torture.wall_clock import WallClock, build_library

pytestmark = pytest.mark.torture

HOUR = 3600
DAY = 24 * HOUR
YEAR = 365 * DAY
JUMPS = {"-1h": -HOUR, "+1y": YEAR, "+30d": 30 * DAY, "-10y": -10 * YEAR}
TELL_TIME = "import time; print(time.time(), time.monotonic(), time.clock_gettime(time.CLOCK_BOOTTIME), flush=True); "


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("wall-clock"))


@pytest.fixture
def wall_clock(library: Path, tmp_path: Path) -> WallClock:
    return WallClock(library, tmp_path / "wall-clock")


def test_only_the_wall_clock_is_another_one_and_also_in_a_program_that_runs(wall_clock: WallClock) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", f"{TELL_TIME} input(); {TELL_TIME}"],
        env=dict(wall_clock.environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None
        before = program.stdout.readline()
        wall_clock.set(-YEAR)
        after, _ = program.communicate("\n")

    assert program.returncode == 0
    for told, moved in ((before, 0), (after, -YEAR)):
        wall, monotonic, since_boot = map(float, told.split())
        assert abs(wall - time.time() - moved) < HOUR
        assert abs(monotonic - time.monotonic()) < HOUR
        assert abs(since_boot - time.clock_gettime(time.CLOCK_BOOTTIME)) < HOUR


def logs_ahead(rig: Rig, seconds: int) -> bool:
    """Whether the newest stamp in the daemon's log is of a wall clock that is so far ahead of ours."""
    stamps = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", rig.log(), re.MULTILINE)
    if not stamps:
        return False
    stamp = datetime.strptime(stamps[-1], "%Y-%m-%d %H:%M:%S").astimezone()
    return abs((stamp - datetime.now(UTC)).total_seconds() - seconds) < HOUR / 2


def until_checked(daemon: Daemon) -> None:
    """Until the monitor has looked at the board once more."""
    before = daemon.report()["monitor"]["last_check_at"]
    until(lambda: daemon.report()["monitor"]["last_check_at"] != before, what="the monitor goes on checking")


@pytest.mark.parametrize("jump", JUMPS)
def test_a_command_with_another_wall_clock_expires_no_lease_and_starts_nothing_early(
    make_rig: Callable[..., Rig], wall_clock: WallClock, jump: str
) -> None:
    rig = make_rig(monitoring={"silent_agent_seconds": 600})
    now = rig.nexus.clock.now()
    later = rig.add(TaskDraft(title="not yet", not_before=now + timedelta(seconds=600)))
    held = [rig.add(TaskDraft(title=f"held {number}")) for number in range(3)]
    tokens = {task_id: rig.nexus.claim_task(task_id, "ada").last_token for task_id in held}
    before = rig.nexus.store.last_seq()

    wall_clock.set(JUMPS[jump])
    environment = wall_clock.environment
    assert rig.dt("next", "--agent", "bob", environment=environment).code == 5
    taken = rig.dt("claim", held[0], "--agent", "bob", "--json", environment=environment)
    assert (taken.code, taken.error["code"]) == (4, "claim_held")
    shown = rig.dt("list", "--status", "in_progress", "--json", environment=environment)
    assert {task["task_id"] for task in shown.json} == set(held)
    rig.dt("monitor", "--once", "--json", environment=environment)

    assert rig.nexus.events(after=before) == []
    for task_id, token in tokens.items():
        assert rig.dt("heartbeat", task_id, "--token", str(token), environment=environment).code == 0
        assert rig.dt("complete", task_id, "--token", str(token), environment=environment).code == 0
    assert rig.task(later).status is Status.PENDING
    rig.assert_sound(all_final=False)


@pytest.mark.parametrize("jump", ["-1h", "+1y"])
def test_a_running_daemon_whose_wall_clock_jumps_goes_on_as_before(
    rig: Rig, wall_clock: WallClock, tmp_path: Path, jump: str
) -> None:
    assert CONFIG["claims"]["lease_seconds"] < abs(JUMPS[jump])
    held = rig.add(TaskDraft(title="held by an agent"))
    token = rig.nexus.claim_task(held, "ada").last_token
    gate = tmp_path / "gate"
    running = rig.add_journalled("running", steps=2, then=f"until test -e '{gate}'; do sleep 0.05; done")
    daemon = rig.start_daemon(environment=wall_clock.environment)
    until(rig.journal.entries, what="the first step runs")

    wall_clock.set(JUMPS[jump])
    failing = rig.add_plan("tried three times", rig.journal.command("exit 75"), retry=quick_retry(3))
    until(lambda: rig.task(failing).deferrals >= 3, what="backoff goes by the time since boot")
    rig.nexus.cancel_task(failing, by="test")
    for _ in range(3):
        until_checked(daemon)
    until(lambda: logs_ahead(rig, JUMPS[jump]), what="its own wall clock has jumped")
    gate.touch()

    assert rig.wait_for(running, "final").status is Status.COMPLETED
    lost = {EventType.TASK_LEASE_EXPIRED, EventType.TASK_RECOVERED}
    assert [event for event in rig.nexus.events() if event.type in lost] == []
    assert rig.task(running).last_token == 1
    rig.nexus.mark_task_completed(held, token=token)
    daemon.stop()
    rig.assert_sound()


def test_a_daemon_started_with_another_wall_clock_takes_no_live_claim_away(rig: Rig, wall_clock: WallClock) -> None:
    held = rig.add(TaskDraft(title="held by an agent"))
    rig.nexus.rules = type(rig.nexus.rules)(lease_seconds=600)
    token = rig.nexus.claim_task(held, "ada").last_token

    wall_clock.set(YEAR)
    daemon = rig.start_daemon(environment=wall_clock.environment)
    done = rig.add_journalled("done meanwhile")

    assert rig.wait_for(done, "final").status is Status.COMPLETED
    daemon.stop()
    claim = rig.task(held).claim
    assert claim is not None
    assert claim.token == token
    rig.nexus.mark_task_completed(held, token=token)
    rig.assert_sound()
