"""Forms: what the board's rows and series look like, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from dreamos_tasks.board.rows import STATES

TEXT = {"type": "string"}
NUMBERS = {"type": "array", "items": {"type": ["number", "null"]}}
ROW: dict[str, Any] = {
    "type": "object",
    "description": "A task as a list shows it; what is empty is left out.",
    "properties": {
        "task_id": TEXT,
        "title": TEXT,
        "state": {"enum": list(STATES)},
        "priority": {"enum": ["critical", "high", "medium", "low"]},
        "tags": {"type": "array", "items": TEXT},
        "agent_id": {**TEXT, "description": "who holds it"},
        "steps": {"type": "object", "description": "how many of `all` are `done`, and which are `running`"},
        "asks": {"type": "integer", "description": "how many of its requests are open"},
    },
    "required": ["task_id", "title", "state", "priority", "created_at", "updated_at"],
}
ROWS = {"type": "array", "items": ROW}
PAGE = {
    "type": "object",
    "properties": {"rows": ROWS, "next": {"type": ["string", "null"], "description": "null: there are no more"}},
    "required": ["rows", "next"],
}
BOARD = {
    "type": "object",
    "properties": {
        "seq": {"type": "integer", "description": "of the event behind which to follow"},
        "now": {"type": "string", "format": "date-time", "description": "the board's time"},
        "columns": {"type": "object", "additionalProperties": PAGE},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
    "required": ["seq", "now", "columns", "counts"],
}
SOME = {
    "type": "object",
    "properties": {"rows": ROWS, "missing": {"type": "array", "items": TEXT}},
    "required": ["rows", "missing"],
}
AHEAD = {
    "type": "object",
    "properties": {
        "task_id": TEXT,
        "choices": {"type": "array", "items": TEXT},
        "expected": {"type": "object", "description": "by step: a likely time, and the range of 8 in 10 cases"},
    },
    "required": ["task_id", "choices", "expected"],
}
SERIES = {
    "type": "object",
    "properties": {
        "bucket_seconds": {"type": "integer"},
        "window_seconds": {"type": "integer"},
        "is_cut": {"type": "boolean", "description": "so much has happened that the beginning is left out"},
        "at": {**NUMBERS, "description": "the end of each bucket, in seconds since 1970"},
    },
    "additionalProperties": NUMBERS,
    "required": ["bucket_seconds", "window_seconds", "is_cut", "at"],
}
