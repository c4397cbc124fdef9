from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.lifecycle import fold
from dreamos_tasks.model.task import Status, Task, TaskDraft
from dreamos_tasks.monitoring.pending import LISTED, STALLS_AT_ONCE
from dreamos_tasks.monitoring.report import MonitorReport
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.monitoring.fakes import TIMEOUT_SECONDS, Board, FakeClock

STRATEGIES = ("log_only", "mark_stalled", "reassign", "escalate")
ACTS = (
    EventType.TASK_STALL_NOTED,
    EventType.TASK_STALLED,
    EventType.TASK_REASSIGNED,
    EventType.TASK_ESCALATED,
)


def actions(report: MonitorReport) -> list[tuple[str, str | None]]:
    return [(line.task_id, line.action.value if line.action else None) for line in report.stalled]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_task_that_waits_no_longer_than_the_timeout_is_left_alone(board: Board, strategy: str) -> None:
    task = board.add()
    now = board.later(TIMEOUT_SECONDS)

    report = board.pending_monitor(strategy).run_once(now)

    assert report == MonitorReport(checked_at=now, pending=1)
    assert board.events(task, *ACTS) == []


def test_log_only_notes_the_stall_and_leaves_the_task_as_it_is(board: Board) -> None:
    task = board.add(assigned_to="ada")
    now = board.later(7200)

    (line,) = board.pending_monitor("log_only").run_once(now).stalled

    assert (line.task_id, line.action, line.waited_seconds) == (task.task_id, "logged", 7200)
    (noted,) = board.events(task, *ACTS)
    assert noted.type is EventType.TASK_STALL_NOTED
    assert noted.by == "monitor"
    assert noted.detail["strategy"] == "log_only"
    assert noted.detail["reason"] == "nobody has claimed it for 2 hours, and it is assigned to ada"
    after = board.get(task)
    assert (after.status, after.assigned_to, after.pending_since) == (Status.PENDING, "ada", task.pending_since)


def test_mark_stalled_marks_the_task_and_it_can_still_be_claimed(board: Board) -> None:
    task = board.add()
    now = board.later(7200)

    assert actions(board.pending_monitor("mark_stalled").run_once(now)) == [(task.task_id, "marked_stalled")]

    assert board.get(task).status is Status.STALLED
    claimed = board.nexus.get_next_task("ada")
    assert claimed is not None
    assert (claimed.task_id, claimed.status, claimed.stall_noted_at) == (task.task_id, Status.IN_PROGRESS, None)


def test_reassign_clears_the_assignment_and_restarts_the_clock(board: Board) -> None:
    task = board.add(assigned_to="ada")
    now = board.later(7200)

    assert actions(board.pending_monitor("reassign").run_once(now)) == [(task.task_id, "reassigned")]

    after = board.get(task)
    assert (after.status, after.claim, after.assigned_to, after.pending_since) == (Status.PENDING, None, None, now)
    assert board.nexus.get_next_task("grace") is not None


def test_reassign_does_not_fire_again_until_the_clock_has_run_down_anew(board: Board) -> None:
    task = board.add()
    monitor = board.pending_monitor("reassign")
    monitor.run_once(board.later(TIMEOUT_SECONDS + 1))

    for _ in range(4):
        monitor.run_once(board.later(TIMEOUT_SECONDS / 4))
    assert len(board.events(task, EventType.TASK_REASSIGNED)) == 1

    monitor.run_once(board.later(1))
    assert len(board.events(task, EventType.TASK_REASSIGNED)) == 2


def test_escalate_makes_one_task_however_often_it_looks(board: Board) -> None:
    task = board.add()
    monitor = board.pending_monitor("escalate")

    reports = [monitor.run_once(board.later(TIMEOUT_SECONDS + 1)) for _ in range(5)]

    (escalation,) = board.escalations()
    (first, *others) = [next(line for line in report.stalled if line.task_id == task.task_id) for report in reports]
    assert (first.action, first.escalation_id) == ("escalated", escalation.task_id)
    assert {line.action for line in others} == {None}
    (noted,) = board.events(task, EventType.TASK_ESCALATED)
    assert noted.detail["escalation"] == escalation.task_id


