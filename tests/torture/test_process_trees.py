"""Faults 20-22: what a step starts is ended with it, whatever it does to escape; what it prints is kept within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.task import Status, TaskDraft
from tests.torture.processes import processes_of
from tests.torture.rig import Rig
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

GRACE_SECONDS = 5.0  # between TERM and KILL
BUSY_SECONDS = 40.0  # by which a busy machine may be late; whatever is not ended goes on for longer than that
MIB = 1024 * 1024


def test_steps_that_ignore_term_or_are_stopped_are_ended_within_the_grace_and_a_second(rig: Rig) -> None:
    """Fault 20."""
    stubborn = {
        "ignores TERM": "trap '' TERM INT HUP; while :; do sleep 1; done",
        "is stopped": "kill -STOP $$",
        "its child ignores TERM": "sh -c \"trap '' TERM; sleep 60; sleep 60\" & wait",
        "ends at TERM": "sleep 60",
    }
    daemon = rig.start_daemon()
    timeout = 0.5
    ids = [
        rig.add(
            TaskDraft(
                title=title,
                plan=Plan(
                    steps=(Step(name="s1", params={"command": rig.journal.command(command)}, timeout_seconds=timeout),)
                ),
                retry=None,
            )
        )
        for title, command in stubborn.items()
    ]
    for task_id in ids:
        until(lambda task_id=task_id: rig.task(task_id).failures > 0 or rig.task(task_id).is_final, what=task_id)  # type: ignore[misc]
        rig.dt("cancel", task_id)
    until(lambda: not processes_of(rig.home.path), what="all of them are ended")

    assert max(seconds_of_first_run(rig, task_id) for task_id in ids) < timeout + GRACE_SECONDS + 1 + BUSY_SECONDS
    assert {rig.task(task_id).error.category for task_id in ids} == {"resource"}  # type: ignore[union-attr]
    daemon.stop()
    rig.assert_sound()


def seconds_of_first_run(rig: Rig, task_id: str) -> float:
    """From the start of the first step to its failure, as the board tells it."""
    at = {event.type: event.at for event in reversed(rig.nexus.events(task_id=task_id))}
    return (at[EventType.STEP_FAILED] - at[EventType.STEP_STARTED]).total_seconds()


def test_grandchildren_that_flee_and_keep_the_pipe_open_neither_hold_the_task_up_nor_outlive_it(rig: Rig) -> None:
    """Fault 21."""
    fleeing = {
        "background": "sleep 300 &",
        "another session": "setsid sleep 300 &",
        "double fork": "(setsid sh -c 'sleep 300 & exit' &)",
        "all output closed": "setsid sleep 300 >/dev/null 2>&1 </dev/null &",
        "no hangup": "nohup sh -c 'trap \"\" TERM HUP; sleep 300; sleep 300' &",
    }
    daemon = rig.start_daemon()
    begun = time.monotonic()
    ids = [rig.add_plan(title, rig.journal.command(command)) for title, command in fleeing.items()]

    for task_id in ids:
        assert rig.wait_for(task_id, "final").status is Status.COMPLETED
    assert time.monotonic() - begun < 2 * (GRACE_SECONDS + 1) + BUSY_SECONDS, "nobody waits for a grandchild's pipe"
    until(lambda: not processes_of(rig.home.path), what="nobody outlives its task")
    daemon.stop()
    rig.assert_sound()


def test_a_killed_daemons_process_trees_are_ended_by_the_next_one(rig: Rig) -> None:
    """Fault 21: there is nobody left who knows them by anything but their tag."""
    task_id = rig.add_plan("orphaned", rig.journal.command("(setsid sh -c 'sleep 300 & sleep 300' &); sleep 300"))
    daemon = rig.start_daemon()
    orphans = until(lambda: len(found := sleepers_of(rig)) == 3 and found, what="the tree stands")
    daemon.kill()
    assert sleepers_of(rig) == orphans

    follower = rig.start_daemon()

    until(lambda: not orphans & sleepers_of(rig), what="the orphans are ended")
    rig.nexus.cancel_task(task_id, by="test")
    until(lambda: not processes_of(rig.home.path), what="the cancelled run is ended")
    follower.stop()
    rig.assert_sound()


def sleepers_of(rig: Rig) -> set[int]:
    """What the home's tasks have started in the end, without the shells that come and go meanwhile."""
    return {process.pid for process in processes_of(rig.home.path) if process.command.startswith(b"sleep\0")}


@pytest.mark.parametrize("kind", ["one line", "many lines", "binary"])
def test_endless_output_is_capped_and_costs_no_memory(make_rig: Callable[..., Rig], long_run: bool, kind: str) -> None:
    """Fault 22."""
    size = (1024 if long_run else 96) * MIB
    limit = 2 * MIB
    rig = make_rig(limits={"output_bytes": limit, "disk_free_bytes": 0, "wall_seconds": 300})
    source = {
        "one line": "tr '\\0' x < /dev/zero",
        "many lines": "yes 'a line of output'",
        "binary": "cat /dev/urandom",
    }
    daemon = rig.start_daemon()
    before = _peak_bytes(daemon.pid)

    task_id = rig.add_plan(
        "talks", f"echo HEAD-OF-IT; {source[kind]} | head -c {size}; echo; echo TAIL-OF-IT", "echo after it"
    )
    answered = []
    added = time.monotonic()

    def is_done() -> bool:
        begun = time.monotonic()
        daemon.report()
        answered.append(time.monotonic() - begun)
        return rig.task(task_id).is_final

    until(is_done, timeout_seconds=300, what=lambda: rig.log()[-2000:])

    task = rig.task(task_id)
    assert task.status is Status.COMPLETED, task.error
    step = task.steps[0]
    assert "HEAD-OF-IT" in step.output_head
    assert "TAIL-OF-IT" in step.output_tail
    assert step.output_bytes > size
    kept = sum(file.stat().st_size for file in rig.home.runs.rglob("*") if file.is_file())
    assert kept < limit * 1.2
    assert _peak_bytes(daemon.pid) - before < 64 * MIB
    # Now and then a busy machine has no time for anybody. Who is not answered before the end waits for all of it.
    took = time.monotonic() - added
    assert sorted(answered)[len(answered) * 9 // 10] < max(1.0, took / 5), "the daemon answers while it is talked at"
    daemon.stop()
    assert max(file.stat().st_size for file in rig.home.logs.iterdir()) < MIB


def _peak_bytes(pid: int) -> int:
    """The most memory it ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
