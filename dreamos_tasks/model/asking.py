"""The verbs by which a task asks people, and by which they decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dreamos_tasks.errors import InvalidInput, OwnApproval, RequestClosed, RequestNotFound
from dreamos_tasks.model.event import Change, EventType
from dreamos_tasks.model.json_form import instant_to_text, to_json
from dreamos_tasks.model.leases import held
from dreamos_tasks.model.request import PauseEnd, Request, RequestKind, RequestState, request_id_of
from dreamos_tasks.model.steering import cancel, resume
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.model.transitions import changed, requeued, require, why

_ASKED = {
    RequestKind.APPROVAL: EventType.APPROVAL_REQUESTED,
    RequestKind.QUESTION: EventType.QUESTION_ASKED,
}
_DECIDED = {
    RequestState.APPROVED: EventType.APPROVAL_GRANTED,
    RequestState.REJECTED: EventType.APPROVAL_REJECTED,
    RequestState.ANSWERED: EventType.QUESTION_ANSWERED,
    RequestState.EXPIRED: EventType.REQUEST_EXPIRED,
}


def next_request_id(task: Task) -> str:
    """The id of the request that the task asks next."""
    return request_id_of(task.task_id, len(task.requests) + 1)


def ask(task: Task, request: Request, *, agent_id: str | None, token: int | None, now: datetime) -> Change:
    """Put a request to people, under the claim. The task goes on until it is released; then it awaits the decision."""
    require(task, "ask")
    lease = held(task, "ask", agent_id=agent_id, token=token, now=now)
    asked = replace(request, request_id=next_request_id(task), asked_by=lease.agent_id, asked_at=now)
    return changed(
        task,
        _ASKED[request.kind],
        now=now,
        by=lease.agent_id,
        detail=_told(asked),
        requests=(*task.requests, asked),
    )


def approve(
    task: Task,
    request_id: str,
    *,
    by: str,
    now: datetime,
    reason: str = "",
    params: Mapping[str, Any] | None = None,
) -> Change:
    """Let the step run, with other parameters if `params` says so. Whoever works on the task cannot approve for it."""
    request = _open_request(task, "approve", request_id, kind=RequestKind.APPROVAL, now=now)
    if by == request.asked_by or (task.claim is not None and by == task.claim.agent_id):
        raise OwnApproval(task.task_id, request_id=request_id, agent_id=by)
    decided = to_json(request.params if params is None else params)
    return _decide(task, request, RequestState.APPROVED, by=by, now=now, reason=reason, decided_params=decided)


def reject(task: Task, request_id: str, *, by: str, now: datetime, reason: str = "") -> Change:
    """Do not let the step run. A critical step that may not run fails the task; without another, the rest goes on."""
    request = _open_request(task, "reject", request_id, kind=RequestKind.APPROVAL, now=now)
    return _decide(task, request, RequestState.REJECTED, by=by, now=now, reason=reason)


def answer(task: Task, request_id: str, text: str, *, by: str, now: datetime) -> Change:
    """Answer a question. Raises InvalidInput for an answer that is none of its choices."""
    request = _open_request(task, "answer", request_id, kind=RequestKind.QUESTION, now=now)
    if request.choices and text not in request.choices:
        raise InvalidInput(
            f"{text!r} is no answer to {request_id}",
            cause=f"it takes one of: {', '.join(request.choices)}",
            fix=answering_command(request_id, request.choices[0]),
        )
    return _decide(task, request, RequestState.ANSWERED, by=by, now=now, answer=text)


def answering_command(request_id: str, text: str) -> str:
    """The command that gives this answer. The text is an agent's: a shell that it is pasted into runs none of it."""
    quoted = f'"{text}"' if not set('"$`\\!') & set(text) else "'" + text.replace("'", "'\\''") + "'"
    return f"dt answer {request_id} {quoted}"


def lapse(task: Task, *, by: str, now: datetime) -> Change:
    """Do what a time that has run out asks for: requests are as good as rejected, a pause ends. Empty when none has."""
    require(task, "lapse")
    change = Change(task, task)
    for request in task.requests:
        if request.has_lapsed(now):
            expired = _decide(
                change.task, request, RequestState.EXPIRED, by=by, now=now, reason="nobody decided in time"
            )
            change = change.followed_by(expired)
    pause = change.task.pause
    if change.task.status is Status.PAUSED and pause is not None and pause.until is not None and pause.until <= now:
        if pause.then is PauseEnd.CANCEL:
            return change.followed_by(cancel(change.task, by=by, now=now, reason="its pause has lasted its time"))
        return change.followed_by(resume(change.task, by=by, now=now))
    return change


def deadline_of(task: Task) -> datetime | None:
    """When `lapse` will have something to do, if nobody does anything before."""
    if task.status not in (Status.PAUSED, Status.AWAITING_APPROVAL):
        return None  # of a task in progress, its holder sees to it
    instants = [request.expires_at for request in task.requests if request.is_open and request.expires_at is not None]
    if task.status is Status.PAUSED and task.pause is not None and task.pause.until is not None:
        instants.append(task.pause.until)
    return min(instants, default=None)


def find_request(task: Task, request_id: str) -> Request:
    """The request with this id. Raises RequestNotFound."""
    for request in task.requests:
        if request.request_id == request_id:
            return request
    raise RequestNotFound(task.task_id, request_id=request_id)


def open_requests(task: Task) -> Sequence[Request]:
    """What the task waits for people to decide."""
    return [request for request in task.requests if request.is_open]


def _open_request(task: Task, verb: str, request_id: str, *, kind: RequestKind, now: datetime) -> Request:
    if task.is_final:
        require(task, verb)
    request = find_request(task, request_id)
    if request.kind is not kind:
        other = "approve or reject" if request.kind is RequestKind.APPROVAL else "answer"
        raise RequestClosed(task.task_id, request_id=request_id, state=f"a {request.kind}: {other} it")
    if request.has_lapsed(now):
        raise RequestClosed(task.task_id, request_id=request_id, state=RequestState.EXPIRED.value)
    if not request.is_open:
        said_by = f" by {request.decided_by}" if request.decided_by else ""
        raise RequestClosed(task.task_id, request_id=request_id, state=f"{request.state}{said_by}")
    require(task, verb)
    return request


def _decide(
    task: Task, request: Request, state: RequestState, *, by: str, now: datetime, reason: str = "", **more: Any
) -> Change:
    decided = replace(request, state=state, decided_by=by, decided_at=now, reason=reason, **more)
    requests = tuple(decided if one.request_id == request.request_id else one for one in task.requests)
    detail = {**_told(decided), **why(reason)}
    if task.status is Status.AWAITING_APPROVAL and not any(one.is_open for one in requests):
        return requeued(task, _DECIDED[state], now=now, by=by, detail=detail, requests=requests)
    return changed(task, _DECIDED[state], now=now, by=by, detail=detail, requests=requests)


def _told(request: Request) -> Mapping[str, Any]:
    """What an event says of a request, beside its id: enough for whoever only follows events."""
    told: dict[str, Any] = {"request_id": request.request_id, "kind": request.kind.value}
    if request.step is not None:
        told["step"] = request.step
    if request.risk is not None:
        told["risk"] = request.risk.value
    if request.is_open and request.expires_at is not None:
        told["expires_at"] = instant_to_text(request.expires_at)
    return told