def test_an_escalation_that_stalls_is_noted_and_never_escalated(board: Board) -> None:
    board.add()
    monitor = board.pending_monitor("escalate")
    monitor.run_once(board.later(TIMEOUT_SECONDS + 1))
    (escalation,) = board.escalations()

    report = monitor.run_once(board.later(TIMEOUT_SECONDS + 1))

    assert (escalation.task_id, "logged") in actions(report)
    assert len(board.escalations()) == 1
    assert len(board.events(escalation, EventType.TASK_STALL_NOTED)) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tasks_that_wait_for_a_reason_are_not_stalled(board: Board, strategy: str) -> None:
    held = board.add("somebody works on it")
    board.nexus.claim_task(held.task_id, "ada")
    blocked = board.add("blocked", depends_on=(held.task_id,))
    scheduled = board.add("scheduled", not_before=board.clock.at + timedelta(days=1))
    paused = board.add("paused")
    board.nexus.pause_task(paused.task_id, by="ada")
    cancelled = board.add("cancelled")
    board.nexus.cancel_task(cancelled.task_id, by="ada")
    for _ in range(12):
        board.later(600)
        board.nexus.heartbeat(held.task_id, "ada")

    report = board.pending_monitor(strategy).run_once(board.clock.at)

    assert report.stalled == ()
    assert report.pending == 2
    assert all(not board.events(task, *ACTS) for task in (held, blocked, scheduled, paused, cancelled))


def test_the_clock_starts_when_the_last_dependency_is_completed(board: Board) -> None:
    first = board.add("first")
    second = board.add("second", depends_on=(first.task_id,))
    board.later(50 * 3600)
    board.nexus.claim_task(first.task_id, "ada")
    board.nexus.mark_task_completed(first.task_id, "ada")
    monitor = board.pending_monitor()

    assert monitor.run_once(board.later(TIMEOUT_SECONDS)).stalled == ()

    (line,) = monitor.run_once(board.later(1)).stalled
    assert (line.task_id, line.waited_seconds) == (second.task_id, TIMEOUT_SECONDS + 1)


def test_the_clock_of_a_scheduled_task_starts_when_its_time_has_come(board: Board) -> None:
    task = board.add(not_before=board.clock.at + timedelta(days=2))
    monitor = board.pending_monitor()

    assert monitor.run_once(board.later(2 * 86_400 + TIMEOUT_SECONDS)).stalled == ()
    assert actions(monitor.run_once(board.later(1))) == [(task.task_id, "logged")]


def test_a_resumed_task_starts_its_clock_anew(board: Board) -> None:
    task = board.add()
    board.nexus.pause_task(task.task_id, by="ada")
    board.later(10 * TIMEOUT_SECONDS)
    board.nexus.resume_task(task.task_id, by="ada")

    assert board.pending_monitor().run_once(board.later(TIMEOUT_SECONDS)).stalled == ()


def test_a_new_stall_of_the_same_task_is_escalated_again(board: Board) -> None:
    task = board.add()
    monitor = board.pending_monitor("escalate")
    monitor.run_once(board.later(TIMEOUT_SECONDS + 1))
    board.nexus.claim_task(task.task_id, "ada")
    board.nexus.release_task(task.task_id, "ada")

    monitor.run_once(board.later(TIMEOUT_SECONDS + 1))

    assert [escalation.related_task_id for escalation in board.escalations()] == [task.task_id] * 2


def test_a_stall_that_was_marked_by_hand_is_listed_and_left_alone(board: Board) -> None:
    task = board.add()
    board.nexus.mark_task_stalled(task.task_id, by="ada", reason="by hand")

    report = board.pending_monitor("escalate").run_once(board.later(TIMEOUT_SECONDS + 1))

    assert actions(report) == [(task.task_id, None)]
    assert board.escalations() == []


def test_a_stall_is_dealt_with_once_over_a_restart(file: Path) -> None:
    clock = FakeClock()
    before = Board(SqliteStore.create(file), clock)
    task = before.add()
    before.later(TIMEOUT_SECONDS + 1)
    before.pending_monitor("escalate").run_once(clock.at)
    before.store.close()

    after = Board(SqliteStore(file), clock)
    report = after.pending_monitor("escalate").run_once(after.later(60))

    assert actions(report) == [(task.task_id, None)]
    assert len(after.escalations()) == 1
    after.store.close()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_monitors_that_saw_the_same_stall_act_once_between_them(board: Board, strategy: str) -> None:
    task = board.add(assigned_to="ada")
    now = board.later(TIMEOUT_SECONDS + 1)
    one, other = board.pending_monitor(strategy), board.pending_monitor(strategy)
    seen_by_one, seen_by_other = one.look(now), other.look(now)

    first, second = one.deal(seen_by_one), other.deal(seen_by_other)

    assert len(first.stalled) == 1
    assert second.stalled == ()
    assert len(board.events(task, *ACTS)) == 1
    assert len(board.escalations()) == (strategy == "escalate")


