"""Drafting: what a call asks for becomes a draft, checked as every door checks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from dreamos_tasks.app.reading import read_work
from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.interfaces.mcp.access import BoardAccess
from dreamos_tasks.model.task import TaskDraft

RUNS_COMMANDS = ("run", "plan", "verify")


async def draft_from(access: BoardAccess, fields: Mapping[str, Any], more: Mapping[str, Any], *, by: str) -> TaskDraft:
    """The draft that the fields ask for; what is None or empty is left out. Raises InvalidInput kinds.

    `more`: other fields of a task; none may be given twice.
    """
    asked = {name: value for name, value in fields.items() if value not in (None, "", [], {})}
    twice = [name for name in more if name in asked]
    if twice:
        raise InvalidInput(
            f"{twice[0]} is given twice",
            pointer=f"/more/{twice[0]}",
            cause="once by itself, and once in `more`",
            fix="leave one of them out",
        )
    if "tasks" in more:
        raise InvalidInput("a call adds one task", pointer="/more/tasks", fix="call add_task for each")
    form = {**asked, **more}
    if access.folder is not None and any(name in form for name in RUNS_COMMANDS):
        form.setdefault("context", {"cwd": access.folder})
    text = json.dumps(form)
    # In a thread: it loads the tools that plans may name, and asks each whether it can be called so.
    reading = await asyncio.to_thread(read_work, text, home=access.home, limits=access.settings.inbox, created_by=by)
    return replace(reading.drafts[0], created_by=by)  # whatever it says: `more` names nobody else
