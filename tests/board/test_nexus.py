"""Claiming and holding: what each verb does, whom it refuses, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.errors import (
    ClaimHeld,
    IllegalTransition,
    InvalidInput,
    NotClaimable,
    StaleToken,
)
from dreamos_tasks.model.outcome import Cancelled, RetryLater, Snoozed
from dreamos_tasks.model.plan import Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.task import Progress, Status
from tests.board.tasks import PROCESS, TRANSIENT, add, claim, types
from tests.fakes import START, FakeClock, at

pytestmark = pytest.mark.usefixtures("replayed")


# -- claiming


def test_a_claim_is_a_lease_with_a_token(nexus: TaskNexus) -> None:
    task = claim(nexus)

    assert task.status is Status.IN_PROGRESS
    assert task.claim is not None
    assert (task.claim.agent_id, task.claim.token) == ("ada", 1)
    assert (task.claim.claimed_at, task.claim.heartbeat_at, task.claim.lease_until) == (START, START, at(900))
    assert (task.attempt, task.started_at) == (1, START)


def test_another_agents_claim_is_refused_with_the_holder_and_the_deadline(nexus: TaskNexus) -> None:
    claim(nexus)

    with pytest.raises(ClaimHeld) as caught:
        nexus.claim_task("a", "ben")
    assert (caught.value.holder, caught.value.lease_until) == ("ada", "2026-03-01T09:15:00.000000Z")


def test_claiming_what_one_holds_succeeds_with_the_same_token_and_writes_nothing(nexus: TaskNexus) -> None:
    first = claim(nexus)

    assert nexus.claim_task("a", "ada") == first
    assert types(nexus) == ["added", "claimed"]


def test_tokens_grow_with_each_claim(nexus: TaskNexus) -> None:
    add(nexus)
    tokens = []
    for agent_id in ("ada", "ben", "ada"):
        task = nexus.claim_task("a", agent_id)
        tokens.append(task.last_token)
        nexus.release_task("a", agent_id)

    assert tokens == [1, 2, 3]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"depends_on": ("other",)}, "it depends on other, which is not completed"),
        ({"not_before": at(60)}, "it starts not before 2026-03-01T09:01:00.000000Z"),
        ({"assigned_to": "ben"}, "it is assigned to ben"),
    ],
)
def test_a_task_that_cannot_start_is_not_claimed_and_says_why(
    nexus: TaskNexus, fields: dict[str, Any], reason: str
) -> None:
    add(nexus, "other")
    add(nexus, "a", **fields)

    with pytest.raises(NotClaimable) as caught:
        nexus.claim_task("a", "ada")
    assert caught.value.reasons == (reason,)
    assert types(nexus) == ["added"]


def test_who_claims_by_id_vouches_for_what_the_task_requires(nexus: TaskNexus) -> None:
    add(nexus, requires=("gpu",))

    with pytest.raises(NotClaimable, match="cannot claim"):
        nexus.claim_task("a", "ada", capabilities=())
    assert nexus.claim_task("a", "ada").status is Status.IN_PROGRESS


def test_a_task_with_a_plan_may_be_claimed_by_id_by_anyone(nexus: TaskNexus) -> None:
    add(nexus, plan=Plan(steps=(Step(name="run"),)))

    assert nexus.get_next_task("ada") is None
    assert nexus.claim_task("a", "ada").status is Status.IN_PROGRESS


def test_the_process_that_claims_is_remembered(nexus: TaskNexus) -> None:
    add(nexus)
    task = nexus.get_next_task("daemon", process=PROCESS)

    assert task is not None
    assert task.claim is not None
    assert task.claim.process == PROCESS


def test_mark_task_in_progress_is_claiming(nexus: TaskNexus) -> None:
    add(nexus)

    assert nexus.mark_task_in_progress("a", "ada").status is Status.IN_PROGRESS


# -- holding


def test_a_heartbeat_prolongs_the_lease_and_leaves_no_event(nexus: TaskNexus, clock: FakeClock) -> None:
    claim(nexus)
    clock.advance(600)

    task = nexus.heartbeat("a", "ada")

    assert task.claim is not None
    assert (task.claim.lease_until, task.claim.heartbeat_at) == (at(1500), at(600))
    assert types(nexus) == ["added", "claimed"]


def test_a_heartbeat_never_shortens_a_lease(nexus: TaskNexus, clock: FakeClock) -> None:
    claim(nexus)
    impatient = TaskNexus(nexus.store, clock, rules=BoardRules(lease_seconds=1))

    task = impatient.heartbeat("a", token=1)

    assert task.claim is not None
    assert task.claim.lease_until == at(900)


WRITES: dict[str, Callable[..., object]] = {
    "heartbeat": lambda nexus, **who: nexus.heartbeat("a", **who),
    "progress": lambda nexus, **who: nexus.record_progress("a", Progress(percent=1), **who),
    "step": lambda nexus, **who: nexus.record_step("a", StepResult(name="s", status=StepStatus.RUNNING), **who),
    "complete": lambda nexus, **who: nexus.mark_task_completed("a", **who),
    "fail": lambda nexus, **who: nexus.mark_task_failed("a", error="no", **who),
    "retry later": lambda nexus, **who: nexus.settle("a", RetryLater(error=TRANSIENT), **who),
    "snooze": lambda nexus, **who: nexus.settle("a", Snoozed(reason="x"), **who),
    "cancel": lambda nexus, **who: nexus.settle("a", Cancelled(reason="x"), **who),
    "release": lambda nexus, **who: nexus.release_task("a", **who),
    "verification": lambda nexus, **who: nexus.reject_verification("a", TRANSIENT, **who),
}
write = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())


@write
@pytest.mark.parametrize("who", [{"agent_id": "ada"}, {"token": 1}, {"agent_id": "ada", "token": 1}], ids=str)
def test_the_holder_may_write_by_name_or_token(
    nexus: TaskNexus, write: Callable[..., object], who: dict[str, Any]
) -> None:
    claim(nexus)

    write(nexus, **who)


@write
@pytest.mark.parametrize(
    "who",
    [{"agent_id": "ben"}, {"token": 2}, {"agent_id": "ben", "token": 1}, {"agent_id": "ada", "token": 2}, {}],
    ids=str,
)
def test_nobody_else_may_and_nothing_is_changed(
    nexus: TaskNexus, write: Callable[..., object], who: dict[str, Any]
) -> None:
    before = claim(nexus)

    with pytest.raises(StaleToken) as caught:
        write(nexus, **who)
    assert caught.value.holder == "ada"
    assert nexus.get_task_by_id("a") == before
    assert types(nexus) == ["added", "claimed"]


@write
def test_a_late_writer_is_refused_from_the_instant_its_lease_has_run_out(
    nexus: TaskNexus, clock: FakeClock, write: Callable[..., object]
) -> None:
    claim(nexus)
    clock.advance(900)

    with pytest.raises(StaleToken) as caught:
        write(nexus, agent_id="ada", token=1)
    assert caught.value.holder is None
    assert nexus.get_task_by_id("a").status is Status.PENDING


@write
def test_a_late_writer_is_told_who_holds_the_task_now(
    nexus: TaskNexus, clock: FakeClock, write: Callable[..., object]
) -> None:
    claim(nexus)
    clock.advance(901)
    nexus.claim_task("a", "ben")

    with pytest.raises(StaleToken, match="ben holds it until"):
        write(nexus, token=1)


@write
def test_without_a_claim_there_is_nothing_to_write_under(nexus: TaskNexus, write: Callable[..., object]) -> None:
    add(nexus)

    with pytest.raises(IllegalTransition) as caught:
        write(nexus, agent_id="ada")
    assert caught.value.state == "pending"
    assert "claim" in caught.value.legal
    with pytest.raises(StaleToken):
        write(nexus, agent_id="ada", token=1)


def test_progress_is_kept_and_is_a_sign_of_life(nexus: TaskNexus, clock: FakeClock) -> None:
    claim(nexus)
    clock.advance(60)

    task = nexus.record_progress("a", Progress(percent=40, note="half", step="build"), agent_id="ada")

    assert task.progress == Progress(percent=40, note="half", step="build", at=at(60))
    assert task.claim is not None
    assert (task.claim.heartbeat_at, task.claim.lease_until) == (at(60), at(900))


def test_a_percentage_holds_until_another_is_said_and_no_longer_than_the_claim(
    nexus: TaskNexus, clock: FakeClock
) -> None:
    claim(nexus)
    nexus.record_progress("a", Progress(percent=40), agent_id="ada")

    noted = nexus.record_progress("a", Progress(note="half"), agent_id="ada")
    nexus.release_task("a", "ada")
    clock.advance(1)
    nexus.claim_task("a", "bob")
    later = nexus.record_progress("a", Progress(note="begun anew"), agent_id="bob")

    assert noted.progress == Progress(percent=40, note="half", at=START)
    assert later.progress == Progress(note="begun anew", at=at(1))


@pytest.mark.parametrize("percent", [-1, 500, float("nan"), "40", True])
def test_what_is_no_percentage_is_refused(nexus: TaskNexus, percent: Any) -> None:
    claim(nexus)

    with pytest.raises(InvalidInput):
        nexus.record_progress("a", Progress(percent=percent), agent_id="ada")
    assert nexus.get_task_by_id("a").progress is None


def test_a_step_recorded_complete_is_never_recorded_again(nexus: TaskNexus) -> None:
    claim(nexus)
    for status in (StepStatus.RUNNING, StepStatus.FAILED, StepStatus.RUNNING, StepStatus.COMPLETED):
        task = nexus.record_step("a", StepResult(name="build", status=status), token=1)
    task = nexus.record_step("a", StepResult(name="test", status=StepStatus.RUNNING), token=1)

    assert [(step.name, step.status) for step in task.steps] == [("build", "completed"), ("test", "running")]
    with pytest.raises(IllegalTransition, match="build"):
        nexus.record_step("a", StepResult(name="build", status=StepStatus.RUNNING), token=1)
    assert types(nexus)[2:] == ["step_started", "step_failed", "step_started", "step_completed", "step_started"]
