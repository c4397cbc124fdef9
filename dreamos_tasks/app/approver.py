"""Who may decide for a person: nobody whose process was started by a step of a task."""

from __future__ import annotations

import os

from dreamos_tasks.app.tool_shop import home_id
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.variables import AGENT_VARIABLE
from dreamos_tasks.errors import NoPerson
from dreamos_tasks.tools.process_table import ancestors_of
from dreamos_tasks.tools.run_tag import marks_on


def require_person(home: Home, *, verb: str) -> None:
    """Refuse a decision that comes from within a task's own work, or from a process that calls itself an agent.

    Raises NoPerson. A program that hides where it comes from, under the same user, cannot be told from a person.
    """
    if os.environ.get(AGENT_VARIABLE):
        raise NoPerson(verb, why=f"{AGENT_VARIABLE} is set: an agent asks")
    us = os.getpid()
    for pid in (us, *ancestors_of(us)):
        marks = marks_on(pid)
        if marks is not None and marks.home_id == home_id(home):
            raise NoPerson(verb, why=f"it was started by a step of {marks.run.partition(':')[0]}")
