"""Hypothesis strategies for the model's values: anything that a store may have to keep."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from dreamos_tasks.model.limits import Usage
from dreamos_tasks.model.plan import (
    ApprovalMode,
    ErrorCategory,
    Evidence,
    Plan,
    Step,
    StepResult,
    StepStatus,
    TaskError,
)
from dreamos_tasks.model.request import Pause, PauseEnd, Request, RequestKind, RequestState, Risk
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.task import Claim, Priority, ProcessIdentity, Progress, Status, Task

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,8}", fullmatch=True)
seconds = st.floats(min_value=0.001, max_value=1e6) | st.integers(1, 10_000)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(texts, json_values, max_size=3)


def instants() -> st.SearchStrategy[datetime]:
    """Aware UTC instants of this era."""
    return st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """It, or None."""
    return st.none() | strategy


def tuples_of(strategy: st.SearchStrategy[Any], *, max_size: int = 3) -> st.SearchStrategy[Any]:
    """A few of it."""
    return st.lists(strategy, max_size=max_size).map(tuple)


errors = st.builds(
    TaskError,
    category=st.sampled_from(ErrorCategory),
    message=texts,
    cause=texts,
    suggestions=tuples_of(texts),
    step=maybe(names),
)
steps = st.builds(
    Step,
    name=names,
    tool=names,
    params=objects,
    critical=st.booleans(),
    optional=st.booleans(),
    needs=tuples_of(names),
    timeout_seconds=maybe(seconds),
    retry=objects,
    approval=st.sampled_from(ApprovalMode),
    idempotent=st.booleans(),
    fallback=maybe(names),
    undo=maybe(objects),
    extra=st.dictionaries(st.just("unknown"), json_values, max_size=1),
)
usages = st.builds(
    Usage,
    peak_memory_bytes=st.integers(0, 2**50),
    peak_processes=st.integers(0, 5000),
    cpu_seconds=st.floats(0, 1e6),
    written_bytes=st.integers(0, 2**50),
)
plans = st.builds(Plan, steps=st.lists(steps, min_size=1, max_size=2).map(tuple), extra=st.just({}) | st.just({"a": 1}))
results = st.builds(
    StepResult,
    name=names,
    status=st.sampled_from(StepStatus),
    attempt=st.integers(1, 5),
    token=st.integers(0, 5),
    started_at=maybe(instants()),
    finished_at=maybe(instants()),
    exit_code=maybe(st.integers(0, 255)),
    output_head=texts,
    output_tail=texts,
    output_bytes=st.integers(0, 10**9),
    output_path=maybe(texts),
    value=json_values,
    error=maybe(errors),
    failures=tuples_of(st.sampled_from(ErrorCategory), max_size=3),
    usage=maybe(usages),
)
evidence = st.builds(
    Evidence,
    step=names,
    command=texts,
    exit_code=st.integers(0, 255),
    log_sha256=texts,
    git_commit=maybe(texts),
    at=instants(),
)
policies = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 1000),
    base_seconds=st.floats(0, 100),
    factor=st.floats(1, 10),
    max_seconds=st.floats(0, 1e6),
    jitter=st.sampled_from(["full", "none"]),
    max_deferrals=st.integers(0, 100),
    categories=maybe(tuples_of(st.sampled_from(ErrorCategory))),
    refresh=texts,
    after_crash=st.booleans(),
)
claims = st.builds(
    Claim,
    agent_id=names,
    token=st.integers(1, 9),
    claimed_at=instants(),
    lease_until=instants(),
    heartbeat_at=instants(),
    process=maybe(
        st.builds(
            ProcessIdentity, pid=st.integers(1, 9999), started_ticks=st.integers(0, 9999), boot_id=names, instance=names
        )
    ),
)


requests = st.builds(
    Request,
    request_id=names,
    kind=st.sampled_from(RequestKind),
    asked_by=names,
    asked_at=instants(),
    step=maybe(names),
    text=texts,
    risk=maybe(st.sampled_from(Risk)),
    reasons=tuples_of(texts, max_size=2),
    params=objects,
    choices=tuples_of(texts, max_size=2),
    expires_at=maybe(instants()),
    state=st.sampled_from(RequestState),
    decided_by=maybe(names),
    decided_at=maybe(instants()),
    reason=texts,
    answer=maybe(texts),
    decided_params=maybe(objects),
)
pauses = st.builds(
    Pause, by=names, at=instants(), reason=texts, until=maybe(instants()), then=st.sampled_from(PauseEnd)
)


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    """A task of any state, alone on its board."""
    claim = draw(maybe(claims))
    return Task(
        task_id=draw(names),
        title=draw(texts.filter(str.strip)),
        description=draw(texts),
        priority=draw(st.sampled_from(Priority)),
        tags=tuple(dict.fromkeys(draw(tuples_of(names)))),
        related_task_id=draw(maybe(names)),
        assigned_to=draw(maybe(names)),
        requires=tuple(dict.fromkeys(draw(tuples_of(names)))),
        plan=draw(maybe(plans)),
        verify=draw(tuples_of(steps, max_size=1)),
        context=draw(objects),
        dedupe_key=draw(maybe(texts)),
        not_before=draw(maybe(instants())),
        due_at=draw(maybe(instants())),
        timeout_seconds=draw(maybe(seconds)),
        limits=draw(objects),
        retry=draw(maybe(policies)),
        concurrency_key=draw(maybe(texts)),
        created_by=draw(texts),
        extra=draw(st.dictionaries(st.sampled_from(["colour", "events", "extra", "title"]), json_values, max_size=2)),
        created_at=draw(instants()),
        updated_at=draw(instants()),
        status=Status.IN_PROGRESS if claim else draw(st.sampled_from(sorted(set(Status) - {Status.IN_PROGRESS}))),
        pending_since=draw(instants()),
        attempt=draw(st.integers(0, 9)),
        failures=draw(st.integers(0, 9)),
        deferrals=draw(st.integers(0, 9)),
        lost_leases=draw(st.integers(0, 9)),
        last_token=claim.token if claim else draw(st.integers(0, 9)),
        claim=claim,
        progress=draw(maybe(st.builds(Progress, percent=maybe(st.floats(0, 100)), note=texts, at=maybe(instants())))),
        steps=draw(tuples_of(results, max_size=2)),
        result=draw(json_values),
        evidence=draw(tuples_of(evidence, max_size=1)),
        error=draw(maybe(errors)),
        stall_noted_at=draw(maybe(instants())),
        started_at=draw(maybe(instants())),
        finished_at=draw(instants()),
        requests=draw(tuples_of(requests, max_size=2)),
        pause=draw(maybe(pauses)),
    )
