"""Gatekeeper: within one verb, lets steps through the gates that they share, and out again, and wakes who waited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Change
from dreamos_tasks.model.gate import (
    FARTHEST,
    SHELF,
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
from dreamos_tasks.model.outcome import Outcome, Snoozed
from dreamos_tasks.model.plan import StepResult, StepStatus
from dreamos_tasks.model.task import QUEUED, Task
from dreamos_tasks.protocols import TaskStore

MOST_WOKEN = 1000  # in one write; whoever is behind them comes by itself


def gatekept(
    store: TaskStore,
    task: Task,
    ended: Sequence[StepResult],
    *,
    token: int,
    gates: Mapping[str, Sequence[Gate]],
    now: datetime,
) -> Gatekeeper:
    """A gatekeeper that has let out the steps of the task that have ended."""
    keeper = Gatekeeper(store, task, now=now)
    for record in ended:
        keeper.leave(Hold(task_id=task.task_id, token=token, step=record.name), gates.get(record.name, ()), record)
    return keeper


class Gatekeeper:
    """Reads while the verb decides; what was decided is written by `write`, when nothing can be refused any more."""

    def __init__(self, store: TaskStore, task: Task, *, now: datetime) -> None:
        """`task` as it is to be saved, as far as that is known."""
        self.task = task
        self._store = store
        self._now = now
        self._by = task.claim.agent_id if task.claim is not None else "board"
        self._states: dict[str, GateState] = {}
        self._changed: set[str] = set()
        self._let_in: set[Hold] = set()
        self._woken: dict[str, int | None] = {}

    def enter(self, hold: Hold, gates: Sequence[Gate]) -> Refusal | None:
        """Let the step through all of its gates, or through none: then the first refusal."""
        answer = self._answer(hold, gates)
        if isinstance(answer, Refusal):
            return answer
        self._let_in.add(hold)
        self._change(answer)
        return None

    def leave(self, hold: Hold, gates: Sequence[Gate], record: StepResult) -> None:
        """The step has ended."""
        for gate in gates:
            before = self._state(gate.key)
            after = leave(gate, before, hold, record, now=self._now)
            for line, most in woken_lines(gate, before, after).items():
                known = self._woken.get(line, 0)
                self._woken[line] = None if known is None or most is None else known + most
            self._change({gate.key: after})

    def held_back(
        self, starting: Sequence[StepResult], *, token: int, gates: Mapping[str, Sequence[Gate]]
    ) -> Mapping[str, Refusal]:
        """Those of the steps that may not start now; the others are let in."""
        refused = {}
        for record in starting:
            hold = Hold(task_id=self.task.task_id, token=token, step=record.name)
            refusal = self.enter(hold, gates.get(record.name, ()))
            if refusal is not None:
                refused[record.name] = refusal
        return refused

    def put_off(self, outcome: Outcome, *, token: int, gates: Mapping[str, Sequence[Gate]]) -> Outcome:
        """The outcome of an attempt that is put off for a step, by how its gates stand now: others may have left since."""
        if not isinstance(outcome, Snoozed) or outcome.gate_wait is None:
            return outcome
        wait = outcome.gate_wait
        hold = Hold(task_id=self.task.task_id, token=token, step=wait.step)
        refusal = self._answer(hold, gates.get(wait.step, ()))
        if isinstance(refusal, Refusal):
            return replace(outcome, until=refusal.until, gate_wait=refusal.wait_of(wait.step))
        return replace(outcome, until=None, gate_wait=None)

    def write(self, save: Callable[[Change], Task]) -> None:
        """Write what has changed, and put those who waited for it back into the queue."""
        for key in sorted(self._changed):
            self._store.keep(SHELF, key, state_to_json(self._states[key]) or None)
        for line, most in self._woken.items():
            for task_id in self._store.waiting_in(line, limit=MOST_WOKEN if most is None else most):
                waiting = self._store.get(task_id)
                if waiting is not None and waiting.task_id != self.task.task_id and waiting.status in QUEUED:
                    save(lifecycle.wake(waiting, by=self._by, now=self._now))

    def _answer(self, hold: Hold, gates: Sequence[Gate]) -> Mapping[str, GateState] | Refusal:
        after: dict[str, GateState] = {}
        for gate in gates:
            answer = enter(
                gate,
                self._state(gate.key),
                hold,
                now=self._now,
                is_live=self._is_live,
                ahead=partial(self._ahead, gate.key),
            )
            if isinstance(answer, Refusal):
                return answer
            after[gate.key] = answer
        return after

    def _state(self, key: str) -> GateState:
        if key not in self._states:
            self._states[key] = state_from_json(self._store.kept(SHELF, key))
        return self._states[key]

    def _change(self, states: Mapping[str, GateState]) -> None:
        for key, state in states.items():
            if state_to_json(state) != state_to_json(self._states[key]):
                self._changed.add(key)
            self._states[key] = state

    def _is_live(self, hold: Hold) -> bool:
        if hold in self._let_in:
            return True
        task = self.task if hold.task_id == self.task.task_id else self._store.get(hold.task_id)
        return task is not None and is_under_way(task, hold, now=self._now)

    def _ahead(self, key: str, kind: WaitKind) -> int:
        return len(self._store.waiting_in(f"{kind.value} {key}", limit=FARTHEST))


def is_under_way(task: Task, hold: Hold, *, now: datetime) -> bool:
    """Whether the step is run under this very claim, which is not over."""
    claim = task.claim
    return (
        claim is not None
        and claim.token == hold.token
        and not lifecycle.lease_expired(task, now)
        and any(
            record.name == hold.step and record.token == hold.token and record.status is StepStatus.RUNNING
            for record in task.steps
        )
    )
