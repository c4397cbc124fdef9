"""What tools answer: a document, as text and as structured content; or an error with its code, its cause and the fix."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, TextContent

from dreamos_tasks.errors import DreamosError

ERROR_KEY = "dreamos-tasks/error"  # in `_meta`: structured content is bound to what a tool gives when all goes well

# What to do next, in the words of these tools; for all other codes the error's own fix.
FIXES: Mapping[str, str] = {
    "claim_held": "get_next_task claims another task",
    "stale_token": "stop working on it: somebody else may. get_task tells how it stands, claim_task claims it again",
    "task_not_found": "list_tasks shows the tasks of this board",
    "not_claimable": "why_task tells what it waits for; get_next_task claims one that is ready",
    "illegal_transition": "get_task tells how it stands; get_next_task claims another task",
    "message_not_found": "read_mail gives what you have not read, with its ids",
    "verification_failed": "mend what it names and call complete_task again; you still hold the task",
}
TELLING_WHEN_EMPTY = frozenset({"task", "tasks", "messages", "next", "percent"})  # of what a model reads
SELF_EVIDENT = frozenset({("critical", True), ("approval", "none")})  # of steps


def success(document: Mapping[str, Any]) -> CallToolResult:
    """The document: whole for programs to take apart, and for the model to read without what is empty."""
    return CallToolResult(content=[_text(in_one_line(_filled(document)))], structured_content=dict(document))


def refusal(error: DreamosError) -> CallToolResult:
    """The error, for the model to read: what happened, why, and what to do next."""
    form = error_form(error)
    lines = [f"error {form['code']}: {form['message']}"]
    lines += [f"{label}: {form[label]}" for label in ("pointer", "cause", "fix") if form.get(label)]
    return CallToolResult(content=[_text("\n".join(lines))], is_error=True, _meta={ERROR_KEY: form})


def error_form(error: DreamosError) -> dict[str, str]:
    """The error as the contract writes it, its fix in the words of these tools."""
    fix = FIXES.get(error.code, error.fix)
    if error.code == "task_not_found" and error.fix.startswith("did you mean"):
        fix = error.fix
    form = {"code": error.code, "message": error.message, "cause": error.cause, "fix": fix}
    pointer = getattr(error, "pointer", "")
    return {**form, "pointer": pointer} if pointer else form


def in_one_line(document: Any) -> str:
    """JSON without blanks: models pay for each of them."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _filled(document: Mapping[str, Any]) -> dict[str, Any]:
    empty: tuple[Any, ...] = (None, "", [], {}, 0)
    filled = {key: _inside(key, value) for key, value in document.items()}
    return {key: value for key, value in filled.items() if value not in empty or key in TELLING_WHEN_EMPTY}


def _inside(key: str, value: Any) -> Any:
    if key in ("steps", "verify") and isinstance(value, list):
        return [_telling(step) if isinstance(step, Mapping) else step for step in value]
    return _filled(value) if isinstance(value, Mapping) else value


def _telling(step: Mapping[str, Any]) -> dict[str, Any]:
    """What a step says beyond what goes without saying."""
    return {
        key: value
        for key, value in step.items()
        if value is not False
        and value not in (None, "", [], {})
        and not (isinstance(value, bool | str) and (key, value) in SELF_EVIDENT)
    }


def _text(words: str) -> TextContent:
    return TextContent(type="text", text=words)
