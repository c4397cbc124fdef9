from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.errors import StaleToken
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.task import ProcessIdentity, Progress, Status, Task
from dreamos_tasks.monitoring.report import ExpiredClaim, MonitorReport
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.monitoring.fakes import ALIVE, DEAD, SILENT_SECONDS, Board, FakeClock

STRATEGIES = ("log_only", "mark_stalled", "reassign", "escalate")
NOTES = (EventType.TASK_STALL_NOTED, EventType.TASK_ESCALATED, EventType.TASK_REASSIGNED)


def held(board: Board, agent_id: str = "ada", *, process: ProcessIdentity | None = None) -> Task:
    return board.nexus.claim_task(board.add().task_id, agent_id, process=process)


def actions(report: MonitorReport) -> list[tuple[str, str | None]]:
    return [
        (claim.task_id, claim.action.value if claim.action else None)
        for agent in report.silent_agents
        for claim in agent.claims
    ]


def test_a_lease_that_ran_out_is_written_back_and_its_holder_named(board: Board) -> None:
    task = held(board)
    now = board.later(board.rules.lease_seconds)

    report = board.lease_monitor().run_once(now)

    assert report.expired == (
        ExpiredClaim(task_id=task.task_id, agent_id="ada", token=1, status=Status.PENDING, lost_leases=1),
    )
    assert report.silent_agents == ()
    (event,) = board.events(task, EventType.TASK_LEASE_EXPIRED)
    assert event.by == "monitor"
    assert board.nexus.store.get(task.task_id) == board.get(task)


def test_a_lease_is_written_back_once(board: Board) -> None:
    task = held(board)
    monitor = board.lease_monitor()

    reports = [monitor.run_once(board.later(board.rules.lease_seconds)) for _ in range(3)]

    assert [len(report.expired) for report in reports] == [1, 0, 0]
    assert len(board.events(task, EventType.TASK_LEASE_EXPIRED)) == 1


def test_a_task_that_ends_every_agent_has_failed(board: Board) -> None:
    small = Board(board.store, board.clock, BoardRules(max_lost_leases=2))
    task = small.add()
    monitor = small.lease_monitor()

    found: list[ExpiredClaim] = []
    for _ in range(2):
        small.nexus.claim_task(task.task_id, "ada")
        found += monitor.run_once(small.later(small.rules.lease_seconds + 1)).expired

    assert [(claim.status, claim.lost_leases) for claim in found] == [(Status.PENDING, 1), (Status.FAILED, 2)]


def test_an_agent_is_silent_when_it_was_not_heard_of_for_longer_than_allowed(board: Board) -> None:
    task = held(board)
    monitor = board.lease_monitor()

    assert monitor.run_once(board.later(SILENT_SECONDS)).silent_agents == ()
    (agent,) = monitor.run_once(board.later(1)).silent_agents

    assert (agent.agent_id, agent.silent_seconds) == ("ada", SILENT_SECONDS + 1)
    assert agent.last_heard_at == board.clock.at - timedelta(seconds=SILENT_SECONDS + 1)
    assert [(claim.task_id, claim.token, claim.action) for claim in agent.claims] == [(task.task_id, 1, "logged")]


def test_a_silence_is_noted_once_and_still_shown(board: Board) -> None:
    task = held(board)
    monitor = board.lease_monitor()

    reports = [monitor.run_once(board.later(SILENT_SECONDS + 1)) for _ in range(3)]

    assert [actions(report) for report in reports] == [
        [(task.task_id, "logged")],
        [(task.task_id, None)],
        [(task.task_id, None)],
    ]
    (note,) = board.events(task, *NOTES)
    assert note.detail["reason"] == "ada holds it and has given no sign of life for 3 minutes"


