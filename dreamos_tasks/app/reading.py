"""Reading work: text from a file, stdin or the inbox as drafts, each call in it checked by its tool."""

from __future__ import annotations

from pathlib import Path

from dreamos_tasks.app.call_checks import call_check
from dreamos_tasks.app.tool_shop import tools_to_ask
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import InboxSettings
from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.intake.claiming import Claimer, IntakeRules
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import Reading, read_text
from dreamos_tasks.intake.folders import InboxFolders, safe_name


def read_work(content: str | bytes, *, home: Home, limits: InboxSettings, created_by: str) -> Reading:
    """The drafts in the text. Raises InvalidInput kinds, with everything that is wrong and where."""
    door = Door(created_by=created_by, check_call=call_check(tools_to_ask(home)))
    return read_text(content, door, max_bytes=limits.max_bytes, max_tasks=limits.max_tasks_per_file)


def judge_file(path: Path, *, home: Home, limits: InboxSettings) -> Reading | InvalidInput:
    """What the inbox would make of this file: its drafts, or why it would be rejected. Raises OSError."""
    rules = IntakeRules(
        max_bytes=limits.max_bytes,
        max_tasks_per_file=limits.max_tasks_per_file,
        check_call=call_check(tools_to_ask(home)),
    )
    claimer = Claimer(InboxFolders(home.inbox(limits), home.outbox), rules, lambda _words: None)
    verdict, _ = claimer.judge(path, name=safe_name(path.name), agent=None)
    return verdict
