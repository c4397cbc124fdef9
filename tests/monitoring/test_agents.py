"""Registered agents that fall silent: what they hold goes back into the queue, once, with the reason."""

from __future__ import annotations

from pathlib import Path

from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.config.settings import AgentSettings, Settings
from dreamos_tasks.model.agent import AgentProfile
from dreamos_tasks.model.event import EventType
from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.task import ProcessIdentity, Task
from dreamos_tasks.monitoring.agents import PROCESS_LOOK_SECONDS, AgentMonitor
from dreamos_tasks.monitoring.monitor import check_board, monitors_of
from dreamos_tasks.monitoring.report import MonitorReport
from dreamos_tasks.stores.sqlite import SqliteStore
from tests.monitoring.fakes import ALIVE, DEAD, NOON, Board

GONE_SECONDS = 300.0


def monitor(board: Board) -> AgentMonitor:
    return AgentMonitor(board.nexus, silent_seconds=GONE_SECONDS, is_alive=lambda process: process == ALIVE)


def register(board: Board, *, process: ProcessIdentity | None = None) -> None:
    board.nexus.register_agent(AgentProfile(agent_id="ada", process=process))


def held(board: Board, agent_id: str = "ada", *, process: ProcessIdentity | None = None) -> Task:
    return board.nexus.claim_task(board.add().task_id, agent_id, process=process)


def released(report: MonitorReport) -> list[tuple[str, list[str]]]:
    return [(agent.agent_id, [claim.task_id for claim in agent.claims]) for agent in report.silent_agents]


def test_what_a_silent_agent_holds_is_released_long_before_its_lease_runs_out(board: Board) -> None:
    register(board)
    tasks = [held(board), held(board)]
    now = board.later(GONE_SECONDS + 1)

    report = monitor(board).run_once(now)

    assert released(report) == [("ada", [task.task_id for task in tasks])]
    for task in tasks:
        found = board.get(task)
        assert (found.status, found.claim, found.lost_leases, found.pending_since) == ("pending", None, 1, now)
        (event,) = board.events(task, EventType.TASK_RECOVERED)
        assert event.by == "monitor"
        assert event.detail == {
            "agent_id": "ada",
            "token": 1,
            "reason": "ada held it and has given no sign of life for 5 minutes",
        }
    assert board.nexus.agent("ada").silent_since is not None
    assert [note["what"] for note in board.nexus.agent("ada").log] == ["registered", "tasks released"]
    assert released(monitor(board).run_once(board.later(1))) == []
    assert board.nexus.store.integrity_problems() in ((), [])


def test_a_sign_of_life_of_the_agent_keeps_what_it_holds(board: Board) -> None:
    register(board)
    task = held(board)
    for _ in range(3):
        board.later(GONE_SECONDS - 100)
        board.nexus.agent_heartbeat("ada")
        assert released(monitor(board).run_once(board.clock.now())) == []
    assert board.get(task).claim is not None


def test_a_sign_of_life_under_one_claim_keeps_the_others(board: Board) -> None:
    register(board)
    tasks = [held(board), held(board)]
    board.later(GONE_SECONDS - 1)
    board.nexus.heartbeat(tasks[0].task_id, "ada")
    assert released(monitor(board).run_once(board.later(GONE_SECONDS - 1))) == []


def test_an_agent_whose_process_is_gone_is_not_waited_for(board: Board) -> None:
    register(board, process=DEAD)
    task = held(board)

    report = monitor(board).run_once(board.later(1))

    assert released(report) == [("ada", [task.task_id])]
    (event,) = board.events(task, EventType.TASK_RECOVERED)
    assert event.detail["reason"] == f"ada held it, and its process {DEAD.pid} is gone"


def test_an_agent_whose_process_lives_is_waited_for(board: Board) -> None:
    register(board, process=ALIVE)
    held(board)
    now = board.later(GONE_SECONDS * 2)
    assert released(monitor(board).run_once(now)) == []
    soon = monitor(board).next_at(now)
    assert soon is not None
    assert (soon - now).total_seconds() == PROCESS_LOOK_SECONDS, "that a process has ended, nobody tells"