def test_two_processes_that_check_at_once_escalate_each_stall_once(file: Path) -> None:
    clock = FakeClock()
    boards = [Board(SqliteStore.create(file), clock) for _ in range(2)]
    tasks = boards[0].nexus.add_tasks([TaskDraft(title=f"task {number}") for number in range(150)])
    now = boards[0].later(TIMEOUT_SECONDS + 1)
    barrier = threading.Barrier(len(boards))
    reports: list[MonitorReport] = []

    def check(board: Board) -> None:
        barrier.wait()
        reports.append(board.pending_monitor("escalate").run_once(now))

    threads = [threading.Thread(target=check, args=(board,)) for board in boards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    escalated = [line.task_id for report in reports for line in report.stalled if line.action is not None]
    assert sorted(escalated) == sorted(task.task_id for task in tasks)
    assert sorted(str(task.related_task_id) for task in boards[0].escalations()) == sorted(escalated)
    for board in boards:
        board.store.close()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_task_that_is_claimed_between_look_and_act_is_left_to_its_holder(board: Board, strategy: str) -> None:
    task = board.add()
    monitor = board.pending_monitor(strategy)
    found = monitor.look(board.later(TIMEOUT_SECONDS + 1))
    claimed = board.nexus.claim_task(task.task_id, "ada")

    assert monitor.deal(found).stalled == ()

    assert board.get(task) == claimed
    assert board.escalations() == []


def test_a_lease_that_ran_out_unseen_leaves_a_task_that_can_stall(board: Board) -> None:
    task = board.add()
    board.nexus.claim_task(task.task_id, "ada")
    now = board.later(board.rules.lease_seconds + TIMEOUT_SECONDS + 1)

    report = board.pending_monitor("mark_stalled").run_once(now)

    assert [(line.task_id, line.action, line.waited_seconds) for line in report.stalled] == [
        (task.task_id, "marked_stalled", TIMEOUT_SECONDS + 1)
    ]
    assert (board.get(task).status, board.get(task).lost_leases) == (Status.STALLED, 1)


def test_a_silence_that_was_noted_does_not_hide_the_stall_after_it(board: Board) -> None:
    task = board.add()
    board.nexus.claim_task(task.task_id, "ada")
    board.lease_monitor().run_once(board.later(600))
    board.later(board.rules.lease_seconds + TIMEOUT_SECONDS)

    assert actions(board.pending_monitor().run_once(board.clock.at)) == [(task.task_id, "logged")]


def test_more_stalls_than_one_commit_should_hold_are_all_dealt_with(board: Board) -> None:
    count = 2 * STALLS_AT_ONCE + 7
    board.nexus.add_tasks([TaskDraft(title=f"task {number}") for number in range(count)])
    monitor = board.pending_monitor()

    first = monitor.run_once(board.later(TIMEOUT_SECONDS + 1))
    second = monitor.run_once(board.later(60))

    assert len({line.task_id for line in first.stalled if line.action}) == count == len(first.stalled)
    assert first.pending == count
    assert [line.action for line in second.stalled] == [None] * LISTED
    assert second.truncated
    assert not first.truncated


def test_stalls_behind_many_that_only_look_like_it_are_found(board: Board) -> None:
    first = board.add("first")
    board.nexus.add_tasks(
        [TaskDraft(title=f"task {number}", depends_on=(first.task_id,)) for number in range(STALLS_AT_ONCE + 1)]
    )
    last = board.add("last")
    board.later(TIMEOUT_SECONDS + 1)
    board.nexus.claim_task(first.task_id, "ada")
    board.nexus.mark_task_completed(first.task_id, "ada")

    assert actions(board.pending_monitor().run_once(board.clock.at)) == [(last.task_id, "logged")]


def test_a_report_has_a_json_form(board: Board) -> None:
    task = board.add()
    now = board.later(TIMEOUT_SECONDS + 1)

    report = board.pending_monitor("escalate").run_once(now)

    form = json.loads(json.dumps(to_json(report)))
    assert form == {
        "checked_at": "2026-01-01T01:00:01.000000Z",
        "pending": 1,
        "stalled": [
            {
                "task_id": task.task_id,
                "title": "Fix the parser",
                "since": "2026-01-01T00:00:00.000000Z",
                "waited_seconds": 3601.0,
                "strategy": "escalate",
                "action": "escalated",
                "escalation_id": board.escalations()[0].task_id,
                "noted_at": None,
            }
        ],
        "expired": [],
        "silent_agents": [],
        "truncated": False,
        "lapsed": [],
        "incidents": [],
    }


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_the_monitor_did_can_be_told_from_the_events(board: Board, strategy: str) -> None:
    task = board.add(assigned_to="ada")
    board.pending_monitor(strategy).run_once(board.later(TIMEOUT_SECONDS + 1))

    folded: Task | None = None
    for event in board.nexus.events(task_id=task.task_id):
        folded = fold(folded, event)

    assert folded == board.get(task)


def test_an_idle_board_has_nothing_to_act_on(board: Board) -> None:
    found = board.pending_monitor().look(datetime(2026, 1, 1, tzinfo=UTC))

    assert not found.asks_for_action
    assert not found.has_more
