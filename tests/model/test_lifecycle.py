"""The lifecycle: nothing happens that the transition table does not allow, and events tell all that happens."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamos_tasks.errors import (
    ClaimHeld,
    IllegalTransition,
    InvalidTask,
    Refused,
    StaleToken,
    TaskChanged,
    VerificationFailed,
)
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.event import Change
from dreamos_tasks.model.history import ATTEMPT_ENDS, attempts, differing_fields, state_changes
from dreamos_tasks.model.outcome import Cancelled, Failed, Outcome, RetryLater, Snoozed, Succeeded
from dreamos_tasks.model.plan import ErrorCategory, Step, StepResult, TaskError
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.request import Pause, Request, RequestKind
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import FINAL, Claim, Progress, Status, Task, TaskDraft, evolve
from dreamos_tasks.model.undoing import begin_undo
from tests.fakes import START, at

ADA = ClaimRequest(agent_id="ada")
ERROR = TaskError(category=ErrorCategory.TRANSIENT, message="no network")
POLICY = RetryPolicy(max_attempts=2, max_deferrals=1, jitter="none")


def task_in(status: Status) -> Task:
    """A task in this state, as simple as can be."""
    task = lifecycle.add(TaskDraft(title="x"), task_id="a", now=START).task
    claim = Claim(agent_id="ada", token=1, claimed_at=START, lease_until=at(900), heartbeat_at=START)
    changes: dict[str, Any] = {"status": status}
    if status is Status.IN_PROGRESS:
        changes |= {"claim": claim, "last_token": 1}
    return evolve(task, changes)


def asking_task_in(status: Status) -> Task:
    """A task in this state that has asked for leave and for an answer, and that is to rest if somebody holds it."""
    task = task_in(status)
    asked = tuple(
        Request(request_id=f"a.r{number}", kind=kind, asked_by="ada", asked_at=START)
        for number, kind in enumerate(RequestKind, start=1)
    )
    if status in FINAL:
        return task
    return evolve(task, {"requests": asked, "pause": Pause(by="cli", at=START) if status in PAUSABLE else None})


PAUSABLE = (Status.PAUSED, Status.IN_PROGRESS)
APPROVAL = Request(request_id="", kind=RequestKind.APPROVAL, asked_by="", asked_at=START, step="wipe")
# Every verb of the table, said to a task at an instant.
VERBS: dict[str, Callable[[Task, datetime], Change]] = {
    "claim": lambda task, now: lifecycle.claim(task, ADA, unfinished=(), now=now, lease_seconds=900),
    "heartbeat": lambda task, now: lifecycle.heartbeat(task, agent_id="ada", token=None, now=now, lease_seconds=900),
    "record": lambda task, now: lifecycle.record_progress(task, Progress(), agent_id="ada", token=None, now=now),
    "complete": lambda task, now: lifecycle.settle(task, Succeeded(), agent_id="ada", token=None, now=now),
    "fail": lambda task, now: lifecycle.settle(task, Failed(error=ERROR), agent_id="ada", token=None, now=now),
    "release": lambda task, now: lifecycle.release(task, agent_id="ada", token=None, now=now),
    "expire": lambda task, now: lifecycle.expire(task, now=now),
    "recover": lambda task, now: lifecycle.recover(task, now=now, by="daemon", reason="gone"),
    "pause": lambda task, now: lifecycle.pause(task, by="cli", now=now),
    "resume": lambda task, now: lifecycle.resume(task, by="cli", now=now),
    "cancel": lambda task, now: lifecycle.cancel(task, by="cli", now=now),
    "retry": lambda task, now: lifecycle.retry(task, by="cli", now=now),
    "stall": lambda task, now: lifecycle.stall(task, by="monitor", now=now, reason="long"),
    "reassign": lambda task, now: lifecycle.reassign(task, by="monitor", now=now, reason="long"),
    "note": lambda task, now: lifecycle.note_stall(task, by="monitor", now=now, strategy="log_only", reason="long"),
    "ask": lambda task, now: lifecycle.ask(task, APPROVAL, agent_id="ada", token=None, now=now),
    "approve": lambda task, now: lifecycle.approve(task, "a.r1", by="eve", now=now),
    "reject": lambda task, now: lifecycle.reject(task, "a.r1", by="eve", now=now),
    "answer": lambda task, now: lifecycle.answer(task, "a.r2", "blue", by="eve", now=now),
    "wake": lambda task, now: lifecycle.wake(task, by="daemon", now=now),
    "lapse": lambda task, now: lifecycle.lapse(task, by="monitor", now=now),
    "edit": lambda task, now: lifecycle.edit(task, {"title": f"at {now}"}, by="cli", now=now),
    "import": lambda task, now: lifecycle.end_elsewhere(task, Status.COMPLETED, by="cli", now=now),
    "undo": lambda task, now: begin_undo(task, by="cli", now=now),
}


def test_every_verb_of_the_table_is_tried_here() -> None:
    assert {*VERBS, "add"} == set(lifecycle.TRANSITIONS)


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_works_from_the_states_of_the_table_and_from_no_other(verb: str, status: Status) -> None:
    task = asking_task_in(status)
    now = at(900) if verb == "expire" else at(1)
    starts, ends = lifecycle.TRANSITIONS[verb]

    if status in starts:
        assert VERBS[verb](task, now).task.status in ends
    elif verb == "claim" and status is Status.IN_PROGRESS:
        assert VERBS[verb](task, now).is_empty  # one's own
    else:
        with pytest.raises(IllegalTransition) as caught:
            VERBS[verb](task, now)
        refusal = caught.value
        assert (refusal.task_id, refusal.state, refusal.verb) == ("a", status.value, verb)
        assert refusal.legal == lifecycle.legal_verbs(status)
        assert verb not in refusal.legal
        for word in (status.value, verb, *refusal.legal):
            assert word in f"{refusal.message} {refusal.cause}"


@pytest.mark.parametrize("status", list(Status))
def test_the_legal_verbs_are_those_that_work(status: Status) -> None:
    for verb in lifecycle.legal_verbs(status):
        VERBS[verb](asking_task_in(status), at(1))


def test_from_a_final_state_little_or_nothing_is_legal() -> None:
    assert {status: lifecycle.legal_verbs(status) for status in FINAL} == {
        Status.COMPLETED: (),
        Status.FAILED: ("retry",),
        Status.CANCELLED: ("retry",),
    }


@pytest.mark.parametrize("verb", ["heartbeat", "record", "complete", "fail", "release"])
def test_a_write_under_an_expired_lease_is_refused(verb: str) -> None:
    with pytest.raises(StaleToken) as caught:
        VERBS[verb](task_in(Status.IN_PROGRESS), at(900))
    assert caught.value.holder is None


def test_a_live_lease_is_not_expired_and_not_taken() -> None:
    task = task_in(Status.IN_PROGRESS)

    with pytest.raises(IllegalTransition, match="live lease"):
        lifecycle.expire(task, now=at(899.999999))
    with pytest.raises(ClaimHeld):
        lifecycle.claim(task, ClaimRequest(agent_id="ben"), unfinished=(), now=at(899.999999), lease_seconds=900)


def test_claiming_an_expired_task_tells_both_that_it_expired_and_that_it_was_claimed() -> None:
    change = lifecycle.claim(
        task_in(Status.IN_PROGRESS), ClaimRequest(agent_id="ben"), unfinished=(), now=at(900), lease_seconds=60
    )

    assert [event.type for event in change.events] == ["task_lease_expired", "task_claimed"]
    assert change.task.claim is not None
    assert (change.task.claim.agent_id, change.task.claim.token, change.task.lost_leases) == ("ben", 2, 1)


def test_a_task_under_an_expired_lease_is_seen_as_pending() -> None:
    task = task_in(Status.IN_PROGRESS)

    assert lifecycle.seen_at(task, at(899)) is task
    seen = lifecycle.seen_at(task, at(900))
    assert (seen.status, seen.claim, seen.pending_since) == (Status.PENDING, None, at(900))


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_task_fails_with_the_last_lease_it_may_lose(lost: int) -> None:
    task = evolve(task_in(Status.IN_PROGRESS), {"lost_leases": lost})

    change = lifecycle.expire(task, now=at(900), max_lost_leases=3)

    assert change.task.status is (Status.FAILED if lost == 2 else Status.PENDING)
    assert change.task.lost_leases == lost + 1


def test_a_change_of_nothing_is_empty() -> None:
    task = task_in(Status.PENDING)

    assert lifecycle.edit(task, {"title": "x"}, by="cli", now=at(1)).is_empty
    with pytest.raises(InvalidTask):
        lifecycle.edit(task, {"colour": "red"}, by="cli", now=at(1))


def test_what_was_decided_about_a_task_holds_only_while_it_is_as_it_was() -> None:
    task = task_in(Status.IN_PROGRESS)

    lifecycle.require_unchanged(task, None, now=at(1))
    lifecycle.require_unchanged(task, task, now=at(1))
    lifecycle.require_unchanged(task, lifecycle.seen_at(task, at(901)), now=at(902))
    with pytest.raises(TaskChanged):
        lifecycle.require_unchanged(task, task, now=at(900))


def test_the_gate_names_the_first_check_that_has_no_green_record() -> None:
    lifecycle.require_evidence(task_in(Status.IN_PROGRESS), ())
    task = evolve(task_in(Status.IN_PROGRESS), {"verify": (Step(name="test"), Step(name="lint"))})
    with pytest.raises(VerificationFailed) as caught:
        lifecycle.require_evidence(task, ())
    assert caught.value.step == "test"


# -- any sequence of verbs

agents = st.sampled_from(["ada", "ben"])
tokens = st.none() | st.integers(0, 3)
outcomes: st.SearchStrategy[tuple[str, Outcome]] = st.sampled_from(
    [
        ("complete", Succeeded(result={"n": (1, 2)})),
        ("fail", Failed(error=ERROR)),
        ("fail", Failed(error=TaskError(category=ErrorCategory.LOGIC, message="wrong"))),
        ("fail", RetryLater(error=ERROR)),
        ("release", Snoozed(reason="drain")),
        ("cancel", Cancelled(reason="no")),
    ]
)
steps = st.builds(
    StepResult, name=st.sampled_from(["build", "test"]), status=st.sampled_from(sorted(lifecycle.STEP_EVENTS))
)
Said = tuple[str, Callable[[Task, datetime], Change]]


@st.composite
def said(draw: st.DrawFn) -> Said:
    """A verb and its arguments."""
    who: dict[str, Any] = {"agent_id": draw(st.none() | agents), "token": draw(tokens)}
    request = ClaimRequest(agent_id=draw(agents))
    verb, outcome = draw(outcomes)
    step = draw(steps)
    lost = draw(st.none() | st.just(2))
    fields: dict[str, Any] = draw(
        st.sampled_from([{"title": "y"}, {"tags": ("core",)}, {"retry": RetryPolicy()}, {"not_before": at(500)}, {}])
    )
    verbs: list[Said] = [
        ("claim", lambda t, n: lifecycle.claim(t, request, unfinished=(), now=n, lease_seconds=100)),
        ("heartbeat", lambda t, n: lifecycle.heartbeat(t, **who, now=n, lease_seconds=100)),
        ("record", lambda t, n: lifecycle.record_progress(t, Progress(percent=5), **who, now=n)),
        ("record", lambda t, n: lifecycle.record_step(t, step, **who, now=n)),
        ("record", lambda t, n: lifecycle.reject_verification(t, ERROR, **who, now=n)),
        (verb, lambda t, n: lifecycle.settle(t, outcome, **who, now=n, retry=POLICY, roll=1)),
        ("release", lambda t, n: lifecycle.release(t, **who, now=n)),
        ("expire", lambda t, n: lifecycle.expire(t, now=n, max_lost_leases=lost)),
        ("recover", lambda t, n: lifecycle.recover(t, now=n, by="daemon", reason="gone")),
        ("pause", lambda t, n: lifecycle.pause(t, by="cli", now=n, reason="x")),
        ("resume", lambda t, n: lifecycle.resume(t, by="cli", now=n)),
        ("cancel", lambda t, n: lifecycle.cancel(t, by="cli", now=n)),
        ("retry", lambda t, n: lifecycle.retry(t, by="cli", now=n)),
        ("stall", lambda t, n: lifecycle.stall(t, by="monitor", now=n, reason="x")),
        ("reassign", lambda t, n: lifecycle.reassign(t, by="monitor", now=n, reason="x")),
        ("note", lambda t, n: lifecycle.note_stall(t, by="m", now=n, strategy="escalate", reason="x")),
        ("edit", lambda t, n: lifecycle.edit(t, fields, by="cli", now=n)),
    ]
    return draw(st.sampled_from(verbs))


@settings(max_examples=150)
@given(st.lists(st.tuples(said(), st.sampled_from([0, 1, 50, 100, 400])), max_size=30))
def test_no_sequence_of_verbs_leaves_the_table_and_its_events_tell_it_all(story: list[tuple[Said, int]]) -> None:
    change = lifecycle.add(TaskDraft(title="x", tags=("a",), retry=None), task_id="a", now=START)
    task, events, now = change.task, list(change.events), 0
    last_token = 0
    for (verb, say), seconds in story:
        now += seconds
        before = task
        try:
            change = say(task, at(now))
        except Refused:
            continue
        task = change.task
        events += change.events
        starts, ends = lifecycle.TRANSITIONS[verb]
        if not change.is_empty:
            started_from = (
                Status.PENDING if verb == "claim" and lifecycle.lease_expired(before, at(now)) else before.status
            )
            assert (started_from in starts, task.status in ends) == (True, True), (before.status, verb, task.status)
        assert (task.claim is not None) == (task.status is Status.IN_PROGRESS)
        assert task.last_token >= last_token
        assert task.claim is None or task.claim.token == task.last_token
        assert (task.finished_at is not None) == task.is_final
        last_token = task.last_token
        told = None
        for event in events:
            told = lifecycle.fold(told, event)
        assert told is not None
        assert differing_fields(told, task) == ()
    history = state_changes(events)
    assert history[-1].after == task.status
    assert len(attempts(events)) == task.attempt
    assert len([event for event in events if event.type in ATTEMPT_ENDS]) >= task.attempt - (task.claim is not None)
