"""Which task is next: the same for every kind of store."""

from __future__ import annotations

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, TaskError
from dreamos_tasks.model.task import Priority, Task, TaskDraft
from tests.fakes import FakeClock, at

PLAN = Plan(steps=(Step(name="run", params={"command": "true"}),))


def add(nexus: TaskNexus, *task_ids: str) -> None:
    for task_id in task_ids:
        nexus.add_task(TaskDraft(title=task_id, task_id=task_id))


def drain(nexus: TaskNexus, agent_id: str = "ada") -> list[str]:
    """Claim until nothing is left; the ids in their order."""
    claimed = []
    while (task := nexus.get_next_task(agent_id)) is not None:
        claimed.append(task.task_id)
    return claimed


def id_of(task: Task | None) -> str | None:
    return task.task_id if task is not None else None


def test_nothing_is_next_on_an_empty_board(nexus: TaskNexus) -> None:
    assert nexus.get_next_task("ada") is None


def test_the_oldest_of_equals_is_next(nexus: TaskNexus, clock: FakeClock) -> None:
    add(nexus, "c", "a")
    clock.advance(-60)  # age is the order of adding, whatever the instants say
    add(nexus, "b")

    assert drain(nexus) == ["c", "a", "b"]


def test_priority_comes_before_due_instant_and_due_instant_before_age(nexus: TaskNexus) -> None:
    for task_id, priority, due in (
        ("medium", Priority.MEDIUM, None),
        ("low, due at once", Priority.LOW, 1),
        ("high", Priority.HIGH, None),
        ("medium, due later", Priority.MEDIUM, 200),
        ("critical", Priority.CRITICAL, None),
        ("medium, due soon", Priority.MEDIUM, 100),
        ("high, due later", Priority.HIGH, 900),
    ):
        name = task_id.replace(", ", "-").replace(" ", "-")
        due_at = None if due is None else at(due)
        nexus.add_task(TaskDraft(title=task_id, task_id=name, priority=priority, due_at=due_at))

    assert drain(nexus) == [
        "critical",
        "high-due-later",
        "high",
        "medium-due-soon",
        "medium-due-later",
        "medium",
        "low-due-at-once",
    ]


def test_a_task_that_is_assigned_is_next_for_its_agent_only(nexus: TaskNexus) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="for-ben", assigned_to="ben", priority=Priority.HIGH))
    add(nexus, "open")

    assert id_of(nexus.get_next_task("ada")) == "open"
    assert nexus.get_next_task("ada") is None
    assert id_of(nexus.get_next_task("ben")) == "for-ben"


def test_an_agents_own_tasks_and_open_ones_share_one_order(nexus: TaskNexus) -> None:
    add(nexus, "open-1")
    nexus.add_task(TaskDraft(title="x", task_id="mine", assigned_to="ada"))
    add(nexus, "open-2")
    nexus.add_task(TaskDraft(title="x", task_id="mine-high", assigned_to="ada", priority=Priority.HIGH))

    assert drain(nexus) == ["mine-high", "open-1", "mine", "open-2"]


def test_plans_are_the_daemons_and_open_tasks_the_agents(nexus: TaskNexus) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="planned", plan=PLAN, priority=Priority.CRITICAL))
    add(nexus, "open")

    assert id_of(nexus.get_next_task("ada")) == "open"
    assert nexus.get_next_task("ada") is None
    assert id_of(nexus.get_next_task("daemon", runs_plans=True)) == "planned"


def test_a_daemon_is_not_given_a_task_without_a_plan_unless_it_is_assigned_to_it(nexus: TaskNexus) -> None:
    add(nexus, "open")
    assert nexus.get_next_task("daemon", runs_plans=True) is None

    nexus.add_task(TaskDraft(title="x", task_id="mine", assigned_to="daemon"))
    assert id_of(nexus.get_next_task("daemon", runs_plans=True)) == "mine"


def test_an_agent_gets_a_plan_that_is_assigned_to_it(nexus: TaskNexus) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="planned", plan=PLAN, assigned_to="ada"))

    assert nexus.get_next_task("daemon", runs_plans=True) is None
    assert id_of(nexus.get_next_task("ada")) == "planned"


