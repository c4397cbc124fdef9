"""PlanOrder: what a plan says about the order of its steps, and how many of them run side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dreamos_tasks.model.plan import Plan

DEFAULT_CONCURRENT_STEPS = 4


def is_sequence(plan: Plan) -> bool:
    """Whether the steps run one after another, in the list's order: nothing says otherwise."""
    return plan.max_concurrent_steps is None and not any(step.needs for step in plan.steps)


def most_at_once(plan: Plan, *, most: int = DEFAULT_CONCURRENT_STEPS) -> int:
    """How many of its steps may run side by side. `most`: for a plan that names no number itself."""
    return 1 if is_sequence(plan) else plan.max_concurrent_steps or most


def steps_before(plan: Plan) -> Mapping[str, Sequence[str]]:
    """For each step, those that must have ended before it starts."""
    if not is_sequence(plan):
        return {step.name: step.needs for step in plan.steps}
    names = [step.name for step in plan.steps]
    return {name: names[max(0, index - 1) : index] for index, name in enumerate(names)}
