"""Faults 26 and 27: what waits holds no slot, and what is paused stays paused, whatever happens to the daemon."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from dreamos_tasks.model.plan import Step
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Status, TaskDraft
from tests.torture.processes import processes_of
from tests.torture.rig import Rig
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

SLOW = RetryPolicy(max_attempts=3, base_seconds=300.0, max_seconds=300.0, jitter="none")


def test_tasks_that_wait_hold_no_slot(make_rig: Callable[..., Rig]) -> None:
    """Fault 26, with room for one task only."""
    rig = make_rig(daemon={"max_concurrent_tasks": 1})
    needed = rig.add(TaskDraft(title="an agent's"))
    daemon = rig.start_daemon()
    waiting = {
        "for another try": rig.add_plan("fails", rig.journal.command("exit 75"), retry=SLOW),
        "for its time": rig.add_journalled("later", not_before=rig.nexus.clock.now() + timedelta(seconds=300)),
        "for another task": rig.add_journalled("depends", depends_on=(needed,)),
        "for a person": rig.add_journalled("paused", steps=1, then="sleep 60"),
    }
    until(lambda: rig.task(waiting["for another try"]).deferrals == 1, what="the first try")
    rig.wait_for(waiting["for a person"], "in_progress")
    rig.nexus.pause_task(waiting["for a person"], by="test")

    done = rig.add_journalled("not kept waiting")

    assert rig.wait_for(done, "final").status is Status.COMPLETED
    until(lambda: not daemon.report()["running"], what="nobody who waits holds a place")
    assert {why: rig.task(task_id).status for why, task_id in waiting.items()} == {
        "for another try": Status.PENDING,
        "for its time": Status.PENDING,
        "for another task": Status.PENDING,
        "for a person": Status.PAUSED,
    }
    assert all(rig.task(task_id).claim is None for task_id in waiting.values())
    until(lambda: not processes_of(rig.home.path), what="nothing runs for a task that waits")
    daemon.stop()
    rig.assert_sound(all_final=False)


def test_a_daemon_that_has_nothing_to_do_or_waits_for_a_step_uses_hardly_any_processor_time(rig: Rig) -> None:
    """Each of its commits wakes it: it must not go on for ever about that."""
    daemon = rig.start_daemon()
    rig.wait_for(rig.add_journalled("done"), "completed")

    assert daemon.is_calm(0.2), "idle"

    task_id = rig.add_plan("runs", rig.journal.command("sleep 60"))
    until(lambda: any(entry.task_id == task_id for entry in rig.journal.entries()), what="the step runs")
    assert daemon.is_calm(0.2), "while a step runs"


@pytest.mark.parametrize("pause", [("pause",), ("pause", "--now")], ids=["at the boundary", "now"])
def test_a_paused_task_is_still_paused_at_the_same_step_after_the_daemon_was_killed(
    rig: Rig, tmp_path: Path, pause: tuple[str, ...]
) -> None:
    """Fault 27. At the boundary, the kill comes before the step that runs has ended."""
    gate = tmp_path / "gate"
    wait = f"until test -e '{gate}'; do sleep 0.05; done"
    task_id = rig.add_plan("paused", rig.journal.command(), rig.journal.command(wait), rig.journal.command())
    daemon = rig.start_daemon()
    until(lambda: {entry.step for entry in rig.journal.entries()} == {"s1", "s2"}, what="the second step runs")

    assert rig.dt(*pause, task_id).code == 0
    if "--now" in pause:
        until(lambda: not daemon.report()["running"], what="the run is ended")
    daemon.kill()
    follower = rig.start_daemon()
    other = rig.add_journalled("another")
    rig.wait_for(other, "completed")

    paused = rig.wait_for(task_id, "paused")
    cut = "paused" if "--now" in pause else "running"
    assert [(step.name, step.status) for step in paused.steps] == [("s1", "completed"), ("s2", cut)]
    until(lambda: not processes_of(rig.home.path), what="nothing of it runs while it is paused")

    gate.touch()
    assert rig.dt("resume", task_id).code == 0
    assert rig.wait_for(task_id, "final").status is Status.COMPLETED
    steps = [entry.step for entry in rig.journal.entries() if entry.task_id == task_id]
    assert steps == ["s1", "s2", "s2", "s3"]
    follower.stop()
    rig.assert_sound()


@pytest.mark.parametrize("pause", [("pause",), ("pause", "--now")], ids=["at the boundary", "now"])
def test_a_task_that_is_paused_while_its_checks_run_is_still_paused_after_the_daemon_was_killed(
    rig: Rig, tmp_path: Path, pause: tuple[str, ...]
) -> None:
    """Fault 27, after the last step."""
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    check = Step(name="check", params={"command": f"echo $$ >> '{begun}'; until test -e '{gate}'; do sleep 0.05; done"})
    task_id = rig.add_plan("checked", rig.journal.command(), verify=(check,))
    daemon = rig.start_daemon()
    until(begun.exists, what="the check runs")

    assert rig.dt(*pause, task_id).code == 0
    if "--now" in pause:
        until(lambda: not daemon.report()["running"], what="the run is ended")
        until(lambda: not processes_of(rig.home.path), what="and its check")
    daemon.kill()
    follower = rig.start_daemon()
    rig.wait_for(rig.add_journalled("another"), "completed")
    rig.wait_for(task_id, "paused")
    until(lambda: not processes_of(rig.home.path), what="nothing of it runs while it is paused")
    follower.kill()
    last = rig.start_daemon()
    rig.wait_for(rig.add_journalled("yet another"), "completed")
    assert rig.task(task_id).status is Status.PAUSED
    assert len(begun.read_text().split()) == 1

    gate.touch()
    assert rig.dt("resume", task_id).code == 0
    assert rig.wait_for(task_id, "final").status is Status.COMPLETED
    assert len(begun.read_text().split()) == 2
    assert [entry.step for entry in rig.journal.entries() if entry.task_id == task_id] == ["s1"]
    last.stop()
    rig.assert_sound()


def test_a_pause_that_is_asked_for_while_a_check_runs_is_kept_when_the_check_has_ended(
    rig: Rig, tmp_path: Path
) -> None:
    gate, begun = tmp_path / "gate", tmp_path / "begun"
    check = Step(name="check", params={"command": f"touch '{begun}'; until test -e '{gate}'; do sleep 0.05; done"})
    task_id = rig.add_plan("checked", rig.journal.command(), verify=(check,))
    daemon = rig.start_daemon()
    until(begun.exists, what="the check runs")

    assert rig.dt("pause", task_id).code == 0
    gate.touch()

    rig.wait_for(task_id, "paused", "completed")
    assert rig.task(task_id).status is Status.PAUSED
    daemon.stop()
    rig.assert_sound(all_final=False)
