"""The verbs of the board: what each does, whom it refuses, and what it leaves behind."""

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
    InvalidTask,
    NotClaimable,
    Refused,
    StaleToken,
    TaskChanged,
    TaskNotFound,
    VerificationFailed,
)
from dreamos_tasks.model.outcome import Cancelled, Failed, RetryLater, Snoozed, Succeeded
from dreamos_tasks.model.plan import ErrorCategory, Evidence, Plan, Step, StepResult, StepStatus, TaskError
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Priority, ProcessIdentity, Progress, Status, Task, TaskDraft
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.replay import replay_problems
from tests.board.conftest import RULES
from tests.fakes import START, FakeClock, at

TRANSIENT = TaskError(category=ErrorCategory.TRANSIENT, message="no network")
PROCESS = ProcessIdentity(pid=7, started_ticks=99, boot_id="boot-1", instance="abc")
GREEN = Evidence(step="test", command="make test", exit_code=0, log_sha256="0" * 64, git_commit="abc", at=START)


def add(nexus: TaskNexus, task_id: str = "a", **fields: Any) -> Task:
    return nexus.add_task(TaskDraft(title=f"do {task_id}", task_id=task_id, **fields))


def claim(nexus: TaskNexus, task_id: str = "a", agent_id: str = "ada", **fields: Any) -> Task:
    add(nexus, task_id, **fields)
    return nexus.claim_task(task_id, agent_id)


def types(nexus: TaskNexus, task_id: str = "a") -> list[str]:
    return [event.type.value.removeprefix("task_") for event in nexus.events(task_id=task_id)]


@pytest.fixture(autouse=True)
def _the_log_tells_the_board(nexus: TaskNexus) -> Any:
    yield
    assert replay_problems(nexus.store.find(TaskQuery(), now=START), nexus.events(limit=10_000)) == ()


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


def test_a_step_recorded_complete_is_never_recorded_again(nexus: TaskNexus) -> None:
    claim(nexus)
    for status in (StepStatus.RUNNING, StepStatus.FAILED, StepStatus.RUNNING, StepStatus.COMPLETED):
        task = nexus.record_step("a", StepResult(name="build", status=status), token=1)
    task = nexus.record_step("a", StepResult(name="test", status=StepStatus.RUNNING), token=1)

    assert [(step.name, step.status) for step in task.steps] == [("build", "completed"), ("test", "running")]
    with pytest.raises(IllegalTransition, match="build"):
        nexus.record_step("a", StepResult(name="build", status=StepStatus.RUNNING), token=1)
    assert types(nexus)[2:] == ["step_started", "step_failed", "step_started", "step_completed", "step_started"]


# -- ending an attempt


def test_a_completed_task_is_final_and_holds_its_result(nexus: TaskNexus, clock: FakeClock) -> None:
    claim(nexus)
    clock.advance(60)

    task = nexus.mark_task_completed("a", "ada", result={"files": 3})

    assert (task.status, task.result, task.claim, task.finished_at) == (Status.COMPLETED, {"files": 3}, None, at(60))
    with pytest.raises(IllegalTransition):
        nexus.mark_task_completed("a", "ada")
    with pytest.raises(IllegalTransition):
        nexus.cancel_task("a", by="cli")
    with pytest.raises(IllegalTransition):
        nexus.claim_task("a", "ada")


@pytest.mark.parametrize(
    "result",
    [None, 3, "text", [1, {"a": None}], {"status": "success"}, {"status": "success", "message": "ok", "data": [1]}, {}],
)
def test_any_json_value_is_a_result(nexus: TaskNexus, result: Any) -> None:
    claim(nexus)

    assert nexus.mark_task_completed("a", "ada", result=result).result == result


def test_a_result_is_kept_in_its_json_form(nexus: TaskNexus) -> None:
    claim(nexus)

    task = nexus.mark_task_completed("a", "ada", result={"files": ("a", "b"), "how": Priority.HIGH})

    assert task.result == {"files": ["a", "b"], "how": "high"}


@pytest.mark.parametrize(
    ("payload", "message", "cause"),
    [
        ({"status": "error", "error_code": "E7", "message": "broke"}, "broke", "E7"),
        ({"status": "error", "error_code": "E7", "message": "broke", "details": {"n": 1}}, "broke", "E7: {'n': 1}"),
        ({"status": "error", "message": "broke"}, "broke", "error"),
    ],
)
def test_a_result_that_says_error_fails_the_task(
    nexus: TaskNexus, payload: dict[str, Any], message: str, cause: str
) -> None:
    claim(nexus)

    task = nexus.mark_task_completed("a", "ada", result=payload)

    assert task.status is Status.FAILED
    assert task.error == TaskError(category=ErrorCategory.LOGIC, message=message, cause=cause)


