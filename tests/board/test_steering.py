"""The verbs without a claim: how people and the monitor steer tasks, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import (
    IllegalTransition,
    InvalidInput,
    InvalidTask,
    StaleToken,
    TaskChanged,
)
from dreamos_tasks.model.plan import ErrorCategory, StepResult, StepStatus
from dreamos_tasks.model.task import Priority, ProcessIdentity, Status, TaskDraft
from tests.board.conftest import RULES
from tests.board.tasks import PROCESS, add, claim, types
from tests.fakes import START, FakeClock, at

pytestmark = pytest.mark.usefixtures("replayed")


# -- steering


def test_a_paused_task_loses_its_claim_and_keeps_its_steps(nexus: TaskNexus) -> None:
    claim(nexus)
    nexus.record_step("a", StepResult(name="build", status=StepStatus.COMPLETED), token=1)

    paused = nexus.pause_task("a", by="cli", reason="wait")
    assert (paused.status, paused.claim, len(paused.steps)) == (Status.PAUSED, None, 1)
    with pytest.raises(StaleToken):
        nexus.mark_task_completed("a", token=1)
    resumed = nexus.resume_task("a", by="cli")
    assert (resumed.status, resumed.steps) == (Status.PENDING, paused.steps)
    assert nexus.claim_task("a", "ada").last_token == 2


def test_a_cancelled_task_is_final_whoever_held_it(nexus: TaskNexus) -> None:
    claim(nexus)

    task = nexus.cancel_task("a", by="cli", reason="not needed")

    assert (task.status, task.claim, task.finished_at) == (Status.CANCELLED, None, START)
    with pytest.raises(StaleToken):
        nexus.mark_task_completed("a", token=1)


def test_a_retried_task_starts_afresh_but_repeats_no_completed_step(nexus: TaskNexus, clock: FakeClock) -> None:
    claim(nexus)
    nexus.record_step("a", StepResult(name="build", status=StepStatus.COMPLETED), token=1)
    nexus.mark_task_failed("a", "ada", error="wrong")
    clock.advance(60)

    task = nexus.retry_task("a", by="cli")

    assert (task.status, task.failures, task.finished_at, task.pending_since) == (Status.PENDING, 0, None, at(60))
    assert [step.status for step in task.steps] == ["completed"]


def test_an_edit_changes_what_was_asked_for_and_nothing_else(nexus: TaskNexus) -> None:
    before = claim(nexus)

    task = nexus.edit_task(
        "a", {"title": "better", "priority": "high", "tags": ("x", "x"), "extra": {"n": 1}}, by="cli"
    )

    assert (task.title, task.priority, task.tags, task.extra) == ("better", Priority.HIGH, ("x",), {"n": 1})
    assert (task.claim, task.status) == (before.claim, before.status)
    assert nexus.events(task_id="a")[-1].changes == {
        "title": "better", "priority": "high", "tags": ["x"], "extra": {"n": 1},
    }  # fmt: skip


def test_an_edit_that_changes_nothing_writes_nothing(nexus: TaskNexus) -> None:
    before = add(nexus)

    assert nexus.edit_task("a", {"title": "do a", "priority": "medium"}, by="cli") == before
    assert types(nexus) == ["added"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"status": "completed"}, "/status"),
        ({"task_id": "b"}, "/task_id"),
        ({"claim": None}, "/claim"),
        ({"title": ""}, "/title"),
        ({"title": "x" * 501}, "/title"),
        ({"priority": "soonish"}, "/priority"),
        ({"tags": ("a b",)}, "/tags/0"),
        ({"depends_on": ("a",)}, "/depends_on"),
        ({"depends_on": ("nobody",)}, "/depends_on/0"),
        ({"parent_id": "nobody"}, "/parent_id"),
    ],
    ids=str,
)
def test_an_edit_against_the_rules_is_refused_with_its_place(
    nexus: TaskNexus, fields: dict[str, Any], pointer: str
) -> None:
    before = add(nexus)

    with pytest.raises(InvalidTask) as caught:
        nexus.edit_task("a", fields, by="cli")
    assert caught.value.pointer == pointer
    assert nexus.get_task_by_id("a") == before


@pytest.mark.parametrize("verb", ["pause", "cancel", "edit", "stall", "note", "reassign", "escalate"])
def test_steering_a_task_whose_lease_has_run_out_writes_that_down_first(
    nexus: TaskNexus, clock: FakeClock, verb: str
) -> None:
    claim(nexus)
    clock.advance(901)
    act: dict[str, Callable[[], object]] = {
        "pause": lambda: nexus.pause_task("a", by="cli"),
        "cancel": lambda: nexus.cancel_task("a", by="cli"),
        "edit": lambda: nexus.edit_task("a", {"title": "y"}, by="cli"),
        "stall": lambda: nexus.mark_task_stalled("a", by="monitor", reason="x"),
        "note": lambda: nexus.note_stall("a", by="monitor", strategy="log_only", reason="x"),
        "reassign": lambda: nexus.reassign_task("a", by="monitor", reason="x"),
        "escalate": lambda: nexus.escalate_task("a", TaskDraft(title="look"), by="monitor", reason="x"),
    }
    act[verb]()

    assert types(nexus)[2] == "lease_expired"
    assert nexus.get_task_by_id("a").lost_leases == 1
    assert nexus.get_task_by_id("a").claim is None


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "paused", "pending", "stalled"])
def test_a_task_is_brought_into_a_state_by_the_verb_that_leads_there(nexus: TaskNexus, status: str) -> None:
    add(nexus)
    if status != "stalled":
        assert nexus.update_task_status("a", "in_progress", agent_id="ada").status is Status.IN_PROGRESS

    task = nexus.update_task_status("a", status, {"n": 1} if status == "completed" else None, agent_id="ada")

    assert task.status == status
    assert task.result == ({"n": 1} if status == "completed" else None)


@pytest.mark.parametrize("status", ["paused", "failed", "cancelled"])
def test_back_to_pending_is_the_verb_that_fits_the_state(nexus: TaskNexus, status: str) -> None:
    claim(nexus)
    nexus.update_task_status("a", status, "why", agent_id="ada", token=None)

    assert nexus.update_task_status("a", "pending", agent_id="ada").status is Status.PENDING


def test_a_failure_by_status_keeps_its_message(nexus: TaskNexus) -> None:
    claim(nexus)

    task = nexus.update_task_status("a", "failed", "out of ideas", agent_id="ada")

    assert task.error is not None
    assert task.error.message == "out of ideas"


@pytest.mark.parametrize("status", ["awaiting_approval", "blocked", "ready", "done", ""])
def test_a_state_that_nobody_can_set_is_refused_with_those_that_can_be_set(nexus: TaskNexus, status: str) -> None:
    add(nexus)

    with pytest.raises(InvalidInput) as caught:
        nexus.update_task_status("a", status)
    assert "completed" in caught.value.fix


def test_a_state_out_of_order_is_refused_as_its_verb_is(nexus: TaskNexus) -> None:
    add(nexus)

    for status in ("completed", "failed", "pending"):
        with pytest.raises(IllegalTransition):
            nexus.update_task_status("a", status, agent_id="ada")


# -- stalls


def test_a_stalled_task_is_marked_and_can_still_be_claimed(nexus: TaskNexus, clock: FakeClock) -> None:
    add(nexus)
    clock.advance(3600)

    task = nexus.mark_task_stalled("a", by="monitor", reason="an hour")
    assert (task.status, task.stall_noted_at, task.pending_since) == (Status.STALLED, at(3600), START)
    assert nexus.claim_task("a", "ada").stall_noted_at is None


def test_a_reassigned_task_is_open_to_all_and_its_clock_starts_anew(nexus: TaskNexus, clock: FakeClock) -> None:
    add(nexus, assigned_to="ben")
    nexus.claim_task("a", "ben")
    clock.advance(60)

    task = nexus.reassign_task("a", by="monitor", reason="silent")

    assert (task.status, task.claim, task.assigned_to, task.pending_since) == (Status.PENDING, None, None, at(60))
    assert nexus.events(task_id="a")[-1].detail == {"reason": "silent", "assigned_to": "ben", "agent_id": "ben"}
    with pytest.raises(StaleToken):
        nexus.mark_task_completed("a", token=1)


def test_an_escalation_is_added_and_noted_in_one_commit(nexus: TaskNexus, rings: list[int]) -> None:
    add(nexus)
    before = len(rings)

    stalled, escalation = nexus.escalate_task(
        "a", TaskDraft(title="look at a", task_id="esc", related_task_id="a"), by="monitor", reason="x"
    )

    assert (stalled.stall_noted_at, escalation.related_task_id) == (START, "a")
    assert nexus.events(task_id="a")[-1].detail == {"strategy": "escalate", "reason": "x", "escalation": "esc"}
    assert len(rings) == before + 1


def test_what_was_decided_on_an_old_look_is_refused(nexus: TaskNexus) -> None:
    seen = add(nexus)
    nexus.claim_task("a", "ada")

    for act in (
        lambda: nexus.mark_task_stalled("a", by="m", reason="x", seen=seen),
        lambda: nexus.reassign_task("a", by="m", reason="x", seen=seen),
        lambda: nexus.note_stall("a", by="m", strategy="log_only", reason="x", seen=seen),
        lambda: nexus.escalate_task("a", TaskDraft(title="y"), by="m", reason="x", seen=seen),
    ):
        with pytest.raises(TaskChanged):
            act()
    assert types(nexus) == ["added", "claimed"]
    assert nexus.reassign_task("a", by="m", reason="x", seen=nexus.get_task_by_id("a")).status is Status.PENDING


# -- looking after claims


def test_leases_that_ran_out_are_written_down_once(nexus: TaskNexus, clock: FakeClock) -> None:
    for task_id in ("a", "b", "c"):
        claim(nexus, task_id)
    clock.advance(600)
    nexus.heartbeat("c", "ada")
    clock.advance(300)

    assert [task.task_id for task in nexus.expire_leases()] == ["a", "b"]
    assert nexus.expire_leases() == []
    task = nexus.get_task_by_id("a")
    assert (task.status, task.lost_leases, task.pending_since) == (Status.PENDING, 1, at(900))
    assert nexus.events(task_id="a")[-1].detail == {
        "agent_id": "ada", "token": 1, "lease_until": "2026-03-01T09:15:00.000000Z",
    }  # fmt: skip


def lose_a_lease(nexus: TaskNexus, clock: FakeClock, agent_id: str) -> None:
    task = nexus.get_next_task(agent_id)
    assert task is not None
    assert task.claim is not None
    clock.advance((task.claim.lease_until - clock.now()).total_seconds())


def test_a_task_that_ends_whoever_takes_it_fails_in_the_end(nexus: TaskNexus, clock: FakeClock) -> None:
    add(nexus)
    for number in range(3):
        lose_a_lease(nexus, clock, f"agent-{number}")
        nexus.expire_leases()

    task = nexus.get_task_by_id("a")
    assert (task.status, task.lost_leases) == (Status.FAILED, RULES.max_lost_leases)
    assert task.error is not None
    assert task.error.category is ErrorCategory.RESOURCE
    assert "agent-2" in task.error.cause


def test_it_fails_too_when_nobody_but_claiming_agents_looks_after_leases(nexus: TaskNexus, clock: FakeClock) -> None:
    add(nexus, "deadly", priority="high")
    add(nexus, "harmless")
    for number in range(3):
        lose_a_lease(nexus, clock, f"agent-{number}")

    task = nexus.get_next_task("ada")

    assert task is not None
    assert task.task_id == "harmless"
    assert nexus.get_task_by_id("deadly").status is Status.FAILED
    assert types(nexus, "deadly")[-1] == "failed"


def test_a_person_may_claim_it_by_name_all_the_same(nexus: TaskNexus, clock: FakeClock) -> None:
    add(nexus)
    for number in range(3):
        lose_a_lease(nexus, clock, f"agent-{number}")

    assert nexus.claim_task("a", "ada").status is Status.IN_PROGRESS


def test_claims_of_dead_processes_are_taken_back_and_no_others(nexus: TaskNexus) -> None:
    dead = ProcessIdentity(pid=8, started_ticks=1, boot_id="boot-1", instance="dead")
    for task_id, agent_id, process in (
        ("dead", "daemon", dead),
        ("alive", "daemon", PROCESS),
        ("by hand", "daemon", None),
        ("other", "ben", dead),
    ):
        name = task_id.replace(" ", "-")
        add(nexus, name)
        nexus.claim_task(name, agent_id, process=process)

    back = nexus.recover_claims("daemon", is_alive=lambda process: process == PROCESS, by="daemon")

    assert [task.task_id for task in back] == ["dead"]
    assert (back[0].status, back[0].lost_leases) == (Status.PENDING, 0)
    assert nexus.stats()["status"] == {"pending": 1, "in_progress": 3}
    with pytest.raises(StaleToken):
        nexus.mark_task_completed("dead", token=1)
