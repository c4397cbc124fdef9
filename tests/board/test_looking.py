"""What the board tells when it is asked, and whom its verbs ring for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import (
    InvalidInput,
    InvalidTask,
    Refused,
    TaskNotFound,
)
from dreamos_tasks.model.outcome import Cancelled, Failed, Snoozed, Succeeded
from dreamos_tasks.model.plan import ErrorCategory, StepResult, StepStatus, TaskError
from dreamos_tasks.model.task import Progress, Status, TaskDraft
from tests.board.tasks import TRANSIENT, add, claim
from tests.fakes import START, FakeClock, at

pytestmark = pytest.mark.usefixtures("replayed")


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


def test_every_failed_attempt_tells_its_error_also_when_it_is_the_same_again(
    nexus: TaskNexus, clock: FakeClock
) -> None:
    add(nexus)
    for _ in range(3):
        nexus.claim_task("a", "ada")
        nexus.mark_task_failed("a", "ada", error=TRANSIENT)
        clock.advance(100)

    assert [attempt.error for attempt in nexus.attempts("a")] == ["no network"] * 3
    assert [told.why for told in nexus.status_history("a")].count("no network") == 3


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


def test_a_strange_status_is_refused_and_an_empty_one_does_not_mean_all(nexus: TaskNexus) -> None:
    nexus.add_task(TaskDraft(title="x"))

    for strange in ("weird", ""):
        with pytest.raises(InvalidInput):
            nexus.get_all_tasks(status=strange)
    assert len(nexus.get_all_tasks(status="ready")) == 1


def test_a_text_is_no_list_of_tags(nexus: TaskNexus) -> None:
    with pytest.raises(InvalidTask):
        nexus.get_next_task("ada", tags="core")
