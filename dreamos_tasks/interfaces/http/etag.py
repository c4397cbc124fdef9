"""ETags of tasks: what differs as soon as the task does.

An ETag has two halves: the first is the task without its lease, the second the lease. Heartbeats change the second alone, so
whoever looks again is told of them (`If-None-Match` asks for both), and whoever edits the task is not held up by them
(`If-Match` asks for the first).
"""

from __future__ import annotations

import hashlib
import json

from dreamos_tasks.errors import TaskChanged
from dreamos_tasks.model.json_form import task_to_json
from dreamos_tasks.model.task import Task

HALF = 16  # characters


class PreconditionFailed(TaskChanged):
    """The task is no longer as the caller saw it when it decided what to do."""

    code = "precondition_failed"


def etag_of(task: Task) -> str:
    """Of a task as it is seen."""
    form = task_to_json(task)
    lease = form["claim"]
    if lease is not None:
        form["claim"] = {"agent_id": lease["agent_id"], "token": lease["token"]}
    return f'"{_digest(form)}-{_digest(lease)}"'


def is_current(task: Task, if_none_match: str | None) -> bool:
    """Whether whoever asks has it already."""
    return if_none_match is not None and (if_none_match.strip() == "*" or etag_of(task) in _listed(if_none_match))


def require_match(task: Task, if_match: str | None) -> None:
    """Raises PreconditionFailed when the task is not as the caller saw it."""
    if if_match is None or if_match.strip() == "*":
        return
    now = etag_of(task).partition("-")[0]
    if not any(given.partition("-")[0] == now for given in _listed(if_match)):
        raise PreconditionFailed(task.task_id)


def _listed(header: str) -> list[str]:
    return [part.strip().removeprefix("W/") for part in header.split(",")]


def _digest(form: object) -> str:
    return hashlib.sha256(json.dumps(form, sort_keys=True).encode()).hexdigest()[:HALF]