def test_a_result_that_says_error_without_a_message_is_refused(nexus: TaskNexus) -> None:
    claim(nexus)

    with pytest.raises(InvalidInput) as caught:
        nexus.mark_task_completed("a", "ada", result={"status": "error", "error_code": "E7"})
    assert caught.value.pointer == "/result/message"
    assert nexus.get_task_by_id("a").status is Status.IN_PROGRESS


@pytest.mark.parametrize(
    "result", [{"status": "error", "note": "mine"}, {"status": "done"}, {"status": "success", "n": 1}]
)
def test_a_result_of_another_form_is_just_a_result(nexus: TaskNexus, result: dict[str, Any]) -> None:
    claim(nexus)

    task = nexus.mark_task_completed("a", "ada", result=result)

    assert (task.status, task.result) == (Status.COMPLETED, result)


def test_a_failure_of_the_work_itself_is_not_tried_again_by_the_boards_policy(nexus: TaskNexus) -> None:
    claim(nexus)

    task = nexus.mark_task_failed("a", "ada", error="wrong")

    assert (task.status, task.failures, task.claim) == (Status.FAILED, 1, None)
    assert task.error == TaskError(category=ErrorCategory.LOGIC, message="wrong")


def test_a_transient_failure_is_tried_again_with_growing_pauses_until_its_attempts_are_spent(
    nexus: TaskNexus, clock: FakeClock
) -> None:
    add(nexus)
    pauses = []
    for _ in range(2):
        nexus.claim_task("a", "ada")
        task = nexus.mark_task_failed("a", "ada", error=TRANSIENT)
        assert task.status is Status.PENDING
        assert task.not_before is not None
        pauses.append((task.not_before - clock.now()).total_seconds())
        clock.advance(pauses[-1])
    nexus.claim_task("a", "ada")
    task = nexus.mark_task_failed("a", "ada", error=TRANSIENT)

    assert pauses == [2, 4]
    assert (task.status, task.failures, task.attempt) == (Status.FAILED, 3, 3)
    assert types(nexus) == ["added", *["claimed", "retry_scheduled"] * 2, "claimed", "failed"]


def test_a_task_with_a_policy_of_its_own_is_tried_again_after_failures_of_the_work(nexus: TaskNexus) -> None:
    claim(nexus, retry=RetryPolicy(max_attempts=2, base_seconds=0))

    assert nexus.mark_task_failed("a", "ada", error="wrong").status is Status.PENDING
    nexus.claim_task("a", "ada")
    assert nexus.mark_task_failed("a", "ada", error="wrong").status is Status.FAILED


def test_trying_later_spends_no_attempt_until_there_were_too_many(nexus: TaskNexus, clock: FakeClock) -> None:
    add(nexus, retry=RetryPolicy(max_deferrals=2, jitter="none"))
    for _ in range(2):
        nexus.claim_task("a", "ada")
        task = nexus.settle("a", RetryLater(error=TRANSIENT), agent_id="ada")
        assert (task.status, task.failures) == (Status.PENDING, 0)
        clock.advance(100)
    nexus.claim_task("a", "ada")

    assert nexus.settle("a", RetryLater(error=TRANSIENT), agent_id="ada").status is Status.FAILED


def test_a_released_task_goes_back_with_its_reason_and_counts_nothing(nexus: TaskNexus) -> None:
    claim(nexus)

    task = nexus.release_task("a", "ada", reason="lunch")

    assert (task.status, task.claim, task.failures, task.pending_since) == (Status.PENDING, None, 0, START)
    assert nexus.events(task_id="a")[-1].detail == {"reason": "lunch"}


def test_completing_and_claiming_the_next_is_one_commit(nexus: TaskNexus, rings: list[int]) -> None:
    claim(nexus, "a")
    add(nexus, "b", depends_on=("a",), tags=("core",))
    before = len(rings)

    done, following = nexus.complete_and_claim_next("a", Succeeded(result=1), "ada", tags=("core",))

    assert done.status is Status.COMPLETED
    assert following is not None
    assert following.task_id == "b"
    assert len(rings) == before + 1


def test_completing_without_a_next_task_completes(nexus: TaskNexus) -> None:
    claim(nexus)

    done, following = nexus.complete_and_claim_next("a", Succeeded(), "ada", token=1)

    assert (done.status, following) == (Status.COMPLETED, None)


