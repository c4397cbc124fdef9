"""Fault 7: somebody sets the wall clock; leases, timeouts, backoff and checks go by the time that nobody can set."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cache
from glob import glob
from pathlib import Path

import pytest

from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.task import Status, TaskDraft
from tests.torture.rig import Rig, quick_retry
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

JUMPS = ("-1h", "+1y", "+30d", "-10y")


@cache
def _library() -> str | None:
    found = glob("/usr/lib/*/faketime/libfaketimeMT.so.1") + glob("/usr/lib*/faketime/libfaketimeMT.so.1")
    return found[0] if found else None


def faked(jump: str) -> Mapping[str, str]:
    """The environment in which a program sees another wall clock; skips the test without libfaketime."""
    return {**_preloaded(), "FAKETIME": jump}


def faked_by(file: Path) -> Mapping[str, str]:
    """The same, told by a file that may change while the program runs."""
    return {**_preloaded(), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}


def _preloaded() -> Mapping[str, str]:
    library = _library()
    if library is None:
        pytest.skip("libfaketime is not installed (Debian, Ubuntu: apt install faketime)")
    return {"LD_PRELOAD": library, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


def test_the_fake_is_one() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))"],
        env=dict(faked("+1y")),
        capture_output=True,
        text=True,
        check=True,
    )
    import time

    wall, since_boot = map(float, told.stdout.split())
    assert wall - time.time() > 300 * 86400
    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot < 60


@pytest.mark.parametrize("jump", JUMPS)
def test_a_command_with_another_wall_clock_expires_no_lease_and_starts_nothing_early(
    make_rig: Callable[..., Rig], jump: str
) -> None:
    rig = make_rig(monitoring={"silent_agent_seconds": 600})
    now = rig.nexus.clock.now()
    later = rig.add(TaskDraft(title="not yet", not_before=now + timedelta(seconds=600)))
    held = [rig.add(TaskDraft(title=f"held {number}")) for number in range(3)]
    tokens = {task_id: rig.nexus.claim_task(task_id, "ada").last_token for task_id in held}
    before = rig.nexus.store.last_seq()

    environment = faked(jump)
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
def test_a_running_daemon_whose_wall_clock_jumps_goes_on_as_before(rig: Rig, tmp_path: Path, jump: str) -> None:
    told = tmp_path / "clock"
    told.write_text("+0\n")
    held = rig.add(TaskDraft(title="held by an agent"))
    token = rig.nexus.claim_task(held, "ada").last_token
    gate = tmp_path / "gate"
    running = rig.add_journalled("running", steps=2, then=f"until test -e '{gate}'; do sleep 0.05; done")
    daemon = rig.start_daemon(environment=faked_by(told))
    until(rig.journal.entries, what="the first step runs")

    told.write_text(f"{jump}\n")
    checked = (daemon.status() or {})["monitor"].get("checks")
    failing = rig.add_plan("tried three times", rig.journal.command("exit 75"), retry=quick_retry(3))
    until(lambda: rig.task(failing).deferrals >= 3, what="backoff goes by the time since boot")
    until(lambda: daemon.status(), what="it answers")
    if checked is not None:
        until(lambda: (daemon.status() or {})["monitor"]["checks"] > checked, what="the monitor goes on checking")
    rig.nexus.cancel_task(failing, by="test")
    gate.touch()

    assert rig.wait_for(running, "final").status is Status.COMPLETED
    lost = {EventType.TASK_LEASE_EXPIRED, EventType.TASK_RECOVERED}
    assert [event for event in rig.nexus.events() if event.type in lost] == []
    assert rig.task(running).last_token == 1
    rig.nexus.mark_task_completed(held, token=token)
    daemon.stop()
    rig.assert_sound()


def test_a_daemon_started_with_another_wall_clock_takes_no_live_claim_away(rig: Rig) -> None:
    held = rig.add(TaskDraft(title="held by an agent"))
    rig.nexus.rules = type(rig.nexus.rules)(lease_seconds=600)
    token = rig.nexus.claim_task(held, "ada").last_token

    daemon = rig.start_daemon(environment=faked("+1y"))
    done = rig.add_journalled("done meanwhile")

    assert rig.wait_for(done, "final").status is Status.COMPLETED
    daemon.stop()
    claim = rig.task(held).claim
    assert claim is not None
    assert claim.token == token
    rig.nexus.mark_task_completed(held, token=token)
    rig.assert_sound()
