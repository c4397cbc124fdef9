"""The verb prime: what an agent must know to work from this board, short enough to be read at the start of each session."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from dreamos_tasks.errors import DreamosError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import OneOf, agent_option
from dreamos_tasks.interfaces.cli.verb import verb

if TYPE_CHECKING:
    from dreamos_tasks.app.briefing import Briefing

HOOKS = ("claude", "codex", "gemini", "cursor")


@verb("prime", examples=("dt prime", "dt prime --agent ada", "dt prime --json", "dt prime --hook claude"))
@agent_option
@option(
    "--hook",
    type=OneOf("program", HOOKS),
    help="Answer as this program's hook at the start of a session expects it: claude, codex, gemini, cursor.",
)
def prime(call: Call, agent: str | None, hook: str | None) -> None:
    """Tell an agent how to work from this board: commands, what it holds, what is ready for it, its unread mail.

    Under 1,000 tokens, however busy the board is. Changes nothing, and needs neither a daemon nor a name.
    """
    if hook is not None:
        call.out.line(json.dumps(_answer_of_hook(hook, _words_in_any_case(call, agent))))
    elif call.out.as_json:
        call.out.document(_document(call, _briefing(call, agent), call.agent_or_none(agent)))
    else:
        call.out.line(_words(call, agent))


def _words_in_any_case(call: Call, agent: str | None) -> str:
    """A session must begin also when the board cannot be read: then the agent is told so.

    Without a board there is nothing to tell: a hook that is set up for a user runs in every project.
    """
    try:
        return _words(call, agent) if _is_there(call) else ""
    except DreamosError as error:
        fix = f" To mend it: {error.fix}" if error.fix else ""
        return f"This project has a dreamos-tasks board that cannot be read now: {error.message} ({error.cause}).{fix}"


def _words(call: Call, agent: str | None) -> str:
    from dreamos_tasks.interfaces.cli.prime_text import page

    return page(_briefing(call, agent), place=_place(call), dt=_dt(call), agent_id=call.agent_or_none(agent)).rstrip()


def _answer_of_hook(hook: str, words: str) -> dict[str, Any]:
    """What the programs' documentation of their hooks asks for: three share a form, Cursor has its own."""
    if hook == "cursor":
        return {"additional_context": words}
    return {"hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": words}}


def _briefing(call: Call, agent: str | None) -> Briefing | None:
    """How the board stands; None when there is none yet, and none is made by asking."""
    from dreamos_tasks.app.briefing import brief

    return brief(call.nexus, call.agent_or_none(agent)) if _is_there(call) else None


def _is_there(call: Call) -> bool:
    board = call.settings.board
    return call.home.board(board).exists() or call.home.board_lock(board).exists()


def _place(call: Call) -> str:
    return str(call.home.board(call.settings.board))


def _dt(call: Call) -> str:
    """How the command is typed for this board."""
    return "dt" if call.home_option is None else f"dt --home {shlex.quote(call.home_option)}"


def _document(call: Call, briefing: Briefing | None, agent_id: str | None) -> dict[str, Any]:
    from dreamos_tasks.interfaces.cli.prime_text import MOST_SHOWN, RULES, commands, seconds_left

    form: dict[str, Any] = {
        "agent_id": agent_id,
        "dt": _dt(call),
        "board": {"path": _place(call), "exists": briefing is not None},
        "commands": [{"command": command, "what": what} for command, what in commands(agent_id)],
        "hindrance": None,
        "holding": [],
        "ready": [],
        "ready_count": 0,
        "unread": [],
        "unread_count": 0,
        "rules": RULES,
    }
    if briefing is None:
        return form
    stopped = briefing.hindrance
    return form | {
        "board": {**form["board"], "tasks": dict(briefing.counts)},
        "hindrance": stopped and {"code": stopped.code, "message": stopped.message, "fix": stopped.fix},
        "holding": [
            {
                "task_id": task.task_id,
                "title": task.title,
                "token": task.claim.token,
                "lease_seconds_left": round(seconds_left(task, briefing.now), 1),
            }
            for task in briefing.holding
            if task.claim is not None
        ],
        "ready": [
            {"task_id": task.task_id, "title": task.title, "priority": task.priority.value}
            for task in briefing.ready[:MOST_SHOWN]
        ],
        "ready_count": briefing.ready_count,
        "unread": [
            {"message_id": message.message_id, "from_agent_id": message.from_agent_id, "subject": message.subject}
            for message in briefing.unread[:MOST_SHOWN]
        ],
        "unread_count": len(briefing.unread),
    }