def test_a_refused_completion_claims_nothing(nexus: TaskNexus) -> None:
    claim(nexus)
    add(nexus, "b")

    with pytest.raises(StaleToken):
        nexus.complete_and_claim_next("a", Succeeded(), "ada", token=7)
    assert nexus.get_task_by_id("b").status is Status.PENDING


def test_a_claim_that_breaks_takes_the_completion_with_it(clock: FakeClock) -> None:
    class BrokenStore(MemoryStore):
        is_broken = False

        def next_claimable(self, *args: Any, **kwargs: Any) -> Task | None:
            if self.is_broken:
                raise Refused("broken")
            return super().next_claimable(*args, **kwargs)

    store = BrokenStore()
    nexus = TaskNexus(store, clock)
    claim(nexus)
    store.is_broken = True

    with pytest.raises(Refused):
        nexus.complete_and_claim_next("a", Succeeded(), "ada")
    assert nexus.get_task_by_id("a").status is Status.IN_PROGRESS


# -- the gate


def test_a_task_with_checks_is_completed_only_with_a_green_record_of_each(nexus: TaskNexus) -> None:
    checks = (Step(name="test"), Step(name="lint"))
    before = claim(nexus, verify=checks)
    red = Evidence(step="lint", command="lint", exit_code=1, log_sha256="", git_commit=None, at=START)
    lint = Evidence(step="lint", command="lint", exit_code=0, log_sha256="", git_commit=None, at=START)

    for evidence in ((), (GREEN,), (GREEN, red), (lint,)):
        with pytest.raises(VerificationFailed):
            nexus.mark_task_completed("a", "ada", evidence=evidence)
        with pytest.raises(VerificationFailed):
            nexus.complete_and_claim_next("a", Succeeded(evidence=evidence), "ada")
    assert nexus.get_task_by_id("a") == before

    task = nexus.mark_task_completed("a", "ada", evidence=(lint, GREEN))
    assert (task.status, task.evidence) == (Status.COMPLETED, (lint, GREEN))


def test_a_red_check_is_kept_for_the_next_attempt_and_the_claim_goes_on(nexus: TaskNexus) -> None:
    claim(nexus, verify=(Step(name="test"),))
    red = TaskError(category=ErrorCategory.LOGIC, message="1 failed", cause="E  assert 1 == 2", step="test")

    refusal = nexus.reject_verification("a", red, agent_id="ada")

    assert isinstance(refusal, VerificationFailed)
    assert (refusal.step, refusal.cause) == ("test", "E  assert 1 == 2")
    task = nexus.get_task_by_id("a")
    assert (task.status, task.error) == (Status.IN_PROGRESS, red)
    assert nexus.mark_task_completed("a", "ada", evidence=(GREEN,)).error is None


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


# -- looking


def test_the_history_says_who_brought_the_task_into_which_state_when_and_why(
    nexus: TaskNexus, clock: FakeClock
) -> None:
    claim(nexus)
    clock.advance(10)
    nexus.mark_task_failed("a", "ada", error=TRANSIENT)
    clock.advance(10)
    nexus.cancel_task("a", by="cli", reason="enough")

    assert [(h.at, h.by, h.before, h.after, h.why) for h in nexus.status_history("a")] == [
        (START, "api", None, "pending", "task added"),
        (START, "ada", "pending", "in_progress", "task claimed"),
        (at(10), "ada", "in_progress", "pending", "no network"),
        (at(20), "cli", "pending", "cancelled", "enough"),
    ]


def test_each_attempt_is_told_with_its_end(nexus: TaskNexus, clock: FakeClock) -> None:
    claim(nexus)
    clock.advance(901)
    nexus.claim_task("a", "ben")
    nexus.mark_task_failed("a", "ben", error=TRANSIENT)
    clock.advance(100)
    nexus.claim_task("a", "cleo")

    told = [(a.number, a.agent_id, a.token, a.started_at, a.outcome, a.error) for a in nexus.attempts("a")]
    assert told == [
        (1, "ada", 1, START, "lease expired", None),
        (2, "ben", 2, at(901), "failed, tried again", "no network"),
        (3, "cleo", 3, at(1001), None, None),
    ]


def test_why_a_task_waits_is_told(nexus: TaskNexus) -> None:
    add(nexus, "first")
    task = add(nexus, "a", depends_on=("first",), not_before=at(60))

    assert nexus.waiting_for(task) == (
        "it depends on first, which is not completed",
        "it starts not before 2026-03-01T09:01:00.000000Z",
    )
    assert nexus.waiting_for(nexus.get_task_by_id("first")) == ()


