"""Lines at gates and keys in use are the same for every kind of store."""

from __future__ import annotations

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import NotClaimable
from dreamos_tasks.model.hold import GateWait, KeyUse, WaitKind
from dreamos_tasks.model.outcome import Snoozed
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import Priority, TaskDraft
from tests.fakes import START, FakeClock, at

WAIT = GateWait(gate="http example.com", kind=WaitKind.ROOM, step="call", reason="it is in use")


def keyed(nexus: TaskNexus, *task_ids: str, key: str = "deploy", **more: object) -> None:
    for task_id in task_ids:
        nexus.add_task(TaskDraft(title=task_id, task_id=task_id, concurrency_key=key, **more))  # type: ignore[arg-type]


def words(nexus: TaskNexus, word: str) -> list[str]:
    return [task.task_id for task in nexus.find_tasks(TaskQuery(statuses=frozenset({word})))]


def test_tasks_stand_in_line_as_they_would_be_claimed(nexus: TaskNexus, clock: FakeClock) -> None:
    for task_id, priority in (("late", Priority.LOW), ("first", Priority.HIGH), ("second", Priority.HIGH)):
        nexus.add_task(TaskDraft(title="x", task_id=task_id, priority=priority, plan=Plan(steps=(Step(name="call"),))))
        claimed = nexus.claim_task(task_id, "daemon")
        assert claimed.claim is not None
        outcome = Snoozed(reason="busy", until=at(60), gate_wait=WAIT)
        nexus.settle(task_id, outcome, token=claimed.claim.token)

    assert nexus.store.waiting_in(WAIT.line, limit=9) == ["first", "second", "late"]
    assert nexus.store.waiting_in(WAIT.line, limit=1) == ["first"]
    assert nexus.store.waiting_in("rate http example.com", limit=9) == []
    task = nexus.get_task_by_id("second")
    assert (task.gate_wait, task.not_before) == (WAIT, at(60))
    assert list(nexus.waiting_for(task)) == [
        "step 'call' waits: it is in use, place 2 in line",
        "it starts not before 2026-03-01T09:01:00.000000Z",
    ]

    nexus.cancel_task("first", by="cli")
    clock.advance(60)
    claimed = nexus.claim_task("second", "daemon")
    assert claimed.gate_wait is None
    assert nexus.store.waiting_in(WAIT.line, limit=9) == ["late"]


def test_of_tasks_with_one_key_one_is_claimed_at_a_time(nexus: TaskNexus) -> None:
    keyed(nexus, "a", "b", "c")
    keyed(nexus, "other", key="build")
    taken = [nexus.get_next_task(agent) for agent in ("ada", "ben", "eve")]
    assert [task.task_id if task else None for task in taken] == ["a", "other", None]

    nexus.mark_task_completed("a", "ada")
    following = nexus.get_next_task("eve")
    assert following is not None
    assert following.task_id == "b"


def test_who_waits_for_a_key_is_told_for_whom_and_its_place(nexus: TaskNexus) -> None:
    keyed(nexus, "a", "b", "c")
    nexus.claim_task("a", "ada")
    task = nexus.get_task_by_id("c")
    assert nexus.store.key_use(task, now=START) == KeyUse(key="deploy", holders=("a",), place=2)
    assert list(nexus.waiting_for(task)) == ["key deploy is in use by a, place 2 in line"]
    assert (words(nexus, "ready"), words(nexus, "blocked")) == ([], ["b", "c"])
    with pytest.raises(NotClaimable) as refused:
        nexus.claim_task("c", "ben")
    assert "key deploy is in use by a" in refused.value.cause


def test_a_key_is_free_when_the_lease_of_its_holder_has_run_out(nexus: TaskNexus, clock: FakeClock) -> None:
    keyed(nexus, "a", "b")
    nexus.claim_task("a", "ada")
    clock.advance(901)
    assert nexus.store.key_use(nexus.fetch("b"), now=clock.now()) is None
    assert nexus.claim_task("b", "ben").task_id == "b"
    with pytest.raises(NotClaimable) as refused:
        nexus.claim_task("a", "ada")
    assert "in use by b" in refused.value.cause


