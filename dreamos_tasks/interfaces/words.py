"""The words that HTTP and MCP take for states and categories, spelled out as types: schemas are made of them."""

from __future__ import annotations

from typing import Literal

State = Literal[
    "ready",
    "blocked",
    "scheduled",
    "pending",
    "in_progress",
    "paused",
    "awaiting_approval",
    "stalled",
    "completed",
    "failed",
    "cancelled",
]
Category = Literal["transient", "configuration", "permission", "resource", "logic"]