MISSING: dict[str, Callable[[TaskNexus], object]] = {
    "claim_task": lambda nexus: nexus.claim_task("z", "ada"),
    "heartbeat": lambda nexus: nexus.heartbeat("z", "ada"),
    "record_progress": lambda nexus: nexus.record_progress("z", Progress(), agent_id="ada"),
    "record_step": lambda nexus: nexus.record_step("z", StepResult(name="s", status=StepStatus.RUNNING), token=1),
    "mark_task_completed": lambda nexus: nexus.mark_task_completed("z", "ada"),
    "mark_task_failed": lambda nexus: nexus.mark_task_failed("z", "ada", error="x"),
    "complete_and_claim_next": lambda nexus: nexus.complete_and_claim_next("z", Succeeded(), "ada"),
    "reject_verification": lambda nexus: nexus.reject_verification("z", TRANSIENT, token=1),
    "release_task": lambda nexus: nexus.release_task("z", "ada"),
    "pause_task": lambda nexus: nexus.pause_task("z", by="cli"),
    "resume_task": lambda nexus: nexus.resume_task("z", by="cli"),
    "cancel_task": lambda nexus: nexus.cancel_task("z", by="cli"),
    "retry_task": lambda nexus: nexus.retry_task("z", by="cli"),
    "edit_task": lambda nexus: nexus.edit_task("z", {}, by="cli"),
    "mark_task_stalled": lambda nexus: nexus.mark_task_stalled("z", by="m", reason="x"),
    "reassign_task": lambda nexus: nexus.reassign_task("z", by="m", reason="x"),
    "note_stall": lambda nexus: nexus.note_stall("z", by="m", strategy="log_only", reason="x"),
    "escalate_task": lambda nexus: nexus.escalate_task("z", TaskDraft(title="y"), by="m", reason="x"),
    "get_task_by_id": lambda nexus: nexus.get_task_by_id("z"),
    "status_history": lambda nexus: nexus.status_history("z"),
    "attempts": lambda nexus: nexus.attempts("z"),
    **{
        f"update_task_status {status}": lambda nexus, status=status: nexus.update_task_status("z", status)  # type: ignore[misc]
        for status in ("in_progress", "completed", "failed", "cancelled", "paused", "pending", "stalled")
    },
}


@pytest.mark.parametrize("verb", MISSING.values(), ids=MISSING.keys())
def test_a_missing_task_is_a_clear_answer_everywhere(nexus: TaskNexus, verb: Callable[[TaskNexus], object]) -> None:
    with pytest.raises(TaskNotFound) as caught:
        verb(nexus)
    assert caught.value.task_id == "z"
    assert caught.value.fix
    assert nexus.events() == []


# -- together


def test_verbs_together_share_a_commit_and_a_ring_and_are_refused_alone(nexus: TaskNexus, rings: list[int]) -> None:
    with nexus.together():
        add(nexus, "a")
        with pytest.raises(TaskNotFound):
            nexus.cancel_task("z", by="cli")
        with pytest.raises(InvalidTask):
            nexus.add_tasks([TaskDraft(title="x", task_id="half"), TaskDraft(title="y", depends_on=("nobody",))])
        nexus.claim_task("a", "ada")
        assert rings == []

    assert rings == [2]
    assert [task.task_id for task in nexus.get_all_tasks()] == ["a"]


def test_a_group_that_breaks_off_leaves_nothing(nexus: TaskNexus, rings: list[int]) -> None:
    def break_off() -> None:
        with nexus.together():
            add(nexus, "a")
            raise Refused("enough")

    with pytest.raises(Refused):
        break_off()
    assert nexus.get_all_tasks() == []
    assert rings == []
    add(nexus, "b")
    assert rings == [1]


def test_outcomes_that_are_no_failure_are_settled_as_what_they_are(nexus: TaskNexus) -> None:
    for task_id, outcome, status in (
        ("snoozed", Snoozed(reason="drain"), Status.PENDING),
        ("cancelled", Cancelled(reason="no"), Status.CANCELLED),
        ("failed", Failed(error=TaskError(category=ErrorCategory.PERMISSION, message="x")), Status.FAILED),
        ("done", Succeeded(), Status.COMPLETED),
    ):
        claim(nexus, task_id)
        assert nexus.settle(task_id, outcome, token=1).status is status
