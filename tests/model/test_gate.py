"""Gate: who may be in, who is told when somebody leaves, and what the board keeps of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dreamos_tasks.model.breaker import CLOSED, Breaker, BreakerRule
from dreamos_tasks.model.gate import (
    Gate,
    GateState,
    Refusal,
    enter,
    leave,
    state_from_json,
    state_to_json,
    woken_lines,
)
from dreamos_tasks.model.hold import Hold, WaitKind
from dreamos_tasks.model.plan import ErrorCategory, StepResult, StepStatus, TaskError
from tests.fakes import at

RULE = BreakerRule(failures=2, window_seconds=60, open_seconds=30)
HOST = Gate(key="http example.com:80", most=2, per_minute=5, breaker=RULE)
DONE = StepResult(name="call", status=StepStatus.COMPLETED)


def hold(number: int) -> Hold:
    return Hold(task_id=f"t{number}", token=1, step="call")


def failed(category: ErrorCategory) -> StepResult:
    error = TaskError(category=category, message="connection refused")
    return StepResult(name="call", status=StepStatus.FAILED, error=error)


def asked(gate: Gate, state: GateState, number: int, *, second: float = 0, **more: Any) -> GateState | Refusal:
    told = {"is_live": lambda _: True, "ahead": lambda _: 0, **more}
    return enter(gate, state, hold(number), now=at(second), **told)


def let_in(gate: Gate, state: GateState, *numbers: int, second: float = 0) -> GateState:
    for number in numbers:
        answer = asked(gate, state, number, second=second)
        assert isinstance(answer, GateState), answer
        state = answer
    return state


def test_as_many_as_may_be_are_in_at_once() -> None:
    state = let_in(HOST, GateState(), 1, 2)
    refusal = asked(HOST, state, 3)
    assert isinstance(refusal, Refusal)
    assert (refusal.kind, refusal.until) == (WaitKind.ROOM, at(5))
    assert refusal.reason == "http example.com:80 is in use by 2 of 2 steps at once"


def test_who_is_over_is_not_in() -> None:
    state = let_in(HOST, GateState(), 1, 2)
    answer = asked(HOST, state, 3, is_live=lambda other: other != hold(1))
    assert isinstance(answer, GateState)
    assert answer.holds == (hold(2), hold(3))


def test_whoever_leaves_makes_room_and_one_who_waits_is_told() -> None:
    state = let_in(HOST, GateState(), 1, 2)
    left = leave(HOST, state, hold(1), DONE, now=at(1))
    assert woken_lines(HOST, state, left) == {"room http example.com:80": 1}
    assert let_in(HOST, left, 3).holds == (hold(2), hold(3))


def test_the_rate_is_kept_and_those_behind_one_another_come_one_after_another() -> None:
    gate = replace(HOST, most=None)
    state = let_in(gate, GateState(), 1, 2, 3, 4, 5)
    first, third = (asked(gate, state, 6, second=10, ahead=lambda _, n=n: n) for n in (0, 2))
    assert isinstance(first, Refusal)
    assert isinstance(third, Refusal)
    assert (first.kind, first.until) == (WaitKind.RATE, at(60))
    assert third.until == at(60)  # five places come free at once
    fourth = asked(gate, state, 6, second=10, ahead=lambda _: 5)
    assert isinstance(fourth, Refusal)
    assert fourth.until == at(120)


@pytest.mark.parametrize("category", [ErrorCategory.TRANSIENT, ErrorCategory.RESOURCE])
def test_failures_that_pass_open_the_breaker(category: ErrorCategory) -> None:
    state = GateState()
    for number in (1, 2):
        state = leave(HOST, let_in(HOST, state, number), hold(number), failed(category), now=at(0))
    refusal = asked(HOST, state, 3, second=1)
    assert isinstance(refusal, Refusal)
    assert (refusal.kind, refusal.until) == (WaitKind.BREAKER, at(30))
    assert "connection refused" in refusal.reason


@pytest.mark.parametrize("category", [ErrorCategory.LOGIC, ErrorCategory.PERMISSION, ErrorCategory.CONFIGURATION])
def test_other_failures_do_not(category: ErrorCategory) -> None:
    state = GateState()
    for number in range(9):
        gate = replace(HOST, per_minute=None)
        state = leave(gate, let_in(gate, state, number), hold(number), failed(category), now=at(0))
    assert state.breaker == CLOSED


def opened() -> GateState:
    return GateState(breaker=Breaker(open_until=at(30), reason="refused"))


def test_a_probe_that_is_answered_closes_the_breaker_and_all_who_wait_are_told() -> None:
    for record in (DONE, failed(ErrorCategory.LOGIC)):
        state = let_in(HOST, opened(), 7, second=31)
        left = leave(HOST, state, hold(7), record, now=at(32))
        assert left.breaker == CLOSED
        assert woken_lines(HOST, state, left)["breaker http example.com:80"] is None


def test_a_probe_that_was_never_made_leaves_its_place_to_one_who_waits() -> None:
    state = let_in(HOST, opened(), 7, second=31)
    left = leave(HOST, state, hold(7), failed(ErrorCategory.CONFIGURATION), now=at(32))
    assert left.breaker == opened().breaker
    assert woken_lines(HOST, state, left)["breaker http example.com:80"] == 1


def test_those_who_wait_for_a_breaker_come_one_after_another() -> None:
    instants = []
    for ahead in (0, 1, 10, 10_000):
        refusal = asked(HOST, opened(), 3, ahead=lambda _, n=ahead: n)
        assert isinstance(refusal, Refusal)
        instants.append(refusal.until)
    assert instants == [at(30), at(31), at(40), at(630)]


def test_what_the_board_keeps_says_the_same_again() -> None:
    state = GateState(
        breaker=Breaker(failed_at=(at(1), at(2.000001)), open_until=at(9), probe=hold(1), reason="größe"),
        starts=((at(3), 2), (at(4.5), 1)),
        holds=(hold(1), hold(2)),
        most=2,
        per_minute=5,
    )
    assert state_from_json(state_to_json(state)) == state


def test_nothing_is_kept_of_a_gate_of_which_there_is_nothing_to_say() -> None:
    assert state_to_json(GateState()) == {}
    assert state_to_json(GateState(most=2)) == {}
    assert state_from_json(None) == GateState()
