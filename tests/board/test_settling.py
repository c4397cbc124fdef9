"""How an attempt ends on the board, and what has to be green before a task is completed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import (
    IllegalTransition,
    InvalidInput,
    Refused,
    StaleToken,
    VerificationFailed,
)
from dreamos_tasks.model.outcome import RetryLater, Succeeded
from dreamos_tasks.model.plan import ErrorCategory, Evidence, Plan, Step, TaskError
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Priority, Status, Task, TaskDraft
from dreamos_tasks.stores.memory import MemoryStore
from tests.board.tasks import GREEN, TRANSIENT, add, claim, types
from tests.fakes import START, FakeClock, at

pytestmark = pytest.mark.usefixtures("replayed")


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

    task = nexus.settle("a", RetryLater(error=TRANSIENT), agent_id="ada")
    assert (task.status, task.error) == (
        Status.FAILED,
        replace(
            TRANSIENT,
            message=f"{TRANSIENT.message}; max_deferrals (2) is used up",
            suggestions=("to let it be put off more often: retry.max_deferrals of the task",),
        ),
    )


@pytest.mark.parametrize(
    ("of_step", "whose"), [({}, "config.yaml"), ({"max_deferrals": 0}, "the step 'busy'")], ids=["board", "step"]
)
def test_who_may_not_be_put_off_any_more_is_told_by_whose_word(
    nexus: TaskNexus, of_step: dict[str, int], whose: str
) -> None:
    nexus.rules = replace(nexus.rules, retry=RetryPolicy(max_deferrals=0))
    claim(nexus, plan=Plan(steps=(Step(name="busy", params={"command": "exit 75"}, retry=of_step),)))

    task = nexus.settle("a", RetryLater(error=TRANSIENT, step="busy"), agent_id="ada")

    assert task.error is not None
    assert task.error.suggestions[-1].endswith(f"retry.max_deferrals of {whose}")


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


def test_a_status_set_to_failed_keeps_what_an_error_result_says(nexus: TaskNexus) -> None:
    task = nexus.add_task(TaskDraft(title="x"))
    claimed = nexus.get_next_task("ada")
    assert claimed is not None

    failed = nexus.update_task_status(
        task.task_id,
        "failed",
        {"status": "error", "error_code": "E1", "message": "no disk", "details": {"free": 0}},
        agent_id="ada",
    )

    assert failed.error is not None
    assert (failed.error.message, failed.error.cause) == ("no disk", "E1: {'free': 0}")


def test_a_category_is_given_by_its_word_and_a_strange_one_is_refused(nexus: TaskNexus) -> None:
    claim(nexus)

    with pytest.raises(InvalidInput, match="'weird' is no category"):
        nexus.mark_task_failed("a", "ada", error="no network", category="weird")
    failed = nexus.mark_task_failed("a", "ada", error="no network", category="transient")

    assert failed.error == TaskError(category=ErrorCategory.TRANSIENT, message="no network")
    assert failed.error is not None
    assert isinstance(failed.error.category, ErrorCategory)


def test_an_exception_is_told_in_its_words(nexus: TaskNexus) -> None:
    claim(nexus)

    failed = nexus.mark_task_failed("a", "ada", error=ValueError("no such column"))  # type: ignore[arg-type]

    assert failed.error is not None
    assert failed.error.message == "no such column"
