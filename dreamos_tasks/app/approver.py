"""Who may decide for a person: nobody whose process was started by a step of a task. And with which parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from dreamos_tasks.app.call_checks import call_check
from dreamos_tasks.app.daemon_lock import running_daemon
from dreamos_tasks.app.tool_shop import home_id, tools_to_ask
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.variables import AGENT_VARIABLE
from dreamos_tasks.errors import InvalidInput, NoPerson
from dreamos_tasks.model.request import Request
from dreamos_tasks.model.ruling import step_of
from dreamos_tasks.model.task import Task
from dreamos_tasks.tools.process_table import ancestors_of
from dreamos_tasks.tools.run_tag import marks_on


def require_person(home: Home, *, verb: str) -> None:
    """Refuse a decision that comes from within a task's own work, or from a process that calls itself an agent.

    Raises NoPerson. A program that hides where it comes from, under the same user, cannot be told from a person.
    """
    if os.environ.get(AGENT_VARIABLE):
        raise NoPerson(verb, why=f"{AGENT_VARIABLE} is set: an agent asks")
    us = os.getpid()
    above = ancestors_of(us)
    for pid in (us, *above):
        marks = marks_on(pid)
        if marks is not None and marks.home_id == home_id(home):
            raise NoPerson(verb, why=f"it was started by a step of {marks.run.partition(':')[0]}")
    daemon = running_daemon(home.daemon_file)
    if daemon is not None and daemon.process.pid in above - {1}:  # it adopts what steps cut loose; process 1, everybody
        raise NoPerson(verb, why="it was started by a step: it stands below the daemon")


def require_fit(home: Home, task: Task, request: Request, params: Mapping[str, Any]) -> None:
    """Refuse parameters with which the step that asks could not be called. Raises InvalidInput."""
    step = step_of(task, request.step)
    problems = call_check(tools_to_ask(home))(step.tool, params) if step is not None else ()
    if step is not None and problems:
        raise InvalidInput(
            f"step {step.name!r} cannot be called so: {problems[0].message}",
            pointer=f"/params{problems[0].pointer}",
            fix=problems[0].fix or f"dt schema tool {step.tool}",
        )
