"""Schemas: the JSON Schema of everything that goes in and out, and of each tool's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dreamos_tasks.app.tool_shop import tools_to_ask
from dreamos_tasks.intake.schema import DIALECT, ID_PREFIX, SCHEMA_NAMES, schema_for
from dreamos_tasks.model.event import EventType

if TYPE_CHECKING:
    from dreamos_tasks.config.home import Home

SYNONYMS = {"task-draft": "draft"}
EVENT = "event"


def schema_names() -> tuple[str, ...]:
    """What `schema_named` knows, beside tools."""
    return (*SCHEMA_NAMES, EVENT)


def schema_named(name: str) -> Mapping[str, Any]:
    """The schema with this name. Raises NotFound."""
    return _event_schema() if name == EVENT else schema_for(SYNONYMS.get(name, name))


def tool_names(home: Home) -> tuple[str, ...]:
    """The tools that steps can name."""
    return tuple(tools_to_ask(home).names())


def tool_schema(home: Home, name: str) -> Mapping[str, Any]:
    """The schema of a tool's parameters. Raises ToolNotFound, ConfigError."""
    schema: Mapping[str, Any] = tools_to_ask(home).get(name).params_schema()
    return schema


def _event_schema() -> Mapping[str, Any]:
    """Of one message of `dt events --jsonl`."""
    about = {
        "task_id": {"type": "string"},
        "by": {"type": "string", "description": "who did it"},
        "changes": {"type": "object", "description": "the fields of the task that it changed, as they are since"},
        "detail": {"type": "object", "description": "what no field keeps: why, by which strategy"},
    }
    properties = {
        "id": {
            "type": "integer",
            "minimum": 1,
            "description": "grows with each event; dt events --after ID goes on there",
        },
        "type": {"enum": [kind.value for kind in EventType]},
        "timestamp": {"type": "string", "format": "date-time"},
        "data": {"type": "object", "properties": about, "required": list(about)},
    }
    head = {"$schema": DIALECT, "$id": ID_PREFIX + EVENT, "title": "Event", "type": "object"}
    return {**head, "properties": properties, "required": list(properties)}
