from __future__ import annotations

import re

import pytest

from dreamos_tasks.errors import ConfigError
from dreamos_tasks.model.task import Priority, Status
from dreamos_tasks.monitoring.escalation import STRATEGIES, EscalationStrategy, is_escalation, strategy_from
from tests.monitoring.fakes import TIMEOUT_SECONDS, Board


@pytest.mark.parametrize("word", ["log_only", "mark_stalled", "reassign", "escalate"])
def test_each_strategy_is_known_by_its_name_and_has_its_function(word: str) -> None:
    assert strategy_from(word) in STRATEGIES


def test_an_unknown_strategy_is_a_configuration_error_that_lists_the_four_and_the_nearest() -> None:
    with pytest.raises(ConfigError) as refused:
        strategy_from("Reasign")

    assert refused.value.exit_code == 2
    assert "'Reasign'" in refused.value.message
    assert "log_only, mark_stalled, reassign, escalate" in refused.value.cause
    assert refused.value.fix == "did you mean reassign?"


def test_a_strategy_unlike_any_other_gets_the_default_as_advice() -> None:
    with pytest.raises(ConfigError) as refused:
        strategy_from("")

    assert refused.value.fix == "leave it out for log_only"


def test_the_four_are_all_there_are() -> None:
    assert set(STRATEGIES) == set(EscalationStrategy)
    assert len(STRATEGIES) == 4


def test_an_escalation_task_asks_somebody_to_look(board: Board) -> None:
    task = board.add("Fix the parser", priority=Priority.LOW, tags=("core",), assigned_to="ada")
    now = board.later(TIMEOUT_SECONDS + 1)

    (line,) = board.pending_monitor("escalate").run_once(now).stalled

    (escalation,) = board.escalations()
    assert line.escalation_id == escalation.task_id
    assert re.fullmatch(rf"escalation_{re.escape(task.task_id)}_[0-9a-f]{{8}}", escalation.task_id)
    assert escalation.title == "Stalled: Fix the parser"
    assert escalation.priority is Priority.HIGH
    assert escalation.tags == ("escalation", "stalled_task")
    assert escalation.related_task_id == task.task_id
    assert escalation.status is Status.PENDING
    assert escalation.assigned_to is None
    assert "60 minutes" in escalation.description
    assert "assigned to ada" in escalation.description


def test_the_longest_id_and_title_can_be_escalated(board: Board) -> None:
    task = board.add("t" * 500, task_id="x" * 128)
    now = board.later(TIMEOUT_SECONDS + 1)

    board.pending_monitor("escalate").run_once(now)

    (escalation,) = board.escalations()
    assert len(escalation.task_id) == 128
    assert len(escalation.title) == 500
    assert escalation.related_task_id == task.task_id


@pytest.mark.parametrize(
    "made",
    [{"task_id": "escalation_dt-7k2m_0a1b2c3d"}, {"tags": ("stalled_task", "core", "escalation")}],
    ids=["by its id", "by its tags"],
)
def test_an_escalation_is_known_as_one_wherever_it_came_from(board: Board, made: dict[str, object]) -> None:
    assert is_escalation(board.add("imported", **made))


def test_a_task_about_escalations_is_not_one(board: Board) -> None:
    assert not is_escalation(board.add("escalation", task_id="escalation_policy", tags=("escalation",)))
