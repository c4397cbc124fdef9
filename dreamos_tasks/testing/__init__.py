"""For those who write tools: the suite that every ToolAdapter passes, ours and yours. Needs the extra `testing` (pytest)."""

from __future__ import annotations

from dreamos_tasks.testing.conformance import ToolConformance
from dreamos_tasks.testing.surroundings import context_in

__all__ = ["ToolConformance", "context_in"]