def test_who_holds_a_key_may_claim_again_what_it_holds(nexus: TaskNexus) -> None:
    keyed(nexus, "a", "b")
    first = nexus.claim_task("a", "ada")
    assert nexus.claim_task("a", "ada").claim == first.claim


def test_a_key_can_be_given_and_taken_away_later(nexus: TaskNexus) -> None:
    keyed(nexus, "a", "b")
    nexus.claim_task("a", "ada")
    nexus.edit_task("b", {"concurrency_key": None}, by="cli")
    assert nexus.get_next_task("ben") is not None
    nexus.release_task("b", "ben")
    nexus.edit_task("b", {"concurrency_key": "deploy"}, by="cli")
    assert nexus.get_next_task("ben") is None


def test_a_search_by_tag_passes_over_keys_in_use_too(nexus: TaskNexus) -> None:
    keyed(nexus, "a", "b", tags=("core",))
    nexus.add_task(TaskDraft(title="c", task_id="c", tags=("core",)))
    nexus.claim_task("a", "ada")
    taken = nexus.get_next_task("ben", tags=("core",))
    assert taken is not None
    assert taken.task_id == "c"


def test_behind_many_tasks_of_one_key_the_next_is_found_in_the_order_of_claiming(nexus: TaskNexus) -> None:
    many = [TaskDraft(title="x", task_id=f"m{number}", concurrency_key="deploy") for number in range(300)]
    nexus.add_tasks(many)
    keyed(nexus, "late", key="a", priority=Priority.LOW)
    keyed(nexus, "soon", key="z")
    keyed(nexus, "then", key="y")
    nexus.add_task(TaskDraft(title="free", task_id="free"))
    taken = [nexus.get_next_task("ada") for _ in range(6)]
    assert [task.task_id if task else None for task in taken] == ["m0", "soon", "then", "free", "late", None]


def test_as_many_tasks_of_a_key_are_worked_on_at_once_as_the_settings_say(nexus: TaskNexus, clock: FakeClock) -> None:
    nexus.store.key_limits = {"deploy": 2, "build": 3}
    keyed(nexus, "a", "b", "c", "d")
    keyed(nexus, "x", "y", key="other")

    taken = [nexus.get_next_task(agent) for agent in ("ada", "ben", "eve", "kim")]

    assert [task.task_id if task else None for task in taken] == ["a", "b", "x", None]
    assert nexus.store.key_use(nexus.get_task_by_id("d"), now=at(0)) == KeyUse(
        key="deploy", holders=("a", "b"), place=2
    )
    assert words(nexus, "ready") == []
    assert words(nexus, "blocked") == ["c", "d", "y"]
    assert list(nexus.waiting_for(nexus.get_task_by_id("c"))) == ["key deploy is in use by a, b, place 1 in line"]
    with pytest.raises(NotClaimable):
        nexus.claim_task("c", "eve")
    nexus.release_task("a", "ada")
    assert nexus.claim_task("c", "eve").claim is not None
    with pytest.raises(NotClaimable):
        nexus.claim_task("a", "ada")
    clock.advance(10**6)
    assert [task.task_id if task else None for task in (nexus.get_next_task("ada"), nexus.get_next_task("ben"))] == [
        "a",
        "b",
    ]
    assert nexus.get_next_task("kim", tags=("none",)) is None


def test_behind_many_tasks_of_a_key_with_room_for_several_the_next_is_found(nexus: TaskNexus) -> None:
    nexus.store.key_limits = {"deploy": 2}
    nexus.add_tasks([TaskDraft(title="x", task_id=f"m{number}", concurrency_key="deploy") for number in range(300)])
    keyed(nexus, "late", key="a", priority=Priority.LOW)
    keyed(nexus, "soon", key="z")
    taken = [nexus.get_next_task("ada") for _ in range(5)]
    assert [task.task_id if task else None for task in taken] == ["m0", "m1", "soon", "late", None]
