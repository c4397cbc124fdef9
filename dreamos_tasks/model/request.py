"""Request: what a task asks a person before it goes on: leave for a step, or an answer. And Pause: why it rests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Any

from dreamos_tasks.model.value import frozen_value


class RequestKind(StrEnum):
    """What is asked for."""

    APPROVAL = "approval"  # may this step run, with these parameters?
    QUESTION = "question"  # anything else that a person must say


class RequestState(StrEnum):
    """What has become of a request."""

    OPEN = "open"
    APPROVED = "approved"
    REJECTED = "rejected"
    ANSWERED = "answered"
    EXPIRED = "expired"  # nobody decided in time: as good as rejected
    WITHDRAWN = "withdrawn"  # the task ended before anybody decided


class Risk(StrEnum):
    """How much harm a step can do."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class PauseEnd(StrEnum):
    """What a pause that has lasted its time turns into."""

    RESUME = "resume"
    CANCEL = "cancel"


@frozen_value
class Request:
    """One thing that a person is asked, and the decision. A task keeps all of its own: they are its audit trail.

    `request_id` is the task's id with `.r` and a number. `text` is the preview of an approval, or the question. `params`
    are those that the step would be called with (secrets by name only), `decided_params` those it may be called with.
    `choices` are the answers that a question takes; none: any text.
    """

    request_id: str
    kind: RequestKind
    asked_by: str
    asked_at: datetime
    step: str | None = None
    text: str = ""
    risk: Risk | None = None
    reasons: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    expires_at: datetime | None = None
    state: RequestState = RequestState.OPEN
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str = ""
    answer: str | None = None
    decided_params: Mapping[str, Any] | None = None

    @property
    def is_open(self) -> bool:
        """Nobody has decided yet, and the task still waits for it."""
        return self.state is RequestState.OPEN

    def has_lapsed(self, now: datetime) -> bool:
        """Open, and its time is over."""
        return self.is_open and self.expires_at is not None and self.expires_at <= now


@frozen_value
class Pause:
    """Why a task rests, and how long at most: `until` None is until somebody resumes it."""

    by: str
    at: datetime
    reason: str = ""
    until: datetime | None = None
    then: PauseEnd = PauseEnd.RESUME


def question(text: str, *, choices: Sequence[str] = (), asked_at: datetime) -> Request:
    """A question, as it is put to the board: who asks, and which number it has, is said when it is asked under a claim."""
    return Request(
        request_id="",
        kind=RequestKind.QUESTION,
        asked_by="",
        asked_at=asked_at,
        text=text,
        choices=tuple(choices),
    )


def request_id_of(task_id: str, number: int) -> str:
    """The id of a task's request: `dt-7k2m.r1`."""
    return f"{task_id}.r{number}"


def task_id_of(request_id: str) -> str | None:
    """The task that a request belongs to; None when this is no request's id."""
    task_id, mark, number = request_id.rpartition(".r")
    return task_id if mark and number.isdigit() else None