def test_a_claim_whose_own_process_lives_is_not_touched(board: Board) -> None:
    register(board)
    held(board, process=ALIVE)
    assert released(monitor(board).run_once(board.later(GONE_SECONDS * 2))) == []


def test_an_agent_that_was_heard_of_between_look_and_deed_keeps_its_tasks(board: Board) -> None:
    register(board)
    task = held(board)
    found = monitor(board).look(board.later(GONE_SECONDS + 1))
    assert found.asks_for_action
    board.nexus.agent_heartbeat("ada")

    assert released(monitor(board).deal(found)) == []
    assert board.get(task).claim is not None


def test_a_claim_made_between_look_and_deed_is_not_released(board: Board) -> None:
    register(board)
    task = held(board)
    found = monitor(board).look(board.later(GONE_SECONDS + 1))
    board.nexus.release_task(task.task_id, "ada")
    board.nexus.claim_task(task.task_id, "ben")

    assert released(monitor(board).deal(found)) == []
    again = board.get(task)
    assert again.claim is not None
    assert again.claim.agent_id == "ben"


def test_a_task_that_silences_every_agent_has_failed(board: Board) -> None:
    board.rules = BoardRules(max_lost_leases=2)
    board.__post_init__()
    register(board)
    task = held(board)
    monitor(board).run_once(board.later(GONE_SECONDS + 1))
    board.nexus.claim_task(task.task_id, "ada")
    monitor(board).run_once(board.later(GONE_SECONDS + 1))

    assert board.get(task).status == "failed"
    error = board.get(task).error
    assert error is not None
    assert "2 agents in a row" in error.message


def test_an_agent_that_comes_back_is_heard_of_again_and_its_token_is_stale(board: Board) -> None:
    register(board)
    held(board)
    monitor(board).run_once(board.later(GONE_SECONDS + 1))
    board.later(60)
    assert board.nexus.get_next_task("ada") is not None

    view = board.nexus.agent("ada")
    assert (view.state, view.silent_since) == ("working", None)
    assert [note["what"] for note in view.log][-1] == "heard of again"


def test_agents_that_are_not_registered_are_left_to_the_strategy(board: Board) -> None:
    register(board)
    task = held(board, "ben")
    report = monitor(board).run_once(board.later(GONE_SECONDS * 2))
    assert released(report) == []
    assert monitor(board).next_at(board.clock.now()) is None
    assert board.get(task).claim is not None


def test_the_next_look_is_when_the_next_agent_would_be_silent(board: Board) -> None:
    register(board)
    held(board)
    soon = board.clock.now()
    due = monitor(board).next_at(soon)
    assert due is not None
    assert (due - soon).total_seconds() == GONE_SECONDS


def test_a_check_deals_with_each_silence_once_and_two_at_once_do_too(file: Path) -> None:
    boards = [Board(SqliteStore.create(file)) for _ in range(2)]
    register(boards[0])
    task = held(boards[0])
    for board in boards:
        board.later(GONE_SECONDS + 1)
    found = [monitor(board).look(board.clock.now()) for board in boards]

    reports = [monitor(board).deal(one) for board, one in zip(boards, found, strict=True)]

    assert [released(report) for report in reports] == [[("ada", [task.task_id])], []]
    assert len(boards[0].events(task, EventType.TASK_RECOVERED)) == 1
    for board in boards:
        board.store.close()


def test_a_whole_check_tells_of_it_and_the_lease_monitor_adds_nothing(board: Board) -> None:
    register(board)
    task = held(board)
    board.later(GONE_SECONDS + 1)
    settings = Settings(agents=AgentSettings(silent_after_seconds=GONE_SECONDS))

    report = check_board(board.nexus, monitors_of(settings, is_alive=lambda _process: False, time_of_day=lambda: NOON))

    assert released(report) == [("ada", [task.task_id])]
    assert (report.pending, report.expired) == (1, ())
    form = to_json(report)["silent_agents"][0]
    assert (form["strategy"], form["claims"][0]["action"]) == (None, "released")
    assert board.events(task, EventType.TASK_STALL_NOTED) == []
