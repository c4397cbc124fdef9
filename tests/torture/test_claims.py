"""Faults 3, 8, 15, 16 and 17: claims of agents and daemons that die, freeze, come back late, or are not who they seem."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from dreamos_tasks.app.identity import is_alive, this_process
from dreamos_tasks.errors import BoardLocked
from dreamos_tasks.model.task import ProcessIdentity, Status, TaskDraft
from tests.torture.processes import processes_of
from tests.torture.rig import LEASE_SECONDS, Rig, on_each_file
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

HOLDS_A_CLAIM = """
import sys
from dreamos_tasks import TaskNexus
from dreamos_tasks.board.writer import BoardRules
nexus = TaskNexus.open(sys.argv[1], rules=BoardRules(lease_seconds=float(sys.argv[2])))
print(nexus.get_next_task("ada").claim.token, flush=True)
sys.stdin.read()
"""
HOLDS_THE_LOCK = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@on_each_file
def test_a_killed_agents_lease_lapses_and_its_late_write_is_refused(rig: Rig) -> None:
    """Fault 3."""
    task_id = rig.add(TaskDraft(title="claimed by one that dies"))
    agent = rig.start(
        [sys.executable, "-c", HOLDS_A_CLAIM, str(rig.board), "0.5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert agent.stdout is not None
    token = int(agent.stdout.readline())
    agent.kill()
    agent.wait()
    agent.stdout.close()

    next_holder = until(lambda: rig.nexus.get_next_task("bob"), what="the lease lapses")
    late = rig.dt("complete", task_id, "--agent", "ada", "--token", str(token), "--json")
    later = rig.dt("progress", task_id, "--token", str(token), "--percent", "99", "--json")

    assert next_holder is not None
    assert next_holder.claim is not None
    assert next_holder.claim.token == token + 1
    assert (late.code, late.error["code"]) == (4, "stale_token")
    assert "bob" in late.error["message"]
    assert later.code == 4
    assert rig.task(task_id) == next_holder
    rig.nexus.mark_task_completed(task_id, token=token + 1)
    assert rig.dt("fail", task_id, "--agent", "ada", "--token", str(token), "--error", "late").code == 4
    rig.assert_sound()


@pytest.mark.parametrize("store", ["sqlite", "json"])
def test_a_daemon_stopped_for_longer_than_its_lease_is_fenced(make_rig: Callable[..., Rig], store: str) -> None:
    """Fault 8."""
    rig = make_rig(board={"store": store}, claims={"lease_seconds": LEASE_SECONDS})
    gate = rig.home.path / "gate"
    os.mkfifo(gate)
    task_id = rig.add_plan("frozen", rig.journal.command(f"cat '{gate}'"), rig.journal.command())
    daemon = rig.start_daemon()
    until(lambda: rig.journal.entries(), what="the first step runs")

    with daemon.frozen():
        until(lambda: rig.task(task_id).status is Status.PENDING, what="the lease runs out")
        token = rig.task(task_id).last_token
        for_long = {"DREAMOS_TASKS_CLAIMS__LEASE_SECONDS": "600"}
        claimed = rig.dt("claim", task_id, "--agent", "bob", "--json", environment=for_long)
        assert claimed.code == 0, claimed.err
        assert claimed.json["claim"]["token"] == token + 1
        opened = os.open(gate, os.O_RDWR | os.O_NONBLOCK)  # the step can end: the daemon finds its result when it wakes
        os.write(opened, b"on\n")
    try:
        until(lambda: not daemon.report()["running"], what="the daemon gives the run up")
    finally:
        os.close(opened)

    held = rig.task(task_id)
    assert held.claim is not None
    assert (held.claim.agent_id, held.claim.token) == ("bob", token + 1)
    assert [step.status for step in held.steps] == ["running"], "nothing was recorded under the stale token"
    until(lambda: not processes_of(rig.home.path), what="what the stale run had started is ended")
    rig.nexus.mark_task_completed(task_id, token=token + 1)
    daemon.stop()
    rig.assert_sound()


def test_a_claim_of_a_pid_that_is_now_another_process_is_taken_back_and_that_process_left_alone(rig: Rig) -> None:
    """Fault 15: the claim names our own pid with another start time; so does the daemon's card."""
    us = this_process("long-gone")
    gone = ProcessIdentity(pid=us.pid, started_ticks=us.started_ticks - 1, boot_id=us.boot_id, instance="long-gone")
    task_id = rig.add_journalled("left by the dead")
    rig.nexus.claim_task(task_id, "daemon", process=gone)
    card = {"pid": us.pid, "started_ticks": us.started_ticks - 1, "boot_id": us.boot_id, "instance": "long-gone"}
    rig.home.daemon_file.write_text(
        json.dumps(
            {"process": card, "version": "0", "board": "", "inbox": "", "started_at": "", "endpoints": {}},
        )
    )
    assert not is_alive(gone)

    down = rig.dt("down", "--json")
    daemon = rig.start_daemon()
    task = rig.wait_for(task_id, "final")
    daemon.stop()

    assert down.json["stopped"] is False, "nobody was signalled: this very test would have ended"
    assert (task.status, task.last_token) == (Status.COMPLETED, 2)
    rig.assert_sound()