@pytest.mark.parametrize("sign", ["heartbeat", "progress"])
def test_after_a_sign_of_life_a_new_silence_is_noted(board: Board, sign: str) -> None:
    task = held(board)
    monitor = board.lease_monitor()
    monitor.run_once(board.later(SILENT_SECONDS + 1))
    if sign == "heartbeat":
        board.nexus.heartbeat(task.task_id, "ada")
    else:
        board.nexus.record_progress(task.task_id, Progress(percent=40), agent_id="ada")

    assert monitor.run_once(board.later(SILENT_SECONDS)).silent_agents == ()
    assert actions(monitor.run_once(board.later(1))) == [(task.task_id, "logged")]
    assert len(board.events(task, *NOTES)) == 2


def test_an_agent_that_is_heard_of_on_one_task_is_not_silent_on_another(board: Board) -> None:
    quiet, lively = held(board), held(board)
    board.later(SILENT_SECONDS)
    board.nexus.heartbeat(lively.task_id, "ada")

    assert board.lease_monitor("reassign").run_once(board.later(60)).silent_agents == ()
    assert board.get(quiet).status is Status.IN_PROGRESS


def test_each_silent_agent_is_listed_with_all_it_holds(board: Board) -> None:
    first, second, other = held(board), held(board), held(board, "grace")

    report = board.lease_monitor().run_once(board.later(SILENT_SECONDS + 1))

    assert {agent.agent_id: {claim.task_id for claim in agent.claims} for agent in report.silent_agents} == {
        "ada": {first.task_id, second.task_id},
        "grace": {other.task_id},
    }


def test_what_a_living_process_holds_is_never_silent(board: Board) -> None:
    alive = held(board, "daemon", process=ALIVE)
    dead = held(board, "daemon", process=DEAD)

    report = board.lease_monitor("reassign").run_once(board.later(SILENT_SECONDS + 1))

    assert actions(report) == [(dead.task_id, "reassigned")]
    assert board.get(alive).status is Status.IN_PROGRESS


@pytest.mark.parametrize("strategy", ["log_only", "mark_stalled"])
def test_under_a_live_lease_a_silent_agents_task_stays_in_progress(board: Board, strategy: str) -> None:
    task = held(board)

    report = board.lease_monitor(strategy).run_once(board.later(SILENT_SECONDS + 1))

    assert actions(report) == [(task.task_id, "logged")]
    after = board.get(task)
    assert (after.status, after.claim) == (Status.IN_PROGRESS, task.claim)
    (note,) = board.events(task, *NOTES)
    assert note.detail["strategy"] == strategy


def test_reassign_takes_a_silent_agents_task_and_refuses_it_when_it_comes_back(board: Board) -> None:
    task = held(board)
    board.nexus.edit_task(task.task_id, {"assigned_to": "ada"}, by="ada")

    report = board.lease_monitor("reassign").run_once(board.later(SILENT_SECONDS + 1))

    assert actions(report) == [(task.task_id, "reassigned")]
    taken = board.nexus.get_next_task("grace")
    assert taken is not None
    assert (taken.task_id, taken.assigned_to, taken.last_token) == (task.task_id, None, 2)
    with pytest.raises(StaleToken):
        board.nexus.mark_task_completed(task.task_id, "ada", token=1)


def test_escalate_adds_one_task_a_claim_however_often_its_holder_falls_silent(board: Board) -> None:
    task = held(board)
    monitor = board.lease_monitor("escalate")
    for _ in range(3):
        monitor.run_once(board.later(SILENT_SECONDS + 1))
        board.nexus.heartbeat(task.task_id, "ada")

    (escalation,) = board.escalations()
    assert escalation.related_task_id == task.task_id
    assert len(board.events(task, EventType.TASK_ESCALATED)) == 3

    board.nexus.release_task(task.task_id, "ada")
    board.nexus.claim_task(task.task_id, "grace")
    monitor.run_once(board.later(SILENT_SECONDS + 1))
    assert len(board.escalations()) == 2


