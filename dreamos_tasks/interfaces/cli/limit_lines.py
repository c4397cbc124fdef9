"""What a task asks for beyond the limits of config.yaml, said in lines: it is not granted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dreamos_tasks.model.task import Task
from dreamos_tasks.model.task_limits import TASK_LIMITS, not_granted

if TYPE_CHECKING:
    from dreamos_tasks.config.settings import Settings


def limit_lines(task: Task, settings: Settings) -> list[str]:
    """One line a limit. For tasks that ask for some: loaded for no other."""
    most: Mapping[str, float | None] = {name: getattr(settings.limits, name) for name in TASK_LIMITS}
    refused = not_granted(task.limits, most)
    if _every_step_says_its_timeout(task):
        refused = {name: numbers for name, numbers in refused.items() if name != "wall_seconds"}
    return [
        f"{name} is {granted:,.16g}, not the {wish:,.16g} that it asks for: limits.{name} of config.yaml allows no more"
        for name, (wish, granted) in refused.items()
    ]


def _every_step_says_its_timeout(task: Task) -> bool:
    """Then the board's `wall_seconds`, which is for all other steps, is nothing to it."""
    steps = (*(task.plan.steps if task.plan is not None else ()), *task.verify)
    return bool(steps) and all(step.timeout_seconds is not None for step in steps)
