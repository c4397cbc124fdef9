"""The JSON board edited by hand: what a person changes is taken as it is meant, and noted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dreamos_tasks.errors import (
    StaleToken,
    TaskNotFound,
)
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.history import state_changes
from dreamos_tasks.model.task import Priority, Status, TaskDraft
from tests.fakes import FakeClock
from tests.stores.json_boards import Open, edit, read, write

# -- hand edits


def test_a_task_needs_no_more_than_a_title(open_json: Open, json_path: Path) -> None:
    write(json_path, '{"dreamos_tasks": 1, "tasks": [{"title": "Buy milk"}]}')
    saved_at = datetime.fromtimestamp(json_path.stat().st_mtime, UTC)

    (task,) = open_json().get_all_tasks()

    assert task.status is Status.PENDING
    assert task.task_id.startswith("dt-")
    assert task.created_by == "file"
    assert abs(task.created_at - saved_at) < timedelta(milliseconds=1)
    assert task.pending_since == task.created_at


def test_a_task_without_an_id_has_the_same_one_for_every_reader_and_keeps_it(open_json: Open, json_path: Path) -> None:
    write(json_path, '[{"title": "Buy milk"}, {"title": "Buy milk"}, {"title": "Pay"}]')
    first, second = open_json(), open_json()

    ids = [task.task_id for task in first.get_all_tasks()]
    assert len(set(ids)) == 3
    assert [task.task_id for task in second.get_all_tasks()] == ids

    second.cancel_task(ids[2], by="cli")
    assert [task["task_id"] for task in read(json_path)] == ids


def test_an_edit_is_seen_by_those_who_have_the_board_open(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))

    edit(json_path, title="better", priority="high")

    assert nexus.get_task_by_id("dt-a").title == "better"
    assert nexus.get_task_by_id("dt-a").priority is Priority.HIGH


def test_the_next_transaction_records_an_edit_so_that_the_log_replays_to_the_board(
    open_json: Open, json_path: Path
) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    nexus.add_task(TaskDraft(title="y", task_id="dt-b"))
    edit(json_path, title="better", status="cancelled", tags=["core"], colour="red")

    nexus.cancel_task("dt-b", by="cli")

    edited = nexus.events(task_id="dt-a")[-1]
    assert edited.type is EventType.TASK_EDITED
    assert edited.by == "file"
    assert edited.changes["title"] == "better"
    assert edited.changes["status"] == "cancelled"
    assert edited.changes["tags"] == ["core"]
    assert edited.changes["extra"] == {"colour": "red"}
    assert nexus.get_task_by_id("dt-a").finished_at is not None
    assert [change.after for change in state_changes(nexus.events(task_id="dt-a"))] == ["pending", "cancelled"]
    assert open_json().store.integrity_problems() == ()
    assert len(nexus.events(task_id="dt-a")) == 2


def test_a_refused_verb_leaves_an_edit_to_the_next_one(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    edit(json_path, title="better")
    with pytest.raises(TaskNotFound):
        nexus.cancel_task("dt-zz", by="cli")
    assert len(nexus.events()) == 1

    nexus.get_next_task("ada")

    assert [event.type for event in nexus.events()] == ["task_added", "task_edited", "task_claimed"]


def test_a_heartbeat_is_not_taken_for_an_edit(open_json: Open, json_path: Path, clock: FakeClock) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    nexus.get_next_task("ada")
    clock.advance(60)
    nexus.heartbeat("dt-a", "ada")

    open_json().add_task(TaskDraft(title="y", task_id="dt-b"))

    assert [event.type for event in nexus.events(task_id="dt-a")] == ["task_added", "task_claimed"]


def test_a_task_added_by_hand_in_any_state_gets_a_log_that_tells_it(open_json: Open, json_path: Path) -> None:
    open_json().add_task(TaskDraft(title="x", task_id="dt-a"))
    top = read(json_path)
    top["tasks"].insert(
        0,
        {
            "task_id": "old-1",
            "title": "Done long ago",
            "status": "Completed",
            "result": {"files": 3},
            "created_at": "2024-01-01T00:00:00Z",
        },
    )
    write(json_path, json.dumps(top))
    nexus = open_json()
    nexus.get_next_task("ada")

    log = nexus.events(task_id="old-1")
    assert [(event.type, event.by) for event in log] == [("task_added", "file"), ("task_edited", "file")]
    assert log[0].at == datetime(2024, 1, 1, tzinfo=UTC)
    assert nexus.get_task_by_id("old-1").result == {"files": 3}
    assert open_json().store.integrity_problems() == ()


def test_tolerated_ways_of_writing_are_normalised(open_json: Open, json_path: Path) -> None:
    task = {
        "title": "x",
        "task_id": "dt-a",
        "priority": 0,
        "status": "PENDING",
        "due_at": "2026-05-01T10:00:00.1234567Z",
        "not_before": "2026-05-01T10:00:00+00:00Z",
        "created_at": "2026-05-01T12:00:00+02:00",
        "updated_at": "2026-05-01T10:00:00",
        "tags": ["core", "core"],
        "plan": {"steps": [{"name": "run", "params": {"command": "make"}, "why": "because"}]},
    }
    write(json_path, "\ufeff" + json.dumps([task, {"title": "y", "priority": "Urgent"}]).replace(",", ",\r\n"))
    ten = datetime(2026, 5, 1, 10, tzinfo=UTC)

    found, other = open_json().get_all_tasks()

    assert found.priority is other.priority is Priority.CRITICAL
    assert found.due_at == ten.replace(microsecond=123456)
    assert found.not_before == found.created_at == found.updated_at == ten
    assert found.tags == ("core",)
    assert found.plan is not None
    assert found.plan.steps[0].extra == {"why": "because"}


def test_a_claim_may_be_written_as_the_contract_shows_it(open_json: Open, json_path: Path, clock: FakeClock) -> None:
    claim = {"agent_id": "ada", "token": 3, "claimed_at": "2026-03-01T09:00:00Z", "lease_until": "2026-03-01T09:15:00Z"}
    write(json_path, json.dumps([{"title": "x", "task_id": "dt-a", "status": "in_progress", "claim": claim}]))
    nexus = open_json()

    task = nexus.get_task_by_id("dt-a")
    assert task.claim is not None
    assert task.claim.heartbeat_at == task.claim.claimed_at
    clock.advance(3600)
    again = nexus.get_next_task("ben")
    assert again is not None
    assert again.claim is not None
    assert again.claim.token == 4


def test_a_task_taken_out_of_the_file_is_gone_and_seqs_go_on(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    for name in "abc":
        nexus.add_task(TaskDraft(title=name, task_id=f"dt-{name}"))
    top = read(json_path)
    del top["tasks"][1]
    write(json_path, json.dumps(top))

    nexus.add_task(TaskDraft(title="d", task_id="dt-d"))

    assert [task.task_id for task in nexus.get_all_tasks()] == ["dt-a", "dt-c", "dt-d"]
    assert [event.seq for event in nexus.events()] == [1, 3, 4]


def test_a_claim_taken_away_by_hand_is_over(open_json: Open, json_path: Path) -> None:
    nexus = open_json()
    nexus.add_task(TaskDraft(title="x", task_id="dt-a"))
    nexus.get_next_task("ada")
    edit(json_path, status="pending", claim=None)

    with pytest.raises(StaleToken):
        nexus.mark_task_completed("dt-a", token=1)
    again = nexus.get_next_task("ben")
    assert again is not None
    assert again.last_token == 2
    assert [(a.agent_id, a.outcome) for a in nexus.attempts("dt-a")] == [("ada", "taken back by hand"), ("ben", None)]


def test_events_with_one_seq_after_a_merge_are_counted_on(open_json: Open, json_path: Path) -> None:
    open_json().add_task(TaskDraft(title="x", task_id="dt-a"))
    top = read(json_path)
    copy = json.loads(json.dumps(top["tasks"][0])) | {"task_id": "dt-b"}
    top["tasks"].append(copy)
    write(json_path, json.dumps(top))
    nexus = open_json()

    nexus.get_next_task("ada")

    assert [(event.seq, event.task_id) for event in nexus.events()] == [(1, "dt-a"), (2, "dt-b"), (3, "dt-a")]
    assert open_json().store.integrity_problems() == ()