def test_a_silence_on_an_escalation_is_noted_and_not_escalated(board: Board) -> None:
    escalation = board.add("look into it", task_id="escalation_dt-7k2m_0a1b2c3d")
    board.nexus.claim_task(escalation.task_id, "ada")

    report = board.lease_monitor("escalate").run_once(board.later(SILENT_SECONDS + 1))

    assert actions(report) == [(escalation.task_id, "logged")]
    assert len(board.escalations()) == 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_heartbeat_between_look_and_act_ends_the_silence(board: Board, strategy: str) -> None:
    task = held(board)
    monitor = board.lease_monitor(strategy)
    found = monitor.look(board.later(SILENT_SECONDS + 1))
    alive = board.nexus.heartbeat(task.task_id, "ada")

    assert monitor.deal(found).silent_agents == ()
    assert board.get(task) == alive
    assert board.escalations() == []


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_two_monitors_that_saw_the_same_silence_act_once_between_them(board: Board, strategy: str) -> None:
    task = held(board)
    now = board.later(SILENT_SECONDS + 1)
    one, other = board.lease_monitor(strategy), board.lease_monitor(strategy)
    seen_by_one, seen_by_other = one.look(now), other.look(now)

    assert len(actions(one.deal(seen_by_one))) == 1
    assert actions(other.deal(seen_by_other)) == []
    assert len(board.events(task, *NOTES)) == 1


def test_a_silence_is_dealt_with_once_over_a_restart(file: Path) -> None:
    clock = FakeClock()
    before = Board(SqliteStore.create(file), clock)
    task = held(before)
    before.lease_monitor("escalate").run_once(before.later(SILENT_SECONDS + 1))
    before.store.close()

    after = Board(SqliteStore(file), clock)
    report = after.lease_monitor("escalate").run_once(after.later(60))

    assert actions(report) == [(task.task_id, None)]
    assert len(after.escalations()) == 1
    after.store.close()


def test_the_next_instant_is_the_first_silence_or_the_first_end_of_a_lease(board: Board) -> None:
    monitor = board.lease_monitor()
    assert monitor.next_at(board.clock.at) is None

    began = board.clock.at
    held(board)
    assert monitor.next_at(began) == began + timedelta(seconds=SILENT_SECONDS)

    silent_at = board.later(SILENT_SECONDS + 1)
    monitor.run_once(silent_at)
    assert monitor.next_at(silent_at) == began + timedelta(seconds=board.rules.lease_seconds)


def test_a_living_process_is_next_looked_at_when_its_lease_ends(board: Board) -> None:
    task = held(board, "daemon", process=ALIVE)
    assert task.claim is not None

    assert board.lease_monitor().next_at(board.clock.at) == task.claim.lease_until


def test_the_pending_tasks_of_a_quiet_board_ask_for_no_write(board: Board) -> None:
    held(board)

    assert not board.lease_monitor().look(board.later(1)).asks_for_action


def test_a_report_has_a_json_form() -> None:
    board = Board(MemoryStore())
    expired = held(board, "grace")
    board.later(board.rules.lease_seconds - SILENT_SECONDS)
    silent = held(board)
    assert silent.claim is not None

    report = board.lease_monitor("escalate").run_once(board.later(SILENT_SECONDS + 1))

    form = json.loads(json.dumps(to_json(report)))
    assert form["expired"] == [
        {"task_id": expired.task_id, "agent_id": "grace", "token": 1, "status": "pending", "lost_leases": 1}
    ]
    assert form["silent_agents"] == [
        {
            "agent_id": "ada",
            "last_heard_at": "2026-01-01T00:12:00.000000Z",
            "silent_seconds": 181.0,
            "strategy": "escalate",
            "claims": [
                {
                    "task_id": silent.task_id,
                    "token": 1,
                    "lease_until": "2026-01-01T00:27:00.000000Z",
                    "action": "escalated",
                    "escalation_id": board.escalations()[0].task_id,
                    "noted_at": None,
                }
            ],
        }
    ]
