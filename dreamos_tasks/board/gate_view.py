"""GateView: how a gate that steps share stands now, for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dreamos_tasks.board.gatekeeper import is_under_way
from dreamos_tasks.model import rate
from dreamos_tasks.model.breaker import Position, position
from dreamos_tasks.model.gate import SHELF, GateState, state_from_json
from dreamos_tasks.model.hold import Hold, WaitKind
from dreamos_tasks.model.value import frozen_value
from dreamos_tasks.protocols import TaskStore

LONGEST_LINE = 1000  # that is counted
MOST_GATES = 1_000_000  # that is, all: nobody has so many hosts


@frozen_value
class GateView:
    """What is shared, and by whom. `waiting`: how many tasks wait for it, up to a thousand.

    `breaker` with `open_until`, why it opened (`reason`) and the task that tries whether it is back (`probe`); `failures`
    within its window while it is closed. `in_use` of `most` at once, by the ids of the tasks; `started` of `per_minute`.
    """

    key: str
    breaker: Position = Position.CLOSED
    open_until: datetime | None = None
    reason: str = ""
    probe: str | None = None
    failures: int = 0
    in_use: tuple[str, ...] = ()
    most: int | None = None
    started: int = 0
    per_minute: int | None = None
    waiting: int = 0


def gate_views(store: TaskStore, *, now: datetime) -> Sequence[GateView]:
    """All gates of which there is something to say, by key."""
    kept = store.all_kept(SHELF, limit=MOST_GATES)
    views = [_view(store, key, state_from_json(form), now=now) for key, form in kept.items()]
    return [view for view in views if view != GateView(key=view.key, most=view.most, per_minute=view.per_minute)]


def _view(store: TaskStore, key: str, state: GateState, *, now: datetime) -> GateView:
    breaker = state.breaker
    probe = breaker.probe if breaker.probe is not None and _is_live(store, breaker.probe, now) else None
    return GateView(
        key=key,
        breaker=position(breaker, now),
        open_until=breaker.open_until,
        reason=breaker.reason,
        probe=probe.task_id if probe is not None else None,
        failures=len(breaker.failed_at),
        in_use=tuple(hold.task_id for hold in state.holds if _is_live(store, hold, now)),
        most=state.most,
        started=rate.count(state.starts, now),
        per_minute=state.per_minute,
        waiting=sum(len(store.waiting_in(f"{kind.value} {key}", limit=LONGEST_LINE)) for kind in WaitKind),
    )


def _is_live(store: TaskStore, hold: Hold, now: datetime) -> bool:
    task = store.get(hold.task_id)
    return task is not None and is_under_way(task, hold, now=now)
