"""Taking back, on every kind of store: what is due is found, and the last change is the same."""

from __future__ import annotations

import pytest

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import CannotUndo
from dreamos_tasks.model.plan import Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import TaskDraft
from dreamos_tasks.model.undone import Undone
from tests.fakes import FakeClock

DUE = TaskQuery(statuses=frozenset({"rolling_back"}))
PLAN = Plan(steps=(Step(name="write", tool="files"),), rollback=True)


def end_midway(nexus: TaskNexus, task_id: str, *, cancels: bool = False) -> None:
    """Have it fail, or be cancelled, after its step."""
    nexus.add_task(TaskDraft(title=task_id, task_id=task_id, plan=PLAN))
    nexus.claim_task(task_id, "daemon")
    done = StepResult(name="write", status=StepStatus.COMPLETED, token=1, undo={"change": "put"})
    nexus.record_step(task_id, done, token=1)
    if cancels:
        nexus.cancel_task(task_id, by="cli")
    else:
        nexus.mark_task_failed(task_id, token=1, error="no")


def due(nexus: TaskNexus) -> list[str]:
    return [task.task_id for task in nexus.find_tasks(DUE)]


def test_tasks_whose_changes_are_to_be_taken_back_are_found_until_that_is_done(
    nexus: TaskNexus, clock: FakeClock
) -> None:
    nexus.add_task(TaskDraft(title="rollback", task_id="other", description='"rollback"'))
    nexus.cancel_task("other", by="cli")
    end_midway(nexus, "failed")
    end_midway(nexus, "cancelled", cancels=True)
    assert due(nexus) == ["failed", "cancelled"]

    nexus.begin_undo("failed", by="daemon")
    assert due(nexus) == ["failed", "cancelled"]
    nexus.record_undone("failed", "write", Undone(at=clock.now(), by="daemon"))
    ended = nexus.end_undo("failed", by="daemon")

    assert due(nexus) == ["cancelled"]
    assert ended.steps[0].status is StepStatus.PENDING
    assert nexus.get_task_by_id("failed") == ended


def test_the_last_change_of_all_tasks_is_taken_back_and_then_the_one_before(nexus: TaskNexus) -> None:
    nexus.add_tasks([TaskDraft(title="a", task_id="a"), TaskDraft(title="b", task_id="b")])
    nexus.edit_task("a", {"title": "new"}, by="cli")
    nexus.pause_task("b", by="cli")
    nexus.pause_task("a", by="the-daemon")

    assert [event.task_id for event in nexus.last_change(machines=("the-daemon",))] == ["b"]
    nexus.take_back(nexus.last_change(machines=("the-daemon",)), by="cli")
    assert nexus.get_task_by_id("b").status == "pending"
    with pytest.raises(CannotUndo):  # the daemon has paused it since
        nexus.take_back(nexus.last_change(machines=("the-daemon",)), by="cli")
    nexus.take_back(nexus.last_change(), by="cli")
    nexus.take_back(nexus.last_change(), by="cli")
    assert nexus.get_task_by_id("a").title == "a"

    added = nexus.last_change()
    assert [event.task_id for event in added] == ["a", "b"]
    assert [task.status for task in nexus.take_back(added, by="cli", dry_run=True)] == ["cancelled", "cancelled"]
    assert nexus.get_task_by_id("a").status == "pending"
    nexus.take_back(added, by="cli")
    assert nexus.last_change() == []


def test_of_several_changes_all_are_taken_back_or_none(nexus: TaskNexus) -> None:
    nexus.add_tasks([TaskDraft(title="a", task_id="a"), TaskDraft(title="b", task_id="b")])
    nexus.claim_task("b", "ada")

    with pytest.raises(CannotUndo):
        nexus.take_back(nexus.last_change(), by="cli")

    assert nexus.get_task_by_id("a").status == "pending"


def test_it_is_looked_back_through_many_events(nexus: TaskNexus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamos_tasks.board.undoing.WINDOW_EVENTS", 3)
    nexus.add_task(TaskDraft(title="a", task_id="a"))
    nexus.edit_task("a", {"title": "new"}, by="cli")
    for _ in range(5):
        nexus.pause_task("a", by="monitor")
        nexus.resume_task("a", by="monitor")

    assert [dict(event.changes) for event in nexus.last_change()] == [{"title": "new"}]
