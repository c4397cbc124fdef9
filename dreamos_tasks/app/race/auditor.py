"""Auditor: holds journal, ledger, board and event log against the invariants I1-I7, from outside.

I1 every task ends, once. I2 what was acknowledged is there. I3 no step runs after it was recorded complete. I4 nobody writes
without a live claim, tokens grow. I5 one effect of an attempt, and none without a record. I6 the board is sound, and its
events tell the same. I7 no process outlives its claim.

It decides from the events alone what may have happened, and uses none of the code that decides in the program; only reading
a board, and folding its events (I6), are the program's own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamos_tasks.app.race.journal import WORK, Entry
from dreamos_tasks.app.race.ledger import Acknowledged
from dreamos_tasks.board.reader import BoardReader
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.query import TaskQuery
from dreamos_tasks.model.task import FINAL, Status, Task
from dreamos_tasks.stores.replay import replay_problems

ENDS = {
    EventType.TASK_COMPLETED: Status.COMPLETED,
    EventType.TASK_FAILED: Status.FAILED,
    EventType.TASK_CANCELLED: Status.CANCELLED,
}
# What only a holder, or the end of a lease, can bring about.
NEED_CLAIM = frozenset(
    {
        EventType.PROGRESS,
        EventType.STEP_STARTED,
        EventType.STEP_COMPLETED,
        EventType.STEP_FAILED,
        EventType.STEP_SKIPPED,
        EventType.VERIFICATION_FAILED,
        EventType.TASK_COMPLETED,
        EventType.TASK_FAILED,
        EventType.TASK_RETRY_SCHEDULED,
        EventType.TASK_DEFERRED,
        EventType.TASK_RELEASED,
        EventType.TASK_LEASE_EXPIRED,
        EventType.TASK_RECOVERED,
    }
)
END_CLAIM = frozenset(
    {
        *ENDS,
        EventType.TASK_RETRY_SCHEDULED,
        EventType.TASK_DEFERRED,
        EventType.TASK_RELEASED,
        EventType.TASK_LEASE_EXPIRED,
        EventType.TASK_RECOVERED,
        EventType.TASK_PAUSED,
        EventType.TASK_REASSIGNED,
    }
)
STEP_EVENTS = frozenset(
    {EventType.STEP_STARTED, EventType.STEP_COMPLETED, EventType.STEP_FAILED, EventType.STEP_SKIPPED}
)


@dataclass(frozen=True, slots=True)
class TaggedProcess:
    """A process that runs for a task: the task's variables are in its environment."""

    pid: int
    task_id: str
    token: int
    command: bytes


@dataclass(frozen=True, slots=True, order=True)
class Violation:
    """What does not hold: which invariant, for which task ("" for the board), and how it shows."""

    invariant: str
    task_id: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board at one moment, as the auditor needs it. `unsound`: what the integrity check said."""

    tasks: tuple[Task, ...]
    events: tuple[Event, ...]
    unsound: tuple[str, ...] = ()


def read_board(nexus: BoardReader) -> Board:
    """Everything on an open board. Nobody should write meanwhile."""
    events: list[Event] = []
    while batch := nexus.events(after=events[-1].seq if events else 0):
        events.extend(batch)
    tasks = nexus.store.find(TaskQuery(), now=nexus.clock.now())
    return Board(tasks=tuple(tasks), events=tuple(events), unsound=tuple(nexus.store.integrity_problems()))


def audit(
    board: Board,
    *,
    journal: Sequence[Entry] = (),
    ledger: Sequence[Acknowledged] = (),
    processes: Iterable[TaggedProcess] = (),
    all_final: bool = True,
) -> list[Violation]:
    """Everything that does not hold. `all_final`: the board was given the time to finish all it has."""
    histories = _histories(board.events)
    found = [Violation("I6", "", problem) for problem in (*board.unsound, *replay_problems(board.tasks, board.events))]
    found += _final_states(board.tasks, histories, all_final=all_final)
    found += _acknowledged(ledger, histories)
    for history in histories.values():
        found += history.violations
    found += _effects(journal, histories)
    found += _processes(processes, {task.task_id: task for task in board.tasks})
    return sorted(found)


@dataclass(slots=True)
class _History:
    """One task's events, walked once."""

    task_id: str
    violations: list[Violation] = field(default_factory=list)
    final: Status | None = None
    live_token: int | None = None
    last_token: int = 0
    claims: dict[int, int] = field(default_factory=dict)  # token -> attempt
    completions: list[int | None] = field(default_factory=list)  # under which token
    started: set[tuple[str, int, int]] = field(default_factory=set)  # (step, attempt, token)
    completed: dict[str, int] = field(default_factory=dict)  # step -> token

    def walk(self, event: Event) -> None:
        if self.final is not None and event.type is not EventType.TASK_RETRIED:
            self._say("I1", f"{event.type} after it was {self.final} (seq {event.seq})")
        if event.type in NEED_CLAIM and self.live_token is None:
            self._say("I4", f"{event.type} while nobody held it (seq {event.seq})")
        if event.type is EventType.TASK_CLAIMED:
            self._claimed(event)
        elif event.type in STEP_EVENTS:
            self._step(event)
        if event.type is EventType.TASK_COMPLETED:
            self.completions.append(self.live_token)
        if event.type in END_CLAIM:
            self.live_token = None
        if event.type in ENDS:
            self.final = ENDS[event.type]
        elif event.type is EventType.TASK_RETRIED:
            self.final = None

    def _claimed(self, event: Event) -> None:
        token, attempt = int(event.changes["claim"]["token"]), int(event.changes["attempt"])
        if self.live_token is not None:
            self._say("I4", f"claimed with token {token} while token {self.live_token} was live (seq {event.seq})")
        if token <= self.last_token:
            self._say("I4", f"token {token} after token {self.last_token} (seq {event.seq})")
        self.live_token = self.last_token = token
        self.claims[token] = attempt

    def _step(self, event: Event) -> None:
        record = _record(event)
        step, attempt, token = str(record["name"]), int(record.get("attempt", 1)), int(record.get("token", 0))
        if token != self.live_token:
            self._say("I4", f"{event.type} of {step!r} under token {token}; live is {self.live_token}")
        if step in self.completed:
            self._say("I3", f"{event.type} of {step!r} after it was recorded complete (seq {event.seq})")
        if event.type is EventType.STEP_STARTED:
            self.started.add((step, attempt, token))
        elif event.type is EventType.STEP_COMPLETED:
            self.completed[step] = token

    def _say(self, invariant: str, what: str) -> None:
        self.violations.append(Violation(invariant, self.task_id, what))


