"""Faults 18 and 19: a step that wants the whole machine ends as `resource`, and nobody else notices."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import pytest

from dreamos_tasks.app.status_socket import ask_status
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Status, TaskDraft
from tests.torture.processes import processes_of
from tests.torture.rig import Rig
from tests.torture.waiting import until

pytestmark = pytest.mark.torture

MIB = 1 << 20
# The daemon answers within a second (long run); on a machine that runs other tests beside it, the answer comes at all.
PATIENCE_SECONDS = {True: 1.0, False: 20.0}
FORKS = {True: 12, False: 10}  # 2^n processes, which end by themselves after 30 s if nobody ends them


def add(rig: Rig, title: str, command: Sequence[str] | str, **limits: int) -> str:
    line = command if isinstance(command, str) else list(command)
    draft = TaskDraft(
        title=title,
        plan=Plan(steps=(Step(name="s1", params={"command": line}),)),
        limits=limits,
        retry=RetryPolicy(max_attempts=1),
    )
    return rig.add(draft)


def slowest_answer_until_final(rig: Rig, task_id: str) -> float:
    answered = []

    def is_done() -> bool:
        begun = time.monotonic()
        until(lambda: ask_status(rig.home.status_socket) is not None, what="an answer")
        answered.append(time.monotonic() - begun)
        return rig.task(task_id).is_final

    until(is_done, timeout_seconds=120, what=lambda: rig.log()[-2000:])
    return max(answered)


@pytest.mark.parametrize("each", ["", " or os.setsid()"], ids=["one group", "each in its own session"])
def test_a_fork_bomb_ends_as_resource_while_the_daemon_answers(rig: Rig, long_run: bool, each: str) -> None:
    """Fault 18."""
    bomb = "\n".join(["import os, time", *[f"os.fork(){each}"] * FORKS[long_run], "time.sleep(30)"])
    daemon = rig.start_daemon()
    neighbour = add(rig, "neighbour", "sleep 1; echo well")

    task_id = add(rig, "bomb", [sys.executable, "-c", bomb], processes=200)
    slowest = slowest_answer_until_final(rig, task_id)

    task = rig.task(task_id)
    assert task.status is Status.FAILED
    assert task.error is not None
    assert task.error.category is ErrorCategory.RESOURCE
    assert "it may have 200 processes" in task.error.message
    assert slowest < PATIENCE_SECONDS[long_run], "the daemon answers while the bomb burns"
    usage = task.steps[0].usage
    assert usage is not None
    assert usage.peak_processes > 200
    assert rig.wait_for(neighbour, "final").status is Status.COMPLETED
    until(lambda: not processes_of(rig.home.path), what="nothing of it is left")
    daemon.stop()
    rig.assert_sound()


def test_a_memory_hog_ends_as_resource_and_its_neighbour_goes_on(rig: Rig, long_run: bool) -> None:
    """Fault 19."""
    hog = "held = []\nwhile True: held.append(bytearray(b'x') * (1 << 20))"
    daemon = rig.start_daemon()
    neighbour = add(rig, "neighbour", "sleep 1; echo well")

    task_id = add(rig, "hog", [sys.executable, "-c", hog], memory_bytes=200 * MIB)
    slowest = slowest_answer_until_final(rig, task_id)

    task = rig.task(task_id)
    assert task.status is Status.FAILED
    assert task.error is not None
    assert task.error.category is ErrorCategory.RESOURCE
    assert "it may hold 200 MiB of memory" in task.error.message
    assert any("limits.memory_bytes" in suggestion for suggestion in task.error.suggestions)
    assert slowest < PATIENCE_SECONDS[long_run]
    usage = task.steps[0].usage
    assert usage is not None
    assert usage.peak_memory_bytes > 200 * MIB
    assert rig.wait_for(neighbour, "final").status is Status.COMPLETED
    daemon.stop()
    rig.assert_sound()


def test_on_a_disk_without_room_no_task_is_started_and_status_says_why(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(limits={"disk_free_bytes": 2**49})
    daemon = rig.start_daemon()
    task_id = rig.add_journalled("waits", steps=1)
    until(lambda: daemon.report()["pressure"], what="it says so")

    assert "limits.disk_free_bytes" in daemon.report()["pressure"]
    until(lambda: "pressure" in rig.dt("status").out, what=lambda: rig.dt("status"))
    assert rig.task(task_id).status is Status.PENDING
