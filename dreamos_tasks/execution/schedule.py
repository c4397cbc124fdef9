"""Schedule: which steps of a plan may start now, and which never will. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from dreamos_tasks.execution.error_handler import side_by_side
from dreamos_tasks.model.outcome import Failed
from dreamos_tasks.model.plan import ErrorCategory, Plan, Step, StepResult, StepStatus, TaskError
from dreamos_tasks.model.plan_order import DEFAULT_CONCURRENT_STEPS, is_sequence, most_at_once, steps_before
from dreamos_tasks.model.retry import RetryPolicy
from dreamos_tasks.model.ruling import ruling_on
from dreamos_tasks.model.task import Task
from dreamos_tasks.model.value import frozen_value


@frozen_value
class Turn:
    """What is to be done next: steps that may start, in order, and steps that are skipped, each with the reason."""

    start: tuple[Step, ...] = ()
    skip: tuple[tuple[Step, str], ...] = ()


def turn_of(task: Task, *, running: Collection[str], board: RetryPolicy, most: int = DEFAULT_CONCURRENT_STEPS) -> Turn:
    """What may start now, as far as there is room beside what is `running`. `most`: for a plan that names no number itself.

    A step whose need has failed or was skipped is skipped in turn; the skips of one turn are to be recorded before the next.
    """
    plan = task.plan
    if plan is None:
        return Turn()
    standing = {step.name: standing_of(task, step, board=board) for step in plan.steps}
    before = steps_before(plan)
    start, skip = [], []
    for step in _in_order_of_needs(plan):
        if standing[step.name] is not None or step.name in running:
            continue
        if any(standing[name] is None for name in before[step.name]):
            continue
        broken = next((name for name in step.needs if standing[name] is not StepStatus.COMPLETED), None)
        if broken is None:
            start.append(step)
        else:
            standing[step.name] = StepStatus.SKIPPED
            skip.append((step, f"it needs step {broken!r}, which {_fate(task, broken, standing[broken])}"))
    room = max(0, side_by_side(most_at_once(plan, most=most), task) - len(running))
    return Turn(start=tuple(start[:room]), skip=tuple(skip))


def standing_of(task: Task, step: Step, *, board: RetryPolicy) -> StepStatus | None:
    """How the step has ended for good; None while it is still to be run, in this attempt or at all.

    What earlier attempts left is judged anew: completed stays completed; a skipped step may have its needs now; a failed one
    is run again if it is critical (or the task would not be run again), or if its own retry policy asks for it.
    """
    record = next((record for record in task.steps if record.name == step.name), None)
    if record is None or record.status in (StepStatus.PENDING, StepStatus.RUNNING, StepStatus.PAUSED):
        return None
    token = task.claim.token if task.claim is not None else 0
    if record.status is StepStatus.COMPLETED or record.token == token:
        return record.status
    if record.status is StepStatus.FAILED and not _runs_again(task, step, record, board):
        return StepStatus.FAILED
    return None


def skipped(step: Step, reason: str, *, token: int) -> StepResult:
    """The record of a step that is not run."""
    error = TaskError(category=ErrorCategory.LOGIC, message=f"skipped: {reason}", step=step.name)
    return StepResult(name=step.name, status=StepStatus.SKIPPED, token=token, error=error)


def impact_of(records: Mapping[str, StepResult]) -> list[str]:
    """What was not done of a plan that was gone through, and why: a line for each step."""
    lines = []
    for name, record in records.items():
        if record.status is StepStatus.FAILED:
            lines.append(record.error.message if record.error is not None else f"step {name!r} failed")
        elif record.status is StepStatus.SKIPPED:
            reason = record.error.message.removeprefix("skipped: ") if record.error is not None else "nobody knows why"
            lines.append(f"step {name!r} was skipped: {reason}")
    return lines


def _runs_again(task: Task, step: Step, record: StepResult, board: RetryPolicy) -> bool:
    if step.critical and not step.optional:
        return True
    if not step.retry or record.error is None:
        return False
    return ruling_on(task, Failed(error=record.error, step=step.name), board=board).again


def _in_order_of_needs(plan: Plan) -> Sequence[Step]:
    """The steps, each after those it needs, so that one pass finds all that must be skipped; otherwise in the list's order."""
    if is_sequence(plan):
        return plan.steps
    placed: dict[str, Step] = {}
    rest = list(plan.steps)
    while rest:
        ready = [step for step in rest if all(need in placed for need in step.needs)]
        placed.update((step.name, step) for step in ready or rest)  # a ring was refused at the door
        rest = [step for step in rest if step.name not in placed]
    return tuple(placed.values())


def _fate(task: Task, name: str, standing: StepStatus | None) -> str:
    if standing is StepStatus.FAILED:
        return "failed"
    return "was skipped"