@pytest.mark.parametrize(
    ("tags", "expected"),
    [((), "plain"), (("core",), "core"), (("core", "ui"), "core-ui"), (("ui", "core"), "core-ui"), (("none",), None)],
)
def test_a_tag_filter_gives_only_tasks_that_carry_all_the_tags(
    nexus: TaskNexus, tags: tuple[str, ...], expected: str | None
) -> None:
    add(nexus, "plain")
    for task_id, carried in (("core", ("core",)), ("ui", ("ui",)), ("core-ui", ("core", "ui", "more"))):
        nexus.add_task(TaskDraft(title="x", task_id=task_id, tags=carried))

    assert id_of(nexus.get_next_task("ada", tags=tags)) == expected


def test_a_tag_filter_reaches_a_task_behind_others_and_behind_an_expired_claim(
    nexus: TaskNexus, clock: FakeClock
) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="held", tags=("core",), priority=Priority.LOW))
    nexus.get_next_task("ben")
    add(nexus, "plain")
    clock.advance(901)

    assert id_of(nexus.get_next_task("ada", tags=("core",))) == "held"


def test_what_a_task_requires_must_be_offered(nexus: TaskNexus) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="gpu", requires=("gpu", "cuda"), priority=Priority.HIGH))
    add(nexus, "plain")

    assert id_of(nexus.get_next_task("ada", capabilities=("gpu",))) == "plain"
    assert nexus.get_next_task("ada", capabilities=("gpu",)) is None
    assert id_of(nexus.get_next_task("ada", capabilities=("cuda", "web", "gpu"))) == "gpu"


def test_a_task_waits_for_its_not_before(nexus: TaskNexus, clock: FakeClock) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="later", not_before=at(100), priority=Priority.HIGH))
    add(nexus, "now")

    assert drain(nexus) == ["now"]
    clock.advance(99.999999)
    assert nexus.get_next_task("ben") is None
    clock.advance(0.000001)
    assert id_of(nexus.get_next_task("ben")) == "later"


def test_a_stalled_task_waits_for_its_not_before_too(nexus: TaskNexus, clock: FakeClock) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="later", not_before=at(100)))
    nexus.mark_task_stalled("later", by="monitor", reason="waits")

    assert nexus.store.next_instant(now=clock.now()) == at(100)
    assert nexus.get_next_task("ada") is None
    clock.advance(100)
    assert id_of(nexus.get_next_task("ada")) == "later"


def test_a_task_waits_until_all_it_depends_on_is_completed(nexus: TaskNexus) -> None:
    add(nexus, "a", "b")
    nexus.add_task(TaskDraft(title="x", task_id="last", depends_on=("a", "b"), priority=Priority.CRITICAL))

    assert drain(nexus) == ["a", "b"]
    nexus.mark_task_completed("a", "ada")
    assert nexus.get_next_task("ada") is None
    nexus.mark_task_completed("b", "ada")
    assert id_of(nexus.get_next_task("ada")) == "last"


def test_a_dependency_that_failed_or_was_cancelled_is_not_met(nexus: TaskNexus) -> None:
    add(nexus, "a", "b")
    nexus.add_task(TaskDraft(title="x", task_id="last", depends_on=("a", "b")))
    nexus.claim_task("a", "ada")
    nexus.mark_task_failed("a", "ada", error="no")
    nexus.cancel_task("b", by="cli")

    assert nexus.get_next_task("ada") is None
    assert nexus.store.unfinished_dependencies(nexus.get_task_by_id("last")) == ["a", "b"]


def test_a_dependency_completed_before_the_task_was_added_is_met(nexus: TaskNexus) -> None:
    add(nexus, "a")
    nexus.get_next_task("ada")
    nexus.mark_task_completed("a", "ada")
    nexus.add_task(TaskDraft(title="x", task_id="last", depends_on=("a",)))

    assert id_of(nexus.get_next_task("ada")) == "last"


def test_dependencies_changed_by_an_edit_count_from_then_on(nexus: TaskNexus) -> None:
    add(nexus, "a", "b")
    nexus.claim_task("a", "ada")
    nexus.mark_task_completed("a", "ada")
    nexus.add_task(TaskDraft(title="x", task_id="last", depends_on=("b",), priority=Priority.HIGH))

    nexus.edit_task("last", {"depends_on": ("a",)}, by="cli")
    assert id_of(nexus.get_next_task("ada")) == "last"
    nexus.release_task("last", "ada")
    nexus.edit_task("last", {"depends_on": ("a", "b")}, by="cli")
    assert drain(nexus) == ["b"]
    nexus.mark_task_completed("b", "ada")
    assert drain(nexus) == ["last"]


