"""What becomes an incident, when it is over, and when the monitor looks again."""

from __future__ import annotations

from datetime import time, timedelta
from pathlib import Path

import pytest

from dreamos_tasks.config.settings import EscalationSettings, Settings
from dreamos_tasks.model.agent import AgentProfile
from dreamos_tasks.model.incident import EscalationRule
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.task import Priority, Task
from dreamos_tasks.monitoring.incidents import IncidentMonitor, rule_from
from dreamos_tasks.monitoring.monitor import check_board, monitors_of
from dreamos_tasks.monitoring.report import MonitorReport
from dreamos_tasks.stores.json_file import JsonStore
from tests.monitoring.fakes import NOON, TIMEOUT_SECONDS, Board

RULE = EscalationRule(raise_after_seconds=7200)


def monitor(board: Board, *, rule: EscalationRule = RULE, at: time = NOON) -> IncidentMonitor:
    return IncidentMonitor(board.nexus, rule=rule, timeout_seconds=TIMEOUT_SECONDS, time_of_day=lambda: at)


def check(board: Board) -> list[tuple[str, str, str | None]]:
    report: MonitorReport = monitor(board).run_once(board.clock.now())
    return [(line.change, line.kind.value, line.task_id or line.agent_id) for line in report.incidents]


def due(board: Board, seconds: float, **fields: object) -> Task:
    return board.add(due_at=board.clock.now() + timedelta(seconds=seconds), **fields)  # type: ignore[arg-type]


def test_a_stall_is_an_incident_until_somebody_claims_the_task(board: Board) -> None:
    task = board.add(priority=Priority.HIGH)
    assert check(board) == []
    board.later(TIMEOUT_SECONDS + 1)
    assert check(board) == [("opened", "stalled", task.task_id)]
    (incident,) = board.nexus.incidents.all()
    assert incident.severity is Priority.HIGH
    assert incident.text == f"{task.task_id} (Fix the parser) is ready, and nobody has claimed it for 60 minutes"
    assert check(board) == []

    board.nexus.claim_task(task.task_id, "ada")
    assert check(board) == [("over", "stalled", task.task_id)]
    assert board.nexus.incidents.all() == []


@pytest.mark.parametrize("strategy", ["log_only", "mark_stalled", "escalate"])
def test_a_stall_that_a_strategy_has_dealt_with_is_one_incident_all_the_same(board: Board, strategy: str) -> None:
    task = board.add()
    board.later(TIMEOUT_SECONDS + 1)
    for _ in range(3):
        board.pending_monitor(strategy).run_once(board.later(1))
        check(board)
    assert [one.task_id for one in board.nexus.incidents.all()] == [task.task_id]
    assert len(board.escalations()) == (1 if strategy == "escalate" else 0)


def test_tasks_that_ask_somebody_to_look_are_no_incidents_themselves(board: Board) -> None:
    board.add()
    board.later(TIMEOUT_SECONDS + 1)
    board.pending_monitor("escalate").run_once(board.clock.now())
    board.later(TIMEOUT_SECONDS * 2)
    assert len(check(board)) == 1


def test_a_task_past_its_due_date_is_an_incident_whatever_state_it_is_in(board: Board) -> None:
    tasks = [due(board, 100) for _ in range(3)]
    done, later = due(board, 100), due(board, 10_000)
    board.nexus.claim_task(tasks[1].task_id, "ada")
    board.nexus.pause_task(tasks[2].task_id, by="ops")
    board.nexus.claim_task(done.task_id, "ben")
    board.nexus.mark_task_completed(done.task_id, "ben")

    board.later(99)
    assert check(board) == []
    board.later(2)
    assert check(board) == [("opened", "overdue", task.task_id) for task in tasks]
    held = board.nexus.incidents.get(tasks[1].task_id)
    assert held.text.endswith("1 seconds ago, and is in progress, held by ada")
    assert later.task_id not in [one.task_id for one in board.nexus.incidents.all()]

    board.nexus.mark_task_completed(tasks[1].task_id, "ada")
    board.nexus.edit_task(tasks[0].task_id, {"due_at": board.clock.now() + timedelta(days=1)}, by="cli")
    board.nexus.cancel_task(tasks[2].task_id, by="cli")
    assert sorted(check(board)) == sorted(("over", "overdue", task.task_id) for task in tasks)


