"""How the gates that steps share are shown: circuit breakers, rates, how many are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from dreamos_tasks.board.gate_view import GateView
from dreamos_tasks.interfaces.cli.text import ago, harmless, local
from dreamos_tasks.model.breaker import Position


def gate_lines(gates: Sequence[GateView], now: datetime) -> Iterator[str]:
    """A line for each, those that let nobody through first."""
    for gate in sorted(gates, key=lambda gate: gate.breaker is Position.CLOSED):
        yield f"{'gate' if gate.breaker is Position.CLOSED else 'breaker':<8} {harmless(gate.key)}: " + ", ".join(
            _words(gate, now)
        )


def _words(gate: GateView, now: datetime) -> Iterator[str]:
    match gate.breaker:
        case Position.OPEN if gate.open_until is not None:
            yield f"open until {local(gate.open_until, now)} ({ago(gate.open_until, now)})"
        case Position.HALF_OPEN:
            yield f"half-open, {gate.probe} tries it" if gate.probe else "half-open, the next call tries it"
        case _ if gate.failures:
            yield f"{gate.failures} failed lately"
    if gate.in_use:
        yield f"{len(gate.in_use)} of {gate.most} in use ({', '.join(gate.in_use)})"
    if gate.started:
        yield f"{gate.started} of {gate.per_minute} calls this minute"
    if gate.waiting:
        yield f"{gate.waiting} {'waits' if gate.waiting == 1 else 'wait'}"
    if gate.breaker is not Position.CLOSED and gate.reason:
        yield harmless(gate.reason)