def test_tags_and_assignment_changed_by_an_edit_count_from_then_on(nexus: TaskNexus) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="a", tags=("old",)))
    nexus.edit_task("a", {"tags": ("new",), "assigned_to": "ben", "priority": Priority.HIGH}, by="cli")

    assert nexus.get_next_task("ada", tags=("new",)) is None
    assert nexus.get_next_task("ben", tags=("old",)) is None
    assert id_of(nexus.get_next_task("ben", tags=("new",))) == "a"


def test_a_claim_is_not_next_while_its_lease_lives_and_is_when_it_has_run_out(
    nexus: TaskNexus, clock: FakeClock
) -> None:
    add(nexus, "a")
    first = nexus.get_next_task("ada")
    assert first is not None
    assert first.claim is not None
    assert nexus.store.next_instant(now=clock.now()) == first.claim.lease_until

    clock.advance(899.999999)
    assert nexus.get_next_task("ben") is None
    clock.advance(0.000001)
    second = nexus.get_next_task("ben")

    assert second is not None
    assert second.claim is not None
    assert (second.claim.agent_id, second.claim.token, second.lost_leases) == ("ben", first.claim.token + 1, 1)


def test_an_expired_claim_keeps_its_place_in_the_queue(nexus: TaskNexus, clock: FakeClock) -> None:
    add(nexus, "a", "b", "c")
    nexus.claim_task("b", "dead")
    clock.advance(901)

    assert drain(nexus) == ["a", "b", "c"]


def test_an_expired_claim_of_a_task_for_somebody_else_is_not_given_away(nexus: TaskNexus, clock: FakeClock) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="for-ben", assigned_to="ben"))
    nexus.get_next_task("ben")
    clock.advance(901)

    assert nexus.get_next_task("ada") is None
    assert id_of(nexus.get_next_task("ben")) == "for-ben"


def test_paused_and_finished_tasks_are_never_next(nexus: TaskNexus) -> None:
    add(nexus, "paused", "cancelled", "failed", "completed", "left")
    nexus.pause_task("paused", by="cli")
    nexus.cancel_task("cancelled", by="cli")
    nexus.claim_task("failed", "ada")
    nexus.mark_task_failed("failed", "ada", error="no")
    nexus.claim_task("completed", "ada")
    nexus.mark_task_completed("completed", "ada")

    assert drain(nexus) == ["left"]


def test_a_stalled_task_can_still_be_claimed(nexus: TaskNexus) -> None:
    add(nexus, "a")
    nexus.mark_task_stalled("a", by="monitor", reason="too long")

    assert id_of(nexus.get_next_task("ada")) == "a"


def test_a_failure_that_is_tried_again_waits_for_its_backoff(nexus: TaskNexus, clock: FakeClock) -> None:
    add(nexus, "a")
    nexus.get_next_task("ada")
    failed = nexus.mark_task_failed("a", "ada", error=TaskError(category=ErrorCategory.TRANSIENT, message="flaky"))
    assert failed.not_before is not None

    instant = nexus.store.next_instant(now=clock.now())
    assert instant == failed.not_before
    clock.advance((failed.not_before - clock.now()).total_seconds())
    assert id_of(nexus.get_next_task("ada")) == "a"


def test_the_next_instant_is_the_earliest_reason_to_look_again(nexus: TaskNexus, clock: FakeClock) -> None:
    store = nexus.store
    assert store.next_instant(now=clock.now()) is None
    nexus.add_task(TaskDraft(title="x", task_id="later", not_before=at(2000)))
    assert store.next_instant(now=clock.now()) == at(2000)
    add(nexus, "a")
    nexus.get_next_task("ada")
    assert store.next_instant(now=clock.now()) == at(900)
    nexus.mark_task_completed("a", "ada")
    clock.advance(2000)
    assert store.next_instant(now=clock.now()) is None  # a not_before that is reached is no reason to wait
    nexus.cancel_task("later", by="cli")
    assert store.next_instant(now=clock.now()) is None
