"""Permits: whether a step may be run now, or a person must be asked first. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from dreamos_tasks.model.json_form import to_json
from dreamos_tasks.model.plan import ApprovalMode, Step, StepStatus
from dreamos_tasks.model.request import Request, RequestKind, RequestState, Risk
from dreamos_tasks.model.risk import DESTRUCTIVE, Assessment, Pattern, assess, preview_of
from dreamos_tasks.model.ruling import doubtful_steps, record_of
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.value import frozen_value

RUN_AGAIN, SKIP, FAIL = "run again", "skip", "fail"


@frozen_value
class ApprovalRules:
    """When people are asked before a step runs. `asks_destructive`: whenever a pattern says that it can destroy something."""

    asks_destructive: bool = True
    expires_seconds: float = 300.0
    patterns: tuple[Pattern, ...] = DESTRUCTIVE
    also: tuple[str, ...] = ()  # what of a call is judged beside what it carries out: `tool.parameter`, `tool.*`

    def danger_of(self, step: Step, params: Mapping[str, Any]) -> Assessment | None:
        """What the step can destroy with these parameters, through its own tool or its fallback; None: nothing is asked."""
        if not self.asks_destructive:
            return None
        tools = (step.tool,) if step.fallback is None else (step.tool, step.fallback)
        return next(
            (found for tool in tools if (found := assess(tool, params, self.patterns, also=self.also)) is not None),
            None,
        )


@frozen_value
class Go:
    """Run it, with these parameters."""

    params: Mapping[str, Any]


@frozen_value
class Ask:
    """Put this request to people first."""

    request: Request


@frozen_value
class Wait:
    """People have been asked and have not decided."""


@frozen_value
class Denied:
    """It may not run. `by_choice`: a person chose to leave it out, which fails nothing."""

    reason: str
    by_choice: bool = False


Permit = Go | Ask | Wait | Denied


def permit_for(task: Task, step: Step, params: Mapping[str, Any], *, rules: ApprovalRules, now: datetime) -> Permit:
    """Whether the step may be run with these parameters, in which secrets are names.

    A step that was cut in the middle, and of which nothing says that it may run twice, is a question first.
    """
    if any(doubtful.name == step.name for doubtful in doubtful_steps(task)):
        permit = _after_a_cut(task, step, params, now)
        if not isinstance(permit, Go):
            return permit
    danger = rules.danger_of(step, params)
    if step.approval is not ApprovalMode.REQUIRED and danger is None:
        return Go(params=params)
    return _approved(task, step, params, danger, rules=rules, now=now)


def _after_a_cut(task: Task, step: Step, params: Mapping[str, Any], now: datetime) -> Permit:
    record = record_of(task, step.name)
    started_at = record.started_at if record is not None else None
    asked = _latest(task, step, RequestKind.QUESTION)
    if asked is None or (started_at is not None and asked.asked_at < started_at) or not asked.choices:
        return Ask(request=_question(task, step, now))
    if asked.is_open:
        return Wait()
    match asked.answer:
        case answer if answer == RUN_AGAIN:
            return Go(params=params)
        case answer if answer == SKIP:
            return Denied(
                reason=f"{asked.decided_by} chose to skip it after it was cut off in the middle", by_choice=True
            )
        case answer if answer == FAIL:
            return Denied(reason=f"{asked.decided_by} chose to fail it after it was cut off in the middle")
        case _:
            return Ask(request=_question(task, step, now))


def _approved(
    task: Task,
    step: Step,
    params: Mapping[str, Any],
    danger: Assessment | None,
    *,
    rules: ApprovalRules,
    now: datetime,
) -> Permit:
    wanted = to_json(params)
    asked = _latest(task, step, RequestKind.APPROVAL)
    if asked is not None and asked.params == wanted:
        if asked.has_lapsed(now):
            return Denied(reason="nobody approved it in time")
        match asked.state:
            case RequestState.OPEN:
                return Wait()
            case RequestState.APPROVED:
                return Go(params=wanted if asked.decided_params is None else asked.decided_params)
            case RequestState.REJECTED | RequestState.EXPIRED if not _is_spent(task, step, asked):
                return Denied(reason=_refusal(asked))
            case _:
                pass
    request = Request(
        request_id="",
        kind=RequestKind.APPROVAL,
        asked_by="",
        asked_at=now,
        step=step.name,
        text=preview_of(step.tool, params),
        risk=danger.risk if danger is not None else Risk.LOW,
        reasons=danger.reasons if danger is not None else ("the step asks for it",),
        params=wanted,
        expires_at=now + timedelta(seconds=rules.expires_seconds),
    )
    return Ask(request=request)


def _question(task: Task, step: Step, now: datetime) -> Request:
    record = record_of(task, step.name)
    attempt = record.attempt if record is not None else 1
    text = (
        f"Step {step.name!r} was cut off in the middle (run {attempt}), and nothing says that it may run twice. "
        "What is to be done?"
    )
    return Request(
        request_id="",
        kind=RequestKind.QUESTION,
        asked_by="",
        asked_at=now,
        step=step.name,
        text=text,
        reasons=(preview_of(step.tool, step.params),),
        choices=(RUN_AGAIN, SKIP, FAIL),
    )


def _is_spent(task: Task, step: Step, asked: Request) -> bool:
    """Whether a refusal has done its work: the step failed for it, and somebody has the task tried again since."""
    record = record_of(task, step.name)
    token = task.claim.token if task.claim is not None else 0
    return (
        record is not None
        and record.status in (StepStatus.FAILED, StepStatus.SKIPPED)
        and record.token != token
        and record.finished_at is not None
        and asked.decided_at is not None
        and record.finished_at >= asked.decided_at
    )


def _latest(task: Task, step: Step, kind: RequestKind) -> Request | None:
    return next(
        (request for request in reversed(task.requests) if request.step == step.name and request.kind is kind), None
    )


def _refusal(asked: Request) -> str:
    if asked.state is RequestState.EXPIRED:
        return "nobody approved it in time"
    return f"{asked.decided_by} rejected it" + (f": {asked.reason}" if asked.reason else "")
