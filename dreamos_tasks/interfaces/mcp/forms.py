"""The forms of what tools give, as JSON Schemas: only what an agent decides by; a task has more (the contract's fields)."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

STRING: Schema = {"type": "string"}
TASK: Schema = {
    "type": "object",
    "properties": {"task_id": STRING, "status": STRING},
    "required": ["task_id", "status"],
}
OPTIONAL_TASK: Schema = {"type": ["object", "null"]}
NEXT_TASK: Schema = {
    "type": "object",
    "properties": {"task": OPTIONAL_TASK, "reason": {"type": "string", "description": "why there is none"}},
    "required": ["task"],
}
TASKS: Schema = {
    "type": "object",
    "properties": {
        "tasks": {"type": "array", "items": {"type": "object"}},
        "next_after": {"type": ["string", "null"], "description": "pass as `after` for more; null: no more"},
    },
    "required": ["tasks", "next_after"],
}
WHY: Schema = {
    "type": "object",
    "properties": {"task_id": STRING, "state": STRING, "lines": {"type": "array", "items": STRING}},
    "required": ["task_id", "state", "lines"],
}
MAIL: Schema = {
    "type": "object",
    "properties": {"messages": {"type": "array", "items": {"type": "object"}}, "hint": {"type": "string"}},
    "required": ["messages"],
}
STATS: Schema = {"type": "object", "properties": {"status": {"type": "object"}}, "required": ["status"]}