def test_another_boots_claim_is_taken_back_even_if_pid_and_start_time_fit(rig: Rig) -> None:
    """Fault 15, after a reboot."""
    us = this_process("before-the-reboot")
    rebooted = ProcessIdentity(pid=us.pid, started_ticks=us.started_ticks, boot_id="another", instance=us.instance)
    task_id = rig.add(TaskDraft(title="left by another boot"))
    rig.nexus.claim_task(task_id, "daemon", process=rebooted)

    recovered = rig.nexus.recover_claims("daemon", is_alive=is_alive, by="test")

    assert [task.task_id for task in recovered] == [task_id]
    assert rig.nexus.recover_claims("daemon", is_alive=is_alive, by="test") == []


def test_a_stale_lock_file_locks_nobody_out(rig: Rig) -> None:
    """Fault 16: left by a process that was killed while it held the lock."""
    lock = Path(f"{rig.board}.lock")
    holder = rig.start([sys.executable, "-c", HOLDS_THE_LOCK, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.kill()
    holder.wait()
    holder.stdout.close()

    assert lock.exists()
    assert rig.dt("add", "after the kill").code == 0


def test_a_lock_that_a_stopped_process_holds_is_waited_for_and_named(make_rig: Callable[..., Rig]) -> None:
    """Fault 16: the holder lives and does not move. Nobody breaks its lock; it is given up in time."""
    rig = make_rig(claims={"lock_timeout_seconds": 0.5})
    holder = rig.start(
        [sys.executable, "-c", HOLDS_THE_LOCK, f"{rig.board}.lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    os.kill(holder.pid, signal.SIGSTOP)

    refused = rig.dt("add", "not now", "--json")
    holder.kill()
    holder.wait()
    holder.stdout.close()

    assert (refused.code, refused.error["code"]) == (6, BoardLocked.code)
    assert rig.dt("add", "now").code == 0
    assert [task.title for task in rig.nexus.get_all_tasks()] == ["now"]


def test_a_lock_file_deleted_while_agents_work_costs_nothing(rig: Rig) -> None:
    """Fault 16: from then on two lock files may be in use; SQLite's own lock stands behind them."""
    wanted = 60
    rig.nexus.add_tasks([TaskDraft(title=f"task {number}") for number in range(wanted)])
    agents = [rig.start_agent(name) for name in ("ada", "bob", "cyd")]
    for part in range(1, 6):
        until(lambda part=part: len(rig.ledger.entries()) >= part * 10, what="agents work")  # type: ignore[misc]
        Path(f"{rig.board}.lock").unlink(missing_ok=True)
    rig.wait_for_all()

    def told() -> int:
        return len({entry.task_id for entry in rig.ledger.entries() if entry.verb == "complete"})

    until(lambda: told() == wanted, what=told)  # an agent notes a completion a moment after it is on the board
    assert [agent.poll() for agent in agents] == [None] * 3, "no agent broke off"
    rig.assert_sound()


def test_a_second_daemon_is_refused_and_the_first_goes_on(rig: Rig) -> None:
    """Fault 17."""
    daemon = rig.start_daemon()

    second = rig.dt("daemon", "--json")

    assert (second.code, second.error["code"]) == (4, "already_running")
    assert str(daemon.pid) in second.error["message"]
    task_id = rig.add_journalled("after the refusal")
    assert rig.wait_for(task_id, "final").status is Status.COMPLETED
    assert daemon.stop() == 0
    rig.assert_sound()


def test_a_second_daemon_is_refused_even_if_the_first_ones_lock_file_was_deleted(rig: Rig) -> None:
    """Faults 16 and 17 at once."""
    daemon = rig.start_daemon()
    rig.home.daemon_lock.unlink()

    second = rig.start_daemon(wait=False)
    code = second.process.wait(timeout=30)

    assert code == 4, rig.said()
    assert daemon.process.poll() is None
    assert daemon.report()["pid"] == daemon.pid, "the first one's socket is still its own"
    assert daemon.stop() == 0


def test_a_killed_daemons_lock_and_card_do_not_keep_the_next_one_out(rig: Rig) -> None:
    """Fault 16."""
    rig.start_daemon().kill()
    assert rig.home.daemon_file.exists()

    task_id = rig.add_journalled("after the kill")
    daemon = rig.start_daemon()

    assert rig.wait_for(task_id, "final").status is Status.COMPLETED
    assert daemon.stop() == 0


def test_a_board_of_a_newer_schema_is_refused_untouched(rig: Rig) -> None:
    """Fault 17."""
    rig.add(TaskDraft(title="from the future"))
    rig.nexus.close()
    connection = apsw.Connection(str(rig.board))
    connection.execute("PRAGMA user_version = 999").fetchall()
    connection.close()
    before = rig.board.read_bytes()

    for arguments in (("add", "x"), ("next", "--agent", "ada"), ("list",), ("daemon",)):
        answer = rig.dt(*arguments, "--json")
        assert (answer.code, answer.error["code"]) == (6, "board_too_new"), arguments
        assert "999" in answer.error["message"]
        assert answer.error["fix"]
    assert rig.board.read_bytes() == before
