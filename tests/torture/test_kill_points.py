"""Fault 1: SIGKILL at each system call that writes, of claiming, recording a step, finishing, and taking in a file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from dreamos_tasks.model.task import Status, TaskDraft
from tests.torture.rig import Rig, on_each_file
from tests.torture.strace import (
    BOARD_WRITES,
    WRITES,
    KillPoint,
    attach,
    chosen,
    fatal,
    kill_points,
    killing,
    recording,
    require_strace,
    tracing,
)
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

KILLS = 4  # of each operation in the short run
KILLED = (-9, 137)


@on_each_file
@pytest.mark.parametrize("verb", ["add", "next", "complete"])
def test_a_command_killed_at_any_write_did_all_of_it_or_nothing(
    rig: Rig, rng: random.Random, long_run: bool, verb: str, tmp_path: Path
) -> None:
    require_strace()

    def prepared() -> list[str]:
        """What the verb needs, and its arguments."""
        if verb == "add":
            return ["add", "added"]
        task_id = rig.add(TaskDraft(title="to be done"))
        if verb == "next":
            return ["next", "--agent", "ada"]
        rig.nexus.claim_task(task_id, "ada")
        return ["complete", task_id, "--agent", "ada"]

    trace = tmp_path / "trace"
    rig.dt("list")  # the first command of a home writes more than the others, and so does the first to open the board
    assert rig.nexus.get_all_tasks() == []
    assert rig.dt(*prepared(), prefix=tracing(WRITES, trace)).code == 0
    points = kill_points(trace)
    assert len(points) > 3, trace.read_text()

    killed = 0
    for point in chosen(rng, points, KILLS, everything=long_run):
        arguments = prepared()
        before = rig.nexus.store.last_seq()
        answer = rig.dt(*arguments, prefix=killing(point))
        events = rig.nexus.events(after=before)

        assert answer.code in (*KILLED, 0), (point, answer)
        killed += answer.code != 0
        assert len(events) <= 1, (point, events)
        assert answer.code != 0 or len(events) == 1, (point, "acknowledged, and not there")
        rig.assert_sound(all_final=False)
        _finish_by_hand(rig)
    assert killed >= KILLS - 2, "this test has hardly killed anybody"
    rig.assert_sound()


def _finish_by_hand(rig: Rig) -> None:
    """What was not done is done by the same agent: the board works, and the claim, if it was made, is still there."""
    while (task := rig.nexus.get_next_task("ada")) is not None:
        assert task.claim is not None
    for task in rig.nexus.get_all_tasks(status="in_progress"):
        rig.nexus.mark_task_completed(task.task_id, "ada")


@pytest.mark.parametrize("store", ["sqlite", "json"])
def test_a_daemon_killed_at_any_write_of_a_run_goes_on_from_the_first_step_not_committed(
    make_rig: Callable[..., Rig], rng: random.Random, long_run: bool, tmp_path: Path, store: str
) -> None:
    require_strace()
    trace = tmp_path / "trace"
    counted = make_rig("counted", board={"store": store})
    daemon = counted.start_daemon()
    attach(counted, daemon.pid, recording(BOARD_WRITES, trace))
    counted.wait_for(counted.add_journalled("counted"), "final")
    daemon.kill()
    points = kill_points(trace)
    assert len(points) > 5, trace.read_text()

    rig = make_rig("killed", board={"store": store})
    for point in chosen(rng, points, KILLS, everything=long_run):
        _killed_in_a_run(rig, point)


def _killed_in_a_run(rig: Rig, point: KillPoint) -> None:
    daemon = rig.start_daemon()
    attach(rig, daemon.pid, fatal(point))
    task_id = rig.add_journalled(f"killed at {point}")
    until(
        lambda: daemon.process.poll() is not None or rig.task(task_id).is_final,
        what=lambda: f"killed at {point}, or done",
    )
    seen = rig.task(task_id)
    complete = {step.name for step in seen.steps if step.status == "completed"}
    before = len(rig.journal.entries())
    daemon.kill()

    follower = rig.start_daemon()
    task = rig.wait_for(task_id, "final")
    follower.stop()

    assert task.status is Status.COMPLETED, (point, task)
    assert not complete & {entry.step for entry in rig.journal.entries()[before:]}, "a step that was recorded ran again"
    rig.assert_sound()


def test_a_daemon_killed_at_any_write_of_taking_in_a_file_accepts_it_once(
    make_rig: Callable[..., Rig], rng: random.Random, long_run: bool, tmp_path: Path
) -> None:
    require_strace()
    trace = tmp_path / "trace"
    counted = make_rig("counted")
    daemon = counted.start_daemon()
    attach(counted, daemon.pid, recording(WRITES, trace))
    _drop(counted, "counted")
    until(lambda: len(_receipts(counted)) == 1, what=lambda: counted.log()[-2000:])
    daemon.kill()
    points = kill_points(trace)
    assert len(points) > 5, trace.read_text()

    rig = make_rig("killed")
    for point in chosen(rng, points, KILLS, everything=long_run):
        _killed_while_taking_in(rig, point)
    rig.assert_sound(all_final=False)


def _killed_while_taking_in(rig: Rig, point: KillPoint) -> None:
    name = f"file-{point.call}-{point.number}"
    daemon = rig.start_daemon()
    attach(rig, daemon.pid, fatal(point))
    _drop(rig, name)
    until(
        lambda: daemon.process.poll() is not None or name in _receipts(rig),
        what=lambda: f"killed at {point}, or taken in; log: {rig.log()[-2000:]}",
    )
    daemon.kill()

    follower = rig.start_daemon()
    until(lambda: name in _receipts(rig), what=lambda: f"{point}; log: {rig.log()[-2000:]}")
    follower.stop()

    told = [task.task_id for task in rig.nexus.get_all_tasks() if task.title.startswith(f"{name}:")]
    assert len(told) == 2, (point, told)
    assert sorted(_receipts(rig)[name]["task_ids"]) == sorted(told), point
    assert not list(rig.inbox.glob("*.json")), point


def _drop(rig: Rig, name: str) -> None:
    """Rename a file with two tasks for agents into the inbox."""
    beside = rig.home.path / f"{name}.part"
    beside.write_text(json.dumps([{"title": f"{name}: one"}, {"title": f"{name}: two"}]))
    beside.rename(rig.inbox / f"{name}.json")


def _receipts(rig: Rig) -> dict[str, dict[str, list[str]]]:
    """What was accepted, by the file's name."""
    found = (rig.inbox / "accepted").glob("*/*.receipt.json")
    return {path.name.split(".")[0]: json.loads(path.read_text()) for path in found}
