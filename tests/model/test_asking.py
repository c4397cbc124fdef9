"""Asking people: the task waits for their word and for nothing else, and all they said is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dreamos_tasks.errors import InvalidInput, OwnApproval, RequestClosed, RequestNotFound
from dreamos_tasks.model import lifecycle
from dreamos_tasks.model.outcome import Succeeded
from dreamos_tasks.model.query import ClaimRequest
from dreamos_tasks.model.request import PauseEnd, Request, RequestKind, RequestState, Risk, task_id_of
from dreamos_tasks.model.task import Status, Task, TaskDraft
from tests.fakes import START, at

APPROVAL = Request(
    request_id="",
    kind=RequestKind.APPROVAL,
    asked_by="",
    asked_at=START,
    step="wipe",
    text="rm -rf build",
    risk=Risk.HIGH,
    params={"command": "rm -rf build"},
    expires_at=at(300),
)
QUESTION = replace(APPROVAL, kind=RequestKind.QUESTION, text="which?", choices=("red", "blue"), expires_at=None)


def claimed(*requests: Request) -> Task:
    """A task that ada holds and that has asked these."""
    task = lifecycle.add(TaskDraft(title="x"), task_id="a", now=START).task
    request = ClaimRequest(agent_id="ada")
    task = lifecycle.claim(task, request, unfinished=(), now=START, lease_seconds=900).task
    for asked in requests:
        task = lifecycle.ask(task, asked, agent_id=None, token=1, now=at(1)).task
    return task


def parked(*requests: Request) -> Task:
    """The same, after ada has let it go."""
    return lifecycle.release(claimed(*requests), agent_id="ada", token=1, now=at(2)).task


def test_a_task_that_has_asked_awaits_the_word_once_it_is_let_go() -> None:
    task = parked(APPROVAL)

    assert (task.status, task.claim) == (Status.AWAITING_APPROVAL, None)
    (request,) = task.requests
    assert (request.request_id, request.asked_by, request.asked_at) == ("a.r1", "ada", at(1))
    assert task_id_of("a.r1") == "a"
    assert lifecycle.waiting_for(task, unfinished=(), now=at(3)) == ("it is awaiting approval: a.r1",)


def test_several_requests_are_open_at_once_and_the_task_waits_for_all_of_them() -> None:
    task = parked(APPROVAL, QUESTION)

    task = lifecycle.answer(task, "a.r2", "blue", by="eve", now=at(3)).task
    assert task.status is Status.AWAITING_APPROVAL
    task = lifecycle.approve(task, "a.r1", by="eve", now=at(4), reason="fine").task

    assert (task.status, task.pending_since) == (Status.PENDING, at(4))
    approval, question = task.requests
    assert (approval.state, approval.decided_by, approval.reason) == (RequestState.APPROVED, "eve", "fine")
    assert approval.decided_params == {"command": "rm -rf build"}
    assert (question.state, question.answer, question.decided_at) == (RequestState.ANSWERED, "blue", at(3))


def test_who_approves_may_change_the_parameters() -> None:
    task = lifecycle.approve(parked(APPROVAL), "a.r1", by="eve", now=at(3), params={"command": "rm -r build/x"}).task

    assert task.requests[0].decided_params == {"command": "rm -r build/x"}
    assert task.requests[0].params == {"command": "rm -rf build"}


def test_who_works_on_a_task_cannot_approve_for_it() -> None:
    with pytest.raises(OwnApproval):
        lifecycle.approve(parked(APPROVAL), "a.r1", by="ada", now=at(3))


def test_a_decision_is_made_once() -> None:
    task = lifecycle.reject(parked(APPROVAL), "a.r1", by="eve", now=at(3), reason="no").task

    with pytest.raises(RequestClosed, match="rejected by eve"):
        lifecycle.approve(task, "a.r1", by="bob", now=at(4))


def test_after_its_time_a_request_cannot_be_approved_and_is_as_good_as_rejected() -> None:
    task = parked(APPROVAL)
    assert lifecycle.deadline_of(task) == at(300)
    assert lifecycle.lapse(task, by="monitor", now=at(299)).is_empty

    with pytest.raises(RequestClosed, match="expired"):
        lifecycle.approve(task, "a.r1", by="eve", now=at(300))
    task = lifecycle.lapse(task, by="monitor", now=at(300)).task

    assert task.status is Status.PENDING
    assert task.requests[0].state is RequestState.EXPIRED
    assert lifecycle.deadline_of(task) is None


def test_each_kind_of_request_takes_its_own_kind_of_decision() -> None:
    task = parked(APPROVAL, QUESTION)

    with pytest.raises(RequestClosed, match="answer it"):
        lifecycle.approve(task, "a.r2", by="eve", now=at(3))
    with pytest.raises(RequestClosed, match="approve or reject it"):
        lifecycle.answer(task, "a.r1", "blue", by="eve", now=at(3))
    with pytest.raises(InvalidInput, match="green"):
        lifecycle.answer(task, "a.r2", "green", by="eve", now=at(3))
    with pytest.raises(RequestNotFound):
        lifecycle.approve(task, "a.r3", by="eve", now=at(3))


def test_a_task_that_ends_withdraws_what_it_asked() -> None:
    task = lifecycle.settle(claimed(APPROVAL), Succeeded(), agent_id="ada", token=1, now=at(5)).task

    assert task.status is Status.COMPLETED
    assert task.requests[0].state is RequestState.WITHDRAWN
    assert lifecycle.open_requests(task) == []


def test_a_task_that_ends_after_the_time_of_what_it_asked_keeps_that_nobody_decided_in_time() -> None:
    task = lifecycle.settle(claimed(APPROVAL), Succeeded(), agent_id="ada", token=1, now=at(301)).task

    assert task.requests[0].state is RequestState.EXPIRED


def test_a_decision_while_the_task_is_held_leaves_it_held() -> None:
    task = lifecycle.approve(claimed(APPROVAL), "a.r1", by="eve", now=at(3)).task

    assert task.status is Status.IN_PROGRESS
    released = lifecycle.release(task, agent_id="ada", token=1, now=at(4)).task
    assert released.status is Status.PENDING


def test_a_lost_lease_keeps_a_task_waiting_for_the_word() -> None:
    task = claimed(APPROVAL)

    assert lifecycle.seen_at(task, at(901)).status is Status.AWAITING_APPROVAL
    assert lifecycle.expire(task, now=at(901)).task.status is Status.AWAITING_APPROVAL


def test_a_pause_at_the_boundary_leaves_the_task_with_its_holder_until_it_lets_go() -> None:
    task = lifecycle.pause(claimed(), by="eve", now=at(1), at_boundary=True).task
    assert task.status is Status.IN_PROGRESS

    assert lifecycle.recover(task, now=at(2), by="daemon", reason="killed").task.status is Status.PAUSED
    task = lifecycle.release(task, agent_id="ada", token=1, now=at(2)).task
    assert task.status is Status.PAUSED
    assert lifecycle.resume(task, by="eve", now=at(3)).task.status is Status.PENDING


def test_a_pause_that_was_only_asked_for_can_be_taken_back() -> None:
    task = lifecycle.pause(claimed(), by="eve", now=at(1), at_boundary=True).task

    task = lifecycle.resume(task, by="eve", now=at(2)).task

    assert (task.status, task.pause) == (Status.IN_PROGRESS, None)


@pytest.mark.parametrize(("then", "status"), [(PauseEnd.RESUME, Status.PENDING), (PauseEnd.CANCEL, Status.CANCELLED)])
def test_a_pause_that_has_lasted_its_time_ends_as_it_was_meant_to(then: PauseEnd, status: Status) -> None:
    task = lifecycle.pause(claimed(), by="eve", now=at(1), until=at(60), then=then).task
    assert lifecycle.deadline_of(task) == at(60)

    assert lifecycle.lapse(task, by="monitor", now=at(59)).is_empty
    assert lifecycle.lapse(task, by="monitor", now=at(60)).task.status is status


def test_a_paused_task_that_has_asked_awaits_the_word_when_it_is_resumed() -> None:
    task = lifecycle.pause(parked(APPROVAL), by="eve", now=at(3)).task

    assert task.status is Status.PAUSED
    assert lifecycle.resume(task, by="eve", now=at(4)).task.status is Status.AWAITING_APPROVAL


def test_events_tell_all_of_it() -> None:
    added = lifecycle.add(TaskDraft(title="x"), task_id="a", now=START)
    changes = [
        added,
        lifecycle.claim(added.task, ClaimRequest(agent_id="ada"), unfinished=(), now=at(1), lease_seconds=9),
    ]
    changes.append(lifecycle.ask(changes[-1].task, APPROVAL, agent_id="ada", token=1, now=at(2)))
    changes.append(lifecycle.release(changes[-1].task, agent_id="ada", token=1, now=at(3)))
    changes.append(lifecycle.approve(changes[-1].task, "a.r1", by="eve", now=at(4), params={"n": 1}))

    told = None
    for change in changes:
        for event in change.events:
            told = lifecycle.fold(told, event)

    assert told == changes[-1].task
    assert changes[-1].events[0].detail == {"request_id": "a.r1", "kind": "approval", "step": "wipe", "risk": "high"}
