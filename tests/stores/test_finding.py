"""Asking a board: lists, filters, pages and counts are the same for every kind of store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Priority, TaskDraft
from tests.fakes import FakeClock, at


@pytest.fixture
def board(nexus: TaskNexus, clock: FakeClock) -> TaskNexus:
    """One task in every state, named after it; `expired` is under a lease that has run out."""
    drafts: list[dict[str, Any]] = [
        {"task_id": "expired", "title": "An expired claim", "tags": ("core",)},
        {"task_id": "ready", "title": "Fix the Parser", "tags": ("core", "ui"), "priority": Priority.HIGH},
        {"task_id": "blocked", "title": "Then test it", "depends_on": ("ready",), "parent_id": "ready"},
        {"task_id": "scheduled", "title": "Tonight", "not_before": at(50_000), "description": "the parser, too"},
        {"task_id": "both", "title": "x", "not_before": at(50_000), "depends_on": ("ready",)},
        {"task_id": "in-progress", "title": "x", "assigned_to": "ada", "priority": Priority.LOW},
        {"task_id": "paused", "title": "x"},
        {"task_id": "stalled", "title": "x", "dedupe_key": "once"},
        {"task_id": "completed", "title": "x", "tags": ("ui",)},
        {"task_id": "failed", "title": "x"},
        {"task_id": "cancelled", "title": "x", "assigned_to": "ben"},
    ]
    nexus.claim_task(nexus.add_task(TaskDraft(**drafts[0])).task_id, "dead")
    clock.advance(1000)
    nexus.add_tasks([TaskDraft(**draft) for draft in drafts[1:]])
    for task_id in ("in-progress", "completed", "failed"):
        nexus.claim_task(task_id, "ada")
    nexus.mark_task_completed("completed", "ada")
    nexus.mark_task_failed("failed", "ada", error="no")
    nexus.pause_task("paused", by="cli")
    nexus.mark_task_stalled("stalled", by="monitor", reason="long")
    nexus.cancel_task("cancelled", by="cli")
    return nexus


def ids(nexus: TaskNexus, **query: Any) -> list[str]:
    return [task.task_id for task in nexus.find_tasks(TaskQuery(**query))]


EVERYTHING = [
    "expired", "ready", "blocked", "scheduled", "both", "in-progress", "paused", "stalled", "completed", "failed",
    "cancelled",
]  # fmt: skip


def test_everything_is_found_oldest_first(board: TaskNexus) -> None:
    assert ids(board) == EVERYTHING


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("pending",), ["expired", "ready", "blocked", "scheduled", "both"]),
        (("in_progress",), ["in-progress"]),
        (("paused",), ["paused"]),
        (("stalled",), ["stalled"]),
        (("completed",), ["completed"]),
        (("failed",), ["failed"]),
        (("cancelled",), ["cancelled"]),
        (("awaiting_approval",), []),
        (("ready",), ["expired", "ready", "stalled"]),
        (("blocked",), ["blocked", "both"]),
        (("scheduled",), ["scheduled", "both"]),
        (("expired",), ["expired"]),
        (("failed", "cancelled", "completed"), ["completed", "failed", "cancelled"]),
        (("blocked", "in_progress"), ["blocked", "both", "in-progress"]),
        (("no-such-state",), []),
    ],
)
def test_states_kept_and_derived_can_be_asked_for(
    board: TaskNexus, words: tuple[str, ...], expected: list[str]
) -> None:
    assert ids(board, statuses=frozenset(words)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"tags": ("core",)}, ["expired", "ready"]),
        ({"tags": ("ui", "core")}, ["ready"]),
        ({"tags": ("none",)}, []),
        ({"category": ErrorCategory.LOGIC}, ["failed"]),
        ({"category": ErrorCategory.TRANSIENT}, []),
        ({"priority": Priority.HIGH}, ["ready"]),
        ({"agent": "ada"}, ["in-progress"]),
        ({"agent": "ben"}, ["cancelled"]),
        ({"agent": "dead"}, []),
        ({"held_by": "ada"}, ["in-progress"]),
        ({"held_by": "dead"}, []),
        ({"parent_id": "ready"}, ["blocked"]),
        ({"dedupe_key": "once"}, ["stalled"]),
        ({"id_prefix": "c"}, ["completed", "cancelled"]),
        ({"id_prefix": "completed"}, ["completed"]),
        ({"id_prefix": "z"}, []),
        ({"text": "PARSER"}, ["ready", "scheduled"]),
        ({"text": "the parser, too"}, ["scheduled"]),
        ({"text": "%"}, []),
        ({"text": "_"}, []),
        ({"stall_noted": True}, ["stalled"]),
        ({"stall_noted": False, "statuses": frozenset({"ready"})}, ["expired", "ready"]),
        ({"pending_before": at(1000)}, ["expired"]),
        ({"pending_before": at(900)}, []),
        ({"statuses": frozenset({"pending"}), "tags": ("core",), "priority": Priority.HIGH}, ["ready"]),
        ({"order": Order.NEWEST, "limit": 2}, ["cancelled", "failed"]),
        ({"limit": 0}, []),
    ],
    ids=str,
)
def test_all_that_is_asked_for_must_fit(board: TaskNexus, query: Mapping[str, Any], expected: list[str]) -> None:
    assert ids(board, **query) == expected


def test_the_queue_is_listed_as_it_would_be_claimed(board: TaskNexus) -> None:
    queue = ids(board, statuses=frozenset({"ready"}), order=Order.QUEUE)

    claimed = []
    while (task := board.get_next_task("cleo")) is not None:
        claimed.append(task.task_id)
    assert queue == claimed


def test_an_expired_claim_is_shown_as_pending_everywhere(board: TaskNexus) -> None:
    task = board.get_task_by_id("expired")

    assert task.status == "pending"
    assert task.claim is None
    assert task.pending_since == at(900)
    assert board.stats()["agent"] == {"ada": 1}


@pytest.mark.parametrize("order", list(Order))
@pytest.mark.parametrize("size", [1, 3, 20])
def test_pages_put_together_give_the_whole_list(board: TaskNexus, order: Order, size: int) -> None:
    whole = ids(board, order=order)
    pages: list[str] = []
    while page := ids(board, order=order, limit=size, after=pages[-1] if pages else None):
        pages += page

    assert pages == whole


@pytest.mark.parametrize("order", list(Order))
def test_a_page_goes_on_after_a_task_that_no_longer_fits(board: TaskNexus, order: Order) -> None:
    query: dict[str, Any] = {"statuses": frozenset({"pending", "cancelled"}), "order": order}
    whole = ids(board, **query)
    last = "ready"
    rest = whole[whole.index(last) + 1 :]
    board.claim_task(last, "ada")

    assert ids(board, **query, after=last) == rest


def test_after_an_unknown_task_there_is_nothing(board: TaskNexus) -> None:
    assert ids(board, after="no-such-task") == []


def test_counts_add_up_to_the_board(board: TaskNexus) -> None:
    stats = board.stats()

    assert stats["status"] == {
        "pending": 5, "in_progress": 1, "paused": 1, "stalled": 1, "completed": 1, "failed": 1, "cancelled": 1,
    }  # fmt: skip
    assert stats["priority"] == {"high": 1, "medium": 9, "low": 1}
    assert stats["agent"] == {"ada": 1}
    assert stats["tag"] == {"core": 2, "ui": 2}
    assert sum(stats["status"].values()) == sum(stats["priority"].values()) == len(EVERYTHING)


def test_a_field_that_is_not_counted_is_an_error(nexus: TaskNexus, clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="not counted by 'colour'"):
        nexus.store.count("colour", now=clock.now())


def test_the_number_of_tasks_is_known(board: TaskNexus) -> None:
    assert board.store.task_count() == len(EVERYTHING)


def test_what_is_past_its_due_date_and_not_over_is_found(nexus: TaskNexus, clock: FakeClock) -> None:
    states = {"held": "ada", "done": "ada", "pending": None, "later": None}
    for task_id in states:
        nexus.add_task(TaskDraft(title="x", task_id=task_id, due_at=at(200 if task_id == "later" else 100)))
    nexus.add_task(TaskDraft(title="x", task_id="never"))
    for task_id in ("held", "done"):
        nexus.claim_task(task_id, "ada")
    nexus.mark_task_completed("done", "ada")

    def overdue(seconds: float, **more: Any) -> list[str]:
        found = nexus.store.find(TaskQuery(overdue_at=at(seconds), **more), now=clock.now())
        return [task.task_id for task in found]

    assert (overdue(100), overdue(101), overdue(201)) == ([], ["held", "pending"], ["held", "pending", "later"])
    assert overdue(201, statuses=frozenset({"in_progress"})) == ["held"]
    assert overdue(201, after="held", limit=1) == ["pending"]
