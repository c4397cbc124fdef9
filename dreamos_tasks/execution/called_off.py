"""Called off: what an attempt that is cancelled, or out of time, still has to say of its steps."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from dreamos_tasks.execution.attempt_errors import begun_too_late
from dreamos_tasks.model.plan import StepResult, StepStatus
from dreamos_tasks.model.task import Task


def last_records(
    task: Task, *, token: int, ended: Iterable[StepResult], called: Collection[str]
) -> tuple[StepResult, ...]:
    """Of the steps that the board has as running: the ends that are known, and those whose tool was never called.

    These are as if they had been paused: nothing has happened, so they are simply run, and nobody is asked. Of a claim that is
    over nothing is said.
    """
    if task.claim is None or task.claim.token != token:
        return ()
    running = {record.name: record for record in begun_steps(task, token)}
    known = {record.name: record for record in ended if record.name in running}
    idle = (record for name, record in running.items() if name not in known and name not in called)
    return (*known.values(), *(replace(record, status=StepStatus.PAUSED) for record in idle))


def too_late(task: Task, token: int, *, known: Iterable[StepResult], now: datetime) -> tuple[StepResult, ...]:
    """Steps that were written down as running, and whose time was over before they were started: nothing has happened."""
    names = {record.name for record in known}
    return tuple(
        replace(record, status=StepStatus.FAILED, finished_at=now, error=begun_too_late(record.name))
        for record in begun_steps(task, token)
        if record.name not in names
    )


def begun_steps(task: Task, token: int) -> tuple[StepResult, ...]:
    """The steps that are recorded as running under this claim."""
    return tuple(record for record in task.steps if record.status is StepStatus.RUNNING and record.token == token)
