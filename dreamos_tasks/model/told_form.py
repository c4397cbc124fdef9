"""A task as it is told to others: the contract's form, with every field of its steps and its error, at their defaults too.

What reads a task from outside may take each of them for given. Events and boards keep the sparse form of `json_form`; both are
read by the same readers, and what is told can be added again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from functools import cache
from typing import Any

from dreamos_tasks.model.json_form import task_to_json, to_json
from dreamos_tasks.model.plan import Step, TaskError
from dreamos_tasks.model.task import Task


def task_told(task: Task) -> dict[str, Any]:
    """Every field of the task. Without a plan it has no steps, without a folder of its own it is at home in `.`."""
    form = task_to_json(task)
    form["plan"] = {"steps": []} if task.plan is None else {**form["plan"], "steps": _steps_told(task.plan.steps)}
    form["verify"] = _steps_told(task.verify)
    form["context"] = {"cwd": ".", **form["context"]}
    form["retry"] = form["retry"] or {}
    form["error"] = error_told(task.error)
    form["progress"] = _whole(task.progress)
    return form


def error_told(error: TaskError | None) -> dict[str, Any] | None:
    """Every field of the error."""
    return _whole(error)


def _steps_told(steps: Iterable[Step]) -> list[Any]:
    told = [_whole(step) or {} for step in steps]
    for form in told:
        if not form["extra"]:
            del form["extra"]
    return told


def _whole(value: Any) -> dict[str, Any] | None:
    return None if value is None else {name: to_json(getattr(value, name)) for name in _names(value.__class__)}


@cache
def _names(cls: Any) -> tuple[str, ...]:
    return tuple(field.name for field in fields(cls))
