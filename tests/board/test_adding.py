"""Adding tasks, alone and many at once, and naming them afterwards."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import AmbiguousTaskId, DependencyCycle, DuplicateTaskId, InvalidTask, TaskNotFound
from dreamos_tasks.model.task import Priority, Status, TaskDraft
from tests.fakes import START


def draft(task_id: str, *depends_on: str, parent_id: str | None = None) -> TaskDraft:
    return TaskDraft(title=f"do {task_id}", task_id=task_id, depends_on=depends_on, parent_id=parent_id)


def ids(nexus: TaskNexus) -> list[str]:
    return [task.task_id for task in nexus.get_all_tasks()]


# -- one


def test_a_new_task_is_pending_with_defaults_filled_in(nexus: TaskNexus) -> None:
    task = nexus.add_task(TaskDraft(title="Fix the parser"))

    assert re.fullmatch(r"dt-[0-9a-hjkmnp-tv-z]{4,}", task.task_id)
    assert (task.status, task.priority) == (Status.PENDING, Priority.MEDIUM)
    assert task.created_at == task.updated_at == task.pending_since == START
    assert (task.attempt, task.claim, task.result, task.error) == (0, None, None, None)
    assert nexus.get_task_by_id(task.task_id) == task


def test_fresh_ids_differ(nexus: TaskNexus) -> None:
    assert len({nexus.add_task(TaskDraft(title="x")).task_id for _ in range(200)}) == 200


def test_a_fresh_id_grows_when_it_is_taken(nexus: TaskNexus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamos_tasks.model.ids.os.urandom", bytes)  # always zeros

    assert [nexus.add_task(TaskDraft(title="x")).task_id for _ in range(3)] == ["dt-0000", "dt-00000", "dt-000000"]


def test_children_are_numbered_after_their_parent(nexus: TaskNexus) -> None:
    nexus.add_task(draft("epic"))
    nexus.add_task(draft("epic.2"))

    children = [nexus.add_task(TaskDraft(title="x", parent_id="epic")).task_id for _ in range(3)]

    assert children == ["epic.1", "epic.3", "epic.4"]


def test_a_taken_id_is_refused_and_changes_nothing(nexus: TaskNexus) -> None:
    nexus.add_task(draft("a"))

    with pytest.raises(DuplicateTaskId):
        nexus.add_task(TaskDraft(title="other", task_id="a"))
    assert nexus.get_task_by_id("a").title == "do a"
    assert len(nexus.events()) == 1


def test_the_same_dedupe_key_answers_with_the_task_that_is_there(nexus: TaskNexus) -> None:
    first = nexus.add_task(TaskDraft(title="x", dedupe_key="nightly"))
    nexus.get_next_task("ada")

    again = nexus.add_task(TaskDraft(title="y", dedupe_key="nightly", task_id="other"))
    assert (again.task_id, again.title, again.status) == (first.task_id, "x", Status.IN_PROGRESS)
    nexus.mark_task_completed(first.task_id, "ada")
    assert nexus.add_task(TaskDraft(title="z", dedupe_key="nightly")).status is Status.COMPLETED
    assert len(ids(nexus)) == 1


def test_a_dependency_must_be_there(nexus: TaskNexus) -> None:
    nexus.add_task(draft("dt-parser"))

    with pytest.raises(InvalidTask) as caught:
        nexus.add_task(draft("b", "dt-parser", "dt-parsr"))
    assert caught.value.pointer == "/depends_on/1"
    assert "dt-parser" in caught.value.fix
    with pytest.raises(InvalidTask) as caught:
        nexus.add_task(draft("b", parent_id="nobody"))
    assert caught.value.pointer == "/parent_id"
    assert ids(nexus) == ["dt-parser"]


def test_a_task_cannot_depend_on_itself() -> None:
    with pytest.raises(InvalidTask, match="depends on itself"):
        draft("a", "a")


# -- many


def test_tasks_that_depend_on_one_another_are_added_in_any_order(nexus: TaskNexus) -> None:
    added = nexus.add_tasks([draft("c", "b", "a"), draft("b", "a"), draft("a"), draft("d")])

    assert [task.task_id for task in added] == ["c", "b", "a", "d"]
    claimed = []
    while (task := nexus.get_next_task("ada")) is not None:
        claimed.append(task.task_id)
        nexus.mark_task_completed(task.task_id, "ada")
    assert claimed.index("a") < claimed.index("b") < claimed.index("c")


def test_a_parent_may_be_added_with_its_children_in_any_order(nexus: TaskNexus) -> None:
    nexus.add_tasks([draft("c", parent_id="p"), draft("p"), TaskDraft(title="x", parent_id="p")])

    assert set(ids(nexus)) == {"c", "p", "p.2"}


def test_a_parent_may_wait_for_the_children_it_is_added_with(nexus: TaskNexus) -> None:
    for drafts in (
        [draft("p", "p.1", "p.2"), draft("p.1", parent_id="p"), draft("p.2", "p.1", parent_id="p")],
        [draft("r.1", parent_id="r"), draft("r", "r.1")],
    ):
        nexus.add_tasks(drafts)

    assert nexus.get_task_by_id("p").depends_on == ("p.1", "p.2")
    assert nexus.waiting_for(nexus.get_task_by_id("p")) == (
        "it depends on p.1, which is not completed",
        "it depends on p.2, which is not completed",
    )
    task = nexus.get_next_task("ada")
    assert task is not None
    assert task.task_id == "p.1"


def test_a_parent_that_was_a_duplicate_of_another_task_is_missed(nexus: TaskNexus) -> None:
    nexus.add_task(TaskDraft(title="x", task_id="first", dedupe_key="k"))

    with pytest.raises(InvalidTask) as caught:
        nexus.add_tasks([TaskDraft(title="x", task_id="second", dedupe_key="k"), draft("child", parent_id="second")])
    assert caught.value.pointer == "/1/parent_id"
    assert ids(nexus) == ["first"]


def test_all_are_added_or_none(nexus: TaskNexus, rings: list[int]) -> None:
    nexus.add_task(draft("taken"))

    with pytest.raises(DuplicateTaskId):
        nexus.add_tasks([draft("a"), draft("b"), draft("taken")])
    with pytest.raises(InvalidTask) as caught:
        nexus.add_tasks([draft("a"), draft("b", "nowhere")])

    assert caught.value.pointer == "/1/depends_on/0"
    assert ids(nexus) == ["taken"]
    assert rings == [1]


def test_many_tasks_are_one_commit_and_one_ring(nexus: TaskNexus, rings: list[int]) -> None:
    nexus.add_tasks([draft("a"), draft("b"), draft("c")])

    assert rings == [3]


def test_no_tasks_are_no_trouble(nexus: TaskNexus) -> None:
    assert list(nexus.add_tasks([])) == []


def test_a_ring_is_named_and_refused(nexus: TaskNexus) -> None:
    with pytest.raises(DependencyCycle) as caught:
        nexus.add_tasks([draft("x"), draft("a", "b"), draft("b", "c"), draft("c", "a", "x")])

    ring = caught.value.cycle
    assert ring[0] == ring[-1]
    assert set(ring) == {"a", "b", "c"}
    assert " -> ".join(ring) in caught.value.message
    assert {("a", "b"), ("b", "c"), ("c", "a")} == set(pairwise(ring))
    assert ids(nexus) == []


def test_a_ring_made_by_an_edit_is_named_and_refused(nexus: TaskNexus) -> None:
    nexus.add_tasks([draft("a"), draft("b", "a"), draft("c", "b")])

    with pytest.raises(DependencyCycle) as caught:
        nexus.edit_task("a", {"depends_on": ("c",)}, by="cli")
    assert caught.value.cycle == ("a", "c", "b", "a")
    assert nexus.get_task_by_id("a").depends_on == ()


def test_one_id_twice_in_a_batch_is_refused(nexus: TaskNexus) -> None:
    with pytest.raises(DuplicateTaskId):
        nexus.add_tasks([draft("a"), draft("b", "a"), draft("a")])
    assert ids(nexus) == []


def test_a_long_chain_in_the_worst_order_is_added_at_once(nexus: TaskNexus) -> None:
    length = 3000  # enough for a stack to run over, and for a walk anew from each task to take its time
    chain = [draft(f"t{number}", f"t{number - 1}") for number in range(1, length)]

    added = nexus.add_tasks([*reversed(chain), draft("t0")])

    assert len(added) == length
    with pytest.raises(DependencyCycle) as caught:
        nexus.add_tasks([draft("u0", "u2999"), *(draft(f"u{n}", f"u{n - 1}") for n in range(1, length))])
    assert len(caught.value.cycle) == length + 1


def test_a_wide_fan_is_added_at_once(nexus: TaskNexus) -> None:
    leaves = [f"t{number}" for number in range(2000)]

    nexus.add_tasks([draft("last", *leaves), *(draft(leaf) for leaf in leaves)])

    assert len(nexus.waiting_for(nexus.get_task_by_id("last"))) == len(leaves)


# -- names


@pytest.fixture
def named(nexus: TaskNexus) -> TaskNexus:
    nexus.add_tasks([draft("dt-7k2m"), draft("dt-7k9x"), draft("dt-3aaa"), draft("EPIC-1"), draft("dt-3aaa.1")])
    return nexus


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("dt-7k2m", "dt-7k2m"),
        ("dt-7k2", "dt-7k2m"),
        ("7k9", "dt-7k9x"),
        ("7K9X", "dt-7k9x"),
        ("DT-7K2M", "dt-7k2m"),
        ("dt-3aaa", "dt-3aaa"),
        ("3aaa", "dt-3aaa"),
        ("3aaa.", "dt-3aaa.1"),
        ("EPIC", "EPIC-1"),
    ],
)
def test_the_only_task_whose_id_begins_so_is_meant(named: TaskNexus, prefix: str, expected: str) -> None:
    assert named.get_task_by_id(prefix).task_id == expected


def test_a_prefix_of_several_ids_is_refused_with_the_candidates(named: TaskNexus) -> None:
    with pytest.raises(AmbiguousTaskId) as caught:
        named.cancel_task("7k", by="cli")

    assert caught.value.candidates == ("dt-7k2m", "dt-7k9x")
    assert named.stats()["status"] == {"pending": 5}


def test_an_unknown_id_is_a_clear_answer_with_the_nearest_ids(named: TaskNexus) -> None:
    with pytest.raises(TaskNotFound) as caught:
        named.get_task_by_id("dt-7k2n")
    assert "dt-7k2m" in caught.value.nearest
    with pytest.raises(TaskNotFound):
        named.get_task_by_id("")
