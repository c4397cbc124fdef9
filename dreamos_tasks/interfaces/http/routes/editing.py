"""Editing: which fields of a task a body changes. They are read as they are when a task is added, by the same reader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from dreamos_tasks.app.reading import read_work
from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.intake.json_text import check_size, decode, parse
from dreamos_tasks.interfaces.http.context import WebContext
from dreamos_tasks.model.steering import EDITABLE

PLACEHOLDER_TITLE = "?"  # so that everything else is checked; it changes nothing
SHORTHANDS = {"run": "plan"}
MOVED_BY_VERBS = frozenset({"status", "claim", "progress", "result", "error"})
BY_VERBS = "POST /tasks/{id}/claim, progress, complete, fail, release, pause, resume, cancel or retry changes it"


def fields_from(content: bytes, context: WebContext) -> Mapping[str, Any]:
    """The fields with their new values. Raises InvalidInput kinds."""
    check_size(len(content), max_bytes=context.settings.inbox.max_bytes)
    form = parse(decode(content))
    if not isinstance(form, dict) or not form:
        raise InvalidTask(
            "the body names no field to change", cause="it is an object of fields", fix='{"priority": "high"}'
        )
    for key in form:
        if key not in EDITABLE and key not in SHORTHANDS:
            near = get_close_matches(key, EDITABLE, n=1)
            raise InvalidTask(
                f"{key!r} cannot be edited",
                pointer=f"/{key}",
                cause="editable are " + ", ".join(sorted(EDITABLE)),
                fix=BY_VERBS if key in MOVED_BY_VERBS else f"did you mean {near[0]}?" if near else "leave it out",
            )
    text = json.dumps({"title": PLACEHOLDER_TITLE, **form})
    (draft,) = read_work(text, home=context.home, limits=context.settings.inbox, created_by="http").drafts
    names = {SHORTHANDS.get(str(key), str(key)) for key in form}
    return {name: getattr(draft, name) for name in names}