def _histories(events: Iterable[Event]) -> dict[str, _History]:
    histories: dict[str, _History] = {}
    for event in events:
        histories.setdefault(event.task_id, _History(event.task_id)).walk(event)
    return histories


def _record(event: Event) -> dict[str, Any]:
    """The step's record that the event wrote."""
    name = event.detail["step"]
    record: dict[str, Any] = next(step for step in event.changes["steps"] if step["name"] == name)
    return record


def _final_states(tasks: Iterable[Task], histories: dict[str, _History], *, all_final: bool) -> Iterator[Violation]:
    for task in tasks:
        told = histories[task.task_id].final if task.task_id in histories else None
        shown = task.status if task.status in FINAL else None
        if told is not shown:
            yield Violation("I1", task.task_id, f"its events end in {told}, the board has {task.status}")
        if all_final and shown is None:
            yield Violation("I1", task.task_id, f"it is {task.status} and not final")


def _acknowledged(ledger: Iterable[Acknowledged], histories: dict[str, _History]) -> Iterator[Violation]:
    for entry in ledger:
        history = histories.get(entry.task_id)
        if history is None:
            yield Violation("I2", entry.task_id, f"{entry.verb} was acknowledged, and the task is not there")
        elif entry.verb == "claim" and entry.token not in history.claims:
            yield Violation("I2", entry.task_id, f"the claim with token {entry.token} was acknowledged, and is gone")
        elif entry.verb == "complete" and entry.token not in history.completions:
            yield Violation("I2", entry.task_id, f"completing under token {entry.token} was acknowledged, and is gone")


def _effects(journal: Sequence[Entry], histories: dict[str, _History]) -> Iterator[Violation]:
    for entry, times in Counter(journal).items():
        if times > 1:
            yield Violation("I5", entry.task_id, f"{times} effects of one attempt: {entry}")
    for entry in journal:
        history = histories.get(entry.task_id)
        if history is None:
            yield Violation("I5", entry.task_id, f"an effect of a task that is not there: {entry}")
        elif entry.step == WORK:
            if history.claims.get(entry.token) != entry.attempt:
                yield Violation("I5", entry.task_id, f"an effect without a recorded claim: {entry}")
        elif (entry.step, entry.attempt, entry.token) not in history.started:
            yield Violation("I5", entry.task_id, f"an effect without a recorded attempt: {entry}")
        elif entry.token > history.completed.get(entry.step, entry.token):
            yield Violation("I3", entry.task_id, f"run after it was recorded complete: {entry}")


def _processes(processes: Iterable[TaggedProcess], tasks: dict[str, Task]) -> Iterator[Violation]:
    for process in processes:
        task = tasks.get(process.task_id)
        if task is None or task.claim is None or task.claim.token != process.token:
            state = "not there" if task is None else f"{task.status}, token {task.last_token}"
            yield Violation(
                "I7", process.task_id, f"process {process.pid} of token {process.token} lives: task is {state}"
            )
