"""Gate: what calls share beyond one task (a tool, or a host that it calls), and whether another call may start. Pure.

Its state is on the board, so that all processes see it: a circuit breaker, the starts of the last minute, and who is in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dreamos_tasks.model import breaker as breakers
from dreamos_tasks.model import rate
from dreamos_tasks.model.breaker import CLOSED, Breaker, BreakerRule, Position
from dreamos_tasks.model.hold import GateWait, Hold, WaitKind, hold_from_json
from dreamos_tasks.model.json_form import instant_from_text, instant_to_text, to_json
from dreamos_tasks.model.plan import ErrorCategory, StepResult, StepStatus
from dreamos_tasks.model.value import frozen_value

SHELF = "gate"  # where the board keeps how gates stand, by their keys
SAFETY_SECONDS = 5.0  # who waits for room is woken when there is some; this is for when nobody lived to do it
APART_SECONDS = 1.0  # between two of a line, that they do not all come at once and in vain
FARTHEST = 600  # in a line: from there on they come together
LONGEST_REASON = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@frozen_value
class Gate:
    """What calls share, and what holds for them. `most`: how many at once; `per_minute`: how many may start. None: any."""

    key: str
    most: int | None = None
    per_minute: int | None = None
    breaker: BreakerRule | None = None


@frozen_value
class GateState:
    """How it stands. `most` and `per_minute` are what the last one asked by, for people."""

    breaker: Breaker = CLOSED
    starts: rate.Starts = ()
    holds: tuple[Hold, ...] = ()
    most: int | None = None
    per_minute: int | None = None


@frozen_value
class Refusal:
    """A call may not start now, and not before `until`: an instant that is known, or one at which to ask again."""

    gate: str
    kind: WaitKind
    reason: str
    until: datetime

    def wait_of(self, step: str) -> GateWait:
        """What the task of the step is to be told."""
        return GateWait(gate=self.gate, kind=self.kind, step=step, reason=self.reason)


IsLive = Callable[[Hold], bool]
Ahead = Callable[[WaitKind], int]  # how many wait already


def enter(
    gate: Gate, state: GateState, by: Hold, *, now: datetime, is_live: IsLive, ahead: Ahead
) -> GateState | Refusal:
    """The state once the call is in, or why it may not start."""
    if gate.breaker is not None and not breakers.lets_through(state.breaker, now, is_live=is_live):
        return _left_alone(gate, state.breaker, now=now, ahead=ahead(WaitKind.BREAKER))
    holds = tuple(hold for hold in state.holds if is_live(hold))
    if gate.most is not None and len(holds) >= gate.most:
        return _full(gate, gate.most, now=now, ahead=ahead(WaitKind.ROOM))
    if gate.per_minute is not None and rate.count(state.starts, now) >= gate.per_minute:
        until = rate.free_at(state.starts, now, per_minute=gate.per_minute, ahead=ahead(WaitKind.RATE))
        return _too_many(gate, gate.per_minute, until=until)
    return GateState(
        breaker=breakers.let_through(state.breaker, by, now) if gate.breaker is not None else state.breaker,
        starts=rate.started(state.starts, now) if gate.per_minute is not None else (),
        holds=(*holds, by) if gate.most is not None else (),
        most=gate.most,
        per_minute=gate.per_minute,
    )


def leave(gate: Gate, state: GateState, by: Hold, record: StepResult, *, now: datetime) -> GateState:
    """The state after the call has ended, which `record` tells."""
    holds = tuple(hold for hold in state.holds if hold != by)
    return replace(state, holds=holds, breaker=_judged(gate, state.breaker, by, record, now=now))


def woken_lines(gate: Gate, before: GateState, after: GateState) -> Mapping[str, int | None]:
    """Who is to be told of the change: lines of tasks, and how many of each; None: all."""
    lines: dict[str, int | None] = {}
    if len(after.holds) < len(before.holds):
        lines[f"{WaitKind.ROOM.value} {gate.key}"] = 1
    if before.breaker.open_until is not None and after.breaker.open_until is None:
        lines[f"{WaitKind.BREAKER.value} {gate.key}"] = None
    elif before.breaker.probe is not None and after.breaker == replace(before.breaker, probe=None):
        lines[f"{WaitKind.BREAKER.value} {gate.key}"] = 1
    return lines


def state_to_json(state: GateState) -> dict[str, Any]:
    """What the board keeps of it; empty when there is nothing to keep."""
    form: dict[str, Any] = {}
    breaker = state.breaker
    if breaker != CLOSED:
        form["breaker"] = {
            "failed_at": [instant_to_text(at) for at in breaker.failed_at],
            "open_until": None if breaker.open_until is None else instant_to_text(breaker.open_until),
            "probe": to_json(breaker.probe),
            "reason": breaker.reason,
        }
    if state.starts:
        form["starts"] = [[(at - EPOCH) // MICROSECOND, number] for at, number in state.starts]
    if state.holds:
        form["holds"] = [to_json(hold) for hold in state.holds]
    limits = {"most": state.most, "per_minute": state.per_minute}
    return {**form, **{name: limit for name, limit in limits.items() if limit is not None}} if form else {}


def state_from_json(form: Mapping[str, Any] | None) -> GateState:
    """Back from `state_to_json`; None: nothing is kept."""
    if not form:
        return GateState()
    kept = form.get("breaker")
    breaker = CLOSED
    if kept:
        breaker = Breaker(
            failed_at=tuple(map(instant_from_text, kept["failed_at"])),
            open_until=instant_from_text(kept["open_until"]) if kept["open_until"] else None,
            probe=hold_from_json(kept["probe"]) if kept["probe"] else None,
            reason=kept["reason"],
        )
    return GateState(
        breaker=breaker,
        starts=tuple((EPOCH + at * MICROSECOND, number) for at, number in form.get("starts", ())),
        holds=tuple(map(hold_from_json, form.get("holds", ()))),
        most=form.get("most"),
        per_minute=form.get("per_minute"),
    )


def _judged(gate: Gate, breaker: Breaker, by: Hold, record: StepResult, *, now: datetime) -> Breaker:
    if gate.breaker is None:
        return breaker
    if record.status is StepStatus.COMPLETED:
        return breakers.answered(breaker, by)
    category = record.error.category if record.error is not None else None
    match category:
        case ErrorCategory.TRANSIENT | ErrorCategory.RESOURCE:
            reason = record.error.message[:LONGEST_REASON] if record.error is not None else ""
            return breakers.failed(breaker, gate.breaker, by, now=now, reason=reason)
        case ErrorCategory.LOGIC | ErrorCategory.PERMISSION:
            return breakers.answered(breaker, by)  # a refusal is an answer too
        case _:
            return breakers.gave_no_verdict(breaker, by)


def _left_alone(gate: Gate, breaker: Breaker, *, now: datetime, ahead: int) -> Refusal:
    if breakers.position(breaker, now) is Position.OPEN and breaker.open_until is not None:
        reason = f"{gate.key} fails and is left alone until {instant_to_text(breaker.open_until)} ({breaker.reason})"
        return _refusal(gate, WaitKind.BREAKER, reason, since=breaker.open_until, ahead=ahead)
    probe = breaker.probe.task_id if breaker.probe is not None else "another task"
    reason = f"{gate.key} has failed, and {probe} is trying whether it is back ({breaker.reason})"
    return _refusal(gate, WaitKind.BREAKER, reason, since=now + timedelta(seconds=SAFETY_SECONDS), ahead=ahead)


def _full(gate: Gate, most: int, *, now: datetime, ahead: int) -> Refusal:
    reason = f"{gate.key} is in use by {most} of {most} steps at once"
    return _refusal(gate, WaitKind.ROOM, reason, since=now + timedelta(seconds=SAFETY_SECONDS), ahead=ahead)


def _too_many(gate: Gate, per_minute: int, *, until: datetime) -> Refusal:
    reason = f"{gate.key} has been called {per_minute} times within a minute, which is the most"
    return Refusal(gate=gate.key, kind=WaitKind.RATE, reason=reason, until=until)


def _refusal(gate: Gate, kind: WaitKind, reason: str, *, since: datetime, ahead: int) -> Refusal:
    until = since + timedelta(seconds=APART_SECONDS * min(ahead, FARTHEST))
    return Refusal(gate=gate.key, kind=kind, reason=reason, until=until)
