"""Whatever agents and monitors do in whatever order: one act a stall, and an act for each stall that was looked at."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from dreamos_tasks.errors import Refused
from dreamos_tasks.model.event import EventType
from dreamos_tasks.monitoring.escalation import EscalationStrategy
from dreamos_tasks.stores.memory import MemoryStore
from tests.monitoring.fakes import SILENT_SECONDS, TIMEOUT_SECONDS, Board

ACTS = (
    EventType.TASK_STALL_NOTED,
    EventType.TASK_STALLED,
    EventType.TASK_REASSIGNED,
    EventType.TASK_ESCALATED,
)
CHECKS = st.lists(st.integers(0, 5000), max_size=12)  # seconds between one check and the next
WORDS = st.sampled_from(["check", "check twice at once", "wait", "claim", "heartbeat", "release", "pause", "resume"])
STORY = st.lists(st.tuples(WORDS, st.integers(0, 5000)), max_size=25)


@given(strategy=st.sampled_from(EscalationStrategy), waits=CHECKS)
def test_any_number_of_checks_within_one_stall_acts_once(strategy: EscalationStrategy, waits: list[int]) -> None:
    board = Board(MemoryStore())
    task = board.add(assigned_to="ada")
    monitor = board.pending_monitor(strategy)
    restarts = 0

    for seconds in waits:
        pending_since = board.get(task).pending_since
        monitor.run_once(board.later(seconds))
        restarts += board.get(task).pending_since != pending_since

    waited = sum(waits) > TIMEOUT_SECONDS
    acts = len(board.events(task, *ACTS))
    if strategy is EscalationStrategy.REASSIGN:  # each restarts the clock, so that a new stall can begin
        assert acts == restarts <= sum(waits) // TIMEOUT_SECONDS
    else:
        assert acts == waited
    assert len(board.escalations()) == (strategy is EscalationStrategy.ESCALATE and waited)


@settings(max_examples=300)
@given(strategy=st.sampled_from(EscalationStrategy), story=STORY)
def test_one_act_for_each_time_the_task_became_pending(
    strategy: EscalationStrategy, story: list[tuple[str, int]]
) -> None:
    board = Board(MemoryStore())
    task = board.add()
    acts: Counter[object] = Counter()
    overdue: set[object] = set()

    for word, seconds in story:
        now = board.later(seconds)
        before = board.get(task)
        seen = len(board.events(task, *ACTS))
        since = before.pending_since if before.status in ("pending", "stalled") else None
        if word.startswith("check") and since is not None and now - since > timedelta(seconds=TIMEOUT_SECONDS):
            overdue.add(since)
        _tell(board, task.task_id, word, strategy)
        if before.claim is None:
            acts[before.pending_since] += len(board.events(task, *ACTS)) - seen

    assert {since for since, count in acts.items() if count} == overdue
    assert max(acts.values(), default=0) <= 1
    assert board.store.integrity_problems() == ()  # the events tell the same


@settings(max_examples=300)
@given(strategy=st.sampled_from(EscalationStrategy), story=STORY)
def test_one_act_for_each_silence(strategy: EscalationStrategy, story: list[tuple[str, int]]) -> None:
    board = Board(MemoryStore())
    task = board.add()
    monitor = board.lease_monitor(strategy)
    acts: Counter[object] = Counter()
    silent: set[object] = set()

    for word, seconds in story:
        now = board.later(seconds / 10)
        before = board.get(task)
        seen = len(board.events(task, *ACTS))
        claim = before.claim
        if word.startswith("check"):
            if claim is not None and (now - claim.heartbeat_at).total_seconds() > SILENT_SECONDS:
                silent.add(claim.heartbeat_at)
            monitor.run_once(now)
        else:
            _tell(board, task.task_id, word, strategy)
        acts[claim and claim.heartbeat_at] += len(board.events(task, *ACTS)) - seen

    assert {since for since, count in acts.items() if count} == silent
    assert max(acts.values(), default=0) <= 1
    assert board.store.integrity_problems() == ()  # the events tell the same
    assert len(board.escalations()) <= board.get(task).last_token


def _tell(board: Board, task_id: str, word: str, strategy: EscalationStrategy) -> None:
    nexus, now = board.nexus, board.clock.at
    try:
        match word:
            case "check":
                board.pending_monitor(strategy).run_once(now)
            case "check twice at once":
                one, other = board.pending_monitor(strategy), board.pending_monitor(strategy)
                seen_by_one, seen_by_other = one.look(now), other.look(now)
                one.deal(seen_by_one)
                other.deal(seen_by_other)
            case "claim":
                nexus.claim_task(task_id, "ada")
            case "heartbeat":
                nexus.heartbeat(task_id, "ada")
            case "release":
                nexus.release_task(task_id, "ada")
            case "pause":
                nexus.pause_task(task_id, by="ada")
            case "resume":
                nexus.resume_task(task_id, by="ada")
    except Refused:
        return  # not every word fits every state