def test_an_agent_that_fell_silent_is_an_incident_until_it_is_heard_of(board: Board) -> None:
    board.nexus.register_agent(AgentProfile(agent_id="ada"))
    board.nexus.register_agent(AgentProfile(agent_id="idle"))
    task = board.nexus.claim_task(board.add().task_id, "ada")
    board.later(board.rules.silent_agent_seconds + 1)
    assert check(board) == [("opened", "silent_agent", "ada")]
    tokens = {task.task_id: 1}
    board.nexus.release_silent_agent("ada", tokens=tokens, heard_at=board.clock.now(), by="monitor", reason="x")
    assert check(board) == []
    board.nexus.agent_heartbeat("ada")
    assert check(board) == [("over", "silent_agent", "ada")]


def test_what_nobody_acknowledges_rises_and_is_reported(board: Board) -> None:
    task = board.add()
    board.later(TIMEOUT_SECONDS + 1)
    check(board)
    seen = []
    for _ in range(6):
        board.later(3600)
        seen += [(line[0], board.nexus.incidents.get(task.task_id).severity.value) for line in check(board)]
    assert seen == [("risen", "high"), ("risen", "critical")]


def test_the_next_look_is_for_the_next_due_date_or_rise(board: Board) -> None:
    start = board.clock.now()
    assert monitor(board).next_at(start) is None
    due(board, 900)
    due(board, 600)
    assert monitor(board).next_at(start) == start + timedelta(seconds=600)
    board.later(901)
    assert monitor(board).next_at(board.clock.now()) == board.clock.now() + timedelta(milliseconds=1), "just missed"
    check(board)
    assert monitor(board).next_at(board.clock.now()) == board.clock.now() + timedelta(seconds=7200)


def test_a_task_that_is_added_past_its_due_date_is_looked_at_at_once(board: Board) -> None:
    task = due(board, -3600)
    assert monitor(board).next_at(board.clock.now()) == board.clock.now() + timedelta(milliseconds=1)
    assert check(board) == [("opened", "overdue", task.task_id)]
    assert monitor(board).next_at(board.clock.now()) != board.clock.now() + timedelta(milliseconds=1)


def test_what_was_kept_back_over_night_is_told_when_the_quiet_hours_end(board: Board) -> None:
    rule = EscalationRule(raise_after_seconds=86_400, quiet=(time(22), time(7)))
    due(board, 1)
    now = board.later(2)
    asleep = monitor(board, rule=rule, at=time(23))
    asleep.run_once(now)
    assert asleep.next_at(now) == now + timedelta(hours=8)
    assert monitor(board, rule=rule, at=NOON).next_at(now) == now + timedelta(seconds=86_400)


def test_a_look_that_finds_nothing_new_asks_for_no_write(board: Board) -> None:
    due(board, 1)
    now = board.later(2)
    assert monitor(board).look(now).asks_for_action
    check(board)
    assert not monitor(board).look(now).asks_for_action


def test_a_board_that_is_a_plain_array_is_checked_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "nexus.json"
    path.write_text("[]\n", encoding="utf-8")
    path.chmod(0o600)
    board = Board(JsonStore(path))
    board.add()
    board.later(TIMEOUT_SECONDS + 1)
    monitors = monitors_of(Settings(), is_alive=lambda _process: False, time_of_day=lambda: NOON)
    report = check_board(board.nexus, monitors)
    assert (len(report.stalled), report.incidents) == (1, ())


def test_a_whole_check_tells_what_it_opened(board: Board) -> None:
    task = board.add()
    board.later(TIMEOUT_SECONDS + 1)
    monitors = monitors_of(Settings(), is_alive=lambda _process: False, time_of_day=lambda: NOON)
    form = to_json(check_board(board.nexus, monitors))
    (line,) = form["incidents"]
    assert (line["change"], line["kind"], line["severity"], line["task_id"]) == (
        "opened",
        "stalled",
        "medium",
        task.task_id,
    )


def test_the_rule_is_what_the_settings_say() -> None:
    assert rule_from(EscalationSettings()) == EscalationRule()
    settings = EscalationSettings(quiet_hours="22:00-07:30", quiet_except="high", tell_from="medium")
    assert rule_from(settings) == EscalationRule(
        quiet=(time(22), time(7, 30)), quiet_except=Priority.HIGH, tell_from=Priority.MEDIUM
    )
