"""Reading work: text from a file, stdin or the inbox as drafts, each call in it checked by its tool."""

from __future__ import annotations

from dreamos_tasks.app.call_checks import call_check
from dreamos_tasks.app.parts import build_tools
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import InboxSettings
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import Reading, read_text


def read_work(content: str | bytes, *, home: Home, limits: InboxSettings, created_by: str) -> Reading:
    """The drafts in the text. Raises InvalidInput kinds, with everything that is wrong and where."""
    tools = build_tools(instance="", home=home)  # asked what they would take, and never called
    door = Door(created_by=created_by, check_call=call_check(tools))
    return read_text(content, door, max_bytes=limits.max_bytes, max_tasks=limits.max_tasks_per_file)
