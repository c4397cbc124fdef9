"""The execution engine under kills: plans go on where they stood, people are asked once, and what they said holds."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dreamos_tasks.model.plan import ApprovalMode, Plan, Step
from dreamos_tasks.model.request import RequestState
from dreamos_tasks.model.task import Status, TaskDraft
from tests.torture.rig import Rig
from tests.torture.waiting import until

pytestmark = pytest.mark.torture


def five_steps(rig: Rig, rng: random.Random) -> Plan:
    """A plan of which three steps may run side by side, each noting itself; nothing in it minds running twice."""

    def step(name: str, *needs: str) -> Step:
        then = rng.choice(("true", "sleep 0.05", "sleep 0.2"))
        return Step(name=name, params={"command": rig.journal.command(then)}, needs=needs, idempotent=True)

    return Plan(steps=(step("a"), step("b", "a"), step("c", "a"), step("d", "a"), step("e", "b", "c", "d")))


def is_open(rig: Rig) -> bool:
    return any(rig.nexus.stats()["status"].get(word) for word in ("pending", "in_progress"))


def steps_done(rig: Rig) -> int:
    return sum(record.status == "completed" for task in rig.nexus.get_all_tasks() for record in task.steps)


def test_plans_go_on_where_they_stood_however_often_the_daemon_is_killed(
    rig: Rig, rng: random.Random, long_run: bool
) -> None:
    tasks = 500 if long_run else 12
    most_kills = 20 * tasks if long_run else 15  # a busy machine takes seconds for each life of the daemon
    for number in range(tasks):
        rig.add(TaskDraft(title=f"plan {number}", plan=five_steps(rig, rng)))
    kills = 0
    while is_open(rig):
        before = steps_done(rig)
        daemon = rig.start_daemon()
        if kills == most_kills:
            until(lambda: not is_open(rig), what="every plan is done")
        elif rng.random() < 0.8:  # else it is killed before it has got anywhere, perhaps
            until(lambda before=before: steps_done(rig) > before or not is_open(rig), what="a step is done")  # type: ignore[misc]
        daemon.live(rng.uniform(0.0, 2.0) if long_run else rng.uniform(0.0, 0.3))
        daemon.kill()
        kills += 1
        assert kills < 20 * tasks, "it gets nowhere"

    assert kills > 1
    done = rig.nexus.get_all_tasks()
    assert [task.status for task in done] == [Status.COMPLETED] * tasks
    for task in done:
        assert [record.status for record in task.steps] == ["completed"] * 5
    rig.start_daemon().stop()  # what the last kill left running is ended by the next one
    rig.assert_sound()


def test_a_step_that_may_not_run_twice_is_asked_about_after_a_kill_and_the_answer_holds(
    rig: Rig, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    command = rig.journal.command(f"until test -e '{gate}'; do sleep 0.05; done")
    task_id = rig.add(TaskDraft(title="once", plan=Plan(steps=(Step(name="s", params={"command": command}),))))
    daemon = rig.start_daemon()
    until(rig.journal.entries, what="the step runs")
    daemon.kill()

    follower = rig.start_daemon()
    task = rig.wait_for(task_id, "awaiting_approval")
    assert len(rig.journal.entries()) == 1, "nothing runs before somebody has said so"
    (step,) = rig.dt("show", task_id, "--json").json["steps"]
    assert (step["status"], step["cut"]) == ("paused", True)
    assert "cut off" in rig.dt("show", task_id).out
    follower.kill()
    gate.touch()
    assert rig.dt("answer", task_id, "run again", "--by", "eve").code == 0, task.requests
    rig.start_daemon()

    done = rig.wait_for(task_id, "final")
    assert (done.status, done.steps[0].attempt, len(rig.journal.entries())) == (Status.COMPLETED, 2, 2)
    rig.assert_sound()


def test_an_approval_outlives_daemons_on_both_sides_of_the_decision(rig: Rig) -> None:
    step = Step(name="s", params={"command": rig.journal.command()}, approval=ApprovalMode.REQUIRED)
    task_id = rig.add(TaskDraft(title="asks", plan=Plan(steps=(step,))))
    daemon = rig.start_daemon()
    rig.wait_for(task_id, "awaiting_approval")
    until(lambda: not daemon.report()["running"], what="waiting holds no place")
    daemon.kill()
    rig.start_daemon().kill()
    assert rig.task(task_id).status is Status.AWAITING_APPROVAL

    assert rig.dt("approve", task_id, "--by", "eve").code == 0
    rig.start_daemon()

    done = rig.wait_for(task_id, "final")
    assert (done.status, len(rig.journal.entries()), len(done.requests)) == (Status.COMPLETED, 1, 1)
    rig.assert_sound()


def test_nobody_deciding_in_time_rejects_also_when_the_daemon_was_dead_meanwhile(rig: Rig, tmp_path: Path) -> None:
    rig = Rig(tmp_path / "other", {"approvals": {"expires_seconds": 0.5}})
    try:
        step = Step(name="s", params={"command": rig.journal.command()}, approval=ApprovalMode.REQUIRED)
        task_id = rig.add(TaskDraft(title="asks", plan=Plan(steps=(step,))))
        daemon = rig.start_daemon()
        asked = rig.wait_for(task_id, "awaiting_approval", "failed")
        daemon.kill()
        until(lambda: all(one.expires_at and one.expires_at <= rig.nexus.clock.now() for one in asked.requests))
        assert rig.dt("approve", task_id, "--by", "eve").code == 4
        rig.start_daemon()

        failed = rig.wait_for(task_id, "final")
        assert (failed.status, failed.requests[0].state) == (Status.FAILED, RequestState.EXPIRED)
        assert rig.journal.entries() == []
        rig.assert_sound()
    finally:
        rig.close()


@pytest.mark.parametrize(("then", "status"), [("resume", Status.COMPLETED), ("cancel", Status.CANCELLED)])
def test_a_pause_that_ends_by_itself_does_so_whether_or_not_a_daemon_was_there(
    rig: Rig, then: str, status: Status
) -> None:
    task_id = rig.add_journalled("rests", steps=1)
    assert rig.dt("pause", task_id, "--for", "2s", "--then", then).code == 0
    pause = rig.task(task_id).pause
    assert pause is not None
    assert pause.until is not None
    rig.start_daemon().kill()
    assert rig.task(task_id).status is Status.PAUSED or rig.nexus.clock.now() >= pause.until
    rig.start_daemon()

    assert rig.wait_for(task_id, "final").status is status
    rig.assert_sound()
