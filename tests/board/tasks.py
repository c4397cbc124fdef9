"""Tasks on the board under test, and what they end with."""

from __future__ import annotations

from typing import Any

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.plan import ErrorCategory, Evidence, TaskError
from dreamos_tasks.model.task import ProcessIdentity, Task, TaskDraft
from tests.fakes import START

TRANSIENT = TaskError(category=ErrorCategory.TRANSIENT, message="no network")
PROCESS = ProcessIdentity(pid=7, started_ticks=99, boot_id="boot-1", instance="abc")
GREEN = Evidence(step="test", command="make test", exit_code=0, log_sha256="0" * 64, git_commit="abc", at=START)


def add(nexus: TaskNexus, task_id: str = "a", **fields: Any) -> Task:
    return nexus.add_task(TaskDraft(title=f"do {task_id}", task_id=task_id, **fields))


def claim(nexus: TaskNexus, task_id: str = "a", agent_id: str = "ada", **fields: Any) -> Task:
    add(nexus, task_id, **fields)
    return nexus.claim_task(task_id, agent_id)


def types(nexus: TaskNexus, task_id: str = "a") -> list[str]:
    return [event.type.value.removeprefix("task_") for event in nexus.events(task_id=task_id)]
