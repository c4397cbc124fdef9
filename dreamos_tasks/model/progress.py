"""Progress of a plan: which steps are done, which run, and how much of the whole that is by the time that steps take. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from dreamos_tasks.model.durations import DurationRange, Durations, durations_within
from dreamos_tasks.model.estimate import Course, Work, course_range
from dreamos_tasks.model.plan import Step, StepResult, StepStatus
from dreamos_tasks.model.plan_order import DEFAULT_CONCURRENT_STEPS, most_at_once, steps_before
from dreamos_tasks.model.ruling import record_of
from dreamos_tasks.model.task import Status, Task

MOST_PERCENT = 99.0  # of what is not over: the rest is verification and its end
MOST_OF_AN_UNKNOWN_STEP = 0.5  # of one that runs and never ran before: nobody knows whether it is nearly done
MOST_OF_A_STEP = 0.95  # of one that runs, however long it has

DurationsOf = Callable[[Step], Durations]


def course_of(
    task: Task, durations_of: DurationsOf, *, now: datetime, most_steps: int = DEFAULT_CONCURRENT_STEPS
) -> Course:
    """What is left of the task's plan. `most_steps`: how many run side by side where the plan names no number."""
    if task.plan is None or task.is_final:
        return Course()
    before = steps_before(task.plan)
    left = {step.name: step for step in task.plan.steps if not _is_over(task, step)}
    works = {
        name: Work(
            durations=durations_of(step),
            elapsed_seconds=_elapsed(task, name, now),
            needs=tuple(need for need in before[name] if need in left),
        )
        for name, step in left.items()
    }
    return Course(steps=works, at_once=most_at_once(task.plan, most=most_steps))


def percent_of(task: Task, course: Course, durations_of: DurationsOf) -> float | None:
    """How much of the plan is done, each step counted by the time that it takes on average; None without a plan.

    While one is left that never ran before, all count alike: a guess of its time would make the others all or nothing. It
    does not go back while a step runs.
    """
    if task.plan is None:
        return None
    if task.status is Status.COMPLETED:
        return 100.0
    is_known = all(work.durations.samples for work in course.steps.values())
    done = whole = 0.0
    for step in task.plan.steps:
        weight = durations_of(step).mean if is_known else 1.0
        work = course.steps.get(step.name)
        whole += weight
        done += weight if work is None else weight * _share(work)
    return round(min(MOST_PERCENT, 100.0 * done / whole), 1) if whole else 0.0


def expected_whole(task: Task, expected: Mapping[str, DurationRange]) -> DurationRange | None:
    """How long all its steps together were expected to take, by what was expected of each; None when of one nothing was."""
    plan = task.plan
    if plan is None or any(step.name not in expected for step in plan.steps):
        return None
    before = steps_before(plan)
    works = {
        step.name: Work(durations=durations_within(expected[step.name]), needs=tuple(before[step.name]))
        for step in plan.steps
    }
    return course_range(Course(steps=works, at_once=most_at_once(plan)))


def seconds_taken(task: Task) -> float | None:
    """From the beginning of its first step to the end of its last; None when it needed more than one attempt."""
    begun = [record.started_at for record in task.steps if record.started_at is not None]
    ended = [record.finished_at for record in task.steps if record.finished_at is not None]
    if task.attempt != 1 or task.status is not Status.COMPLETED or not begun or not ended:
        return None
    return (max(ended) - min(begun)).total_seconds()


def current_steps(task: Task) -> Sequence[str]:
    """The steps that run now."""
    return [record.name for record in task.steps if _runs(task, record)]


def _share(work: Work) -> float:
    """How much of a step is done that is not over, by the time that it has run."""
    most = MOST_OF_A_STEP if work.durations.samples else MOST_OF_AN_UNKNOWN_STEP
    return min(most, (work.elapsed_seconds or 0.0) / work.durations.mean)


def _is_over(task: Task, step: Step) -> bool:
    """Whether this attempt will not run it again."""
    record = record_of(task, step.name)
    if record is None:
        return False
    if record.status is StepStatus.COMPLETED:
        return True
    this_attempt = record.token == task.last_token and task.claim is not None
    return this_attempt and record.status in (StepStatus.SKIPPED, StepStatus.FAILED)


def _runs(task: Task, record: StepResult) -> bool:
    return task.claim is not None and record.status is StepStatus.RUNNING and record.token == task.claim.token


def _elapsed(task: Task, name: str, now: datetime) -> float | None:
    record = record_of(task, name)
    if record is None or record.started_at is None or not _runs(task, record):
        return None
    return max(0.0, (now - record.started_at).total_seconds())
