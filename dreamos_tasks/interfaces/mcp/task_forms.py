"""The forms of MCP tasks: a task of the board as the extension's envelope, with its result, its error or what it asks. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, CallToolResult

from dreamos_tasks.interfaces.mcp.access import Document
from dreamos_tasks.interfaces.mcp.answers import success
from dreamos_tasks.model.json_form import instant_to_text
from dreamos_tasks.model.progress import current_steps
from dreamos_tasks.model.request import Request, RequestKind
from dreamos_tasks.model.task import Status, Task

POLL_INTERVAL_MS = 1000
ANSWER = "answer"


def result_of(task: Task, document: Document) -> CallToolResult:
    """What the call would have given: the task as it is; that it failed is the tool's error, told with the task.

    Raises MCPError when nobody can say how the run ended: whoever ran it was lost, again and again.
    """
    if task.status is not Status.FAILED:
        return success(document)
    error = task.error
    told = success(document)
    words = f"{error.message} {error.cause}".strip() if error is not None else "it failed"
    if task.lost_leases and error is not None and error.category == "resource" and error.step is None:
        raise MCPError(code=INTERNAL_ERROR, message=f"{task.task_id}: {words}")
    return told.model_copy(update={"is_error": True})


def envelope(task: Task, *, waits: str) -> dict[str, Any]:
    """What is told of a task whatever its state. Nothing is thrown away before its board prunes it: no time to live."""
    message = _message(task, waits)
    return {
        "taskId": task.task_id,
        "status": _status(task),
        **({"statusMessage": message} if message else {}),
        "createdAt": instant_to_text(task.created_at),
        "lastUpdatedAt": instant_to_text(task.updated_at),
        "ttlMs": None,
        "pollIntervalMs": POLL_INTERVAL_MS,
    }


def payload(task: Task, document: Document, *, asks: bool) -> dict[str, Any]:
    """What its state brings along: the result, the error, or what the client is to ask its user."""
    if task.status is Status.CANCELLED:
        return {}
    if task.is_final:
        try:
            result = result_of(task, document)
        except MCPError as error:
            return {"status": "failed", "error": error.error.model_dump(mode="json", by_alias=True, exclude_none=True)}
        return {"result": result.model_dump(mode="json", by_alias=True, exclude_none=True)}
    questions = open_questions(task)
    if questions and asks:
        return {"status": "input_required", "inputRequests": {one.request_id: _elicitation(one) for one in questions}}
    return {}


def _status(task: Task) -> str:
    match task.status:
        case Status.CANCELLED:
            return "cancelled"
        case Status.COMPLETED | Status.FAILED:
            return "completed"  # `failed` is for calls that broke off; a run that failed has its result
        case _:
            return "working"


def _message(task: Task, waits: str) -> str:
    """How it stands, in a line."""
    approvals = [one for one in task.requests if one.is_open and one.kind is RequestKind.APPROVAL]
    if approvals:
        return f"waits until a person decides: dt approve {approvals[0].request_id}, or dt reject"
    if task.claim is not None:
        running = f"runs {', '.join(current_steps(task))}" if current_steps(task) else ""
        noted = task.progress.note if task.progress is not None else ""
        return "; ".join(words for words in (running, noted) if words) or f"{task.claim.agent_id} works on it"
    if task.error is not None and task.is_final:
        return task.error.message
    return "" if task.is_final else waits or task.status.value.replace("_", " ")


def open_questions(task: Task) -> Sequence[Request]:
    """What a client may ask its user. Approvals are not among them: no agent's client decides those."""
    if task.is_final:
        return ()
    return [one for one in task.requests if one.is_open and one.kind is RequestKind.QUESTION]


def _elicitation(request: Request) -> dict[str, Any]:
    answer = {"type": "string", **({"enum": list(request.choices)} if request.choices else {})}
    schema = {"type": "object", "properties": {ANSWER: answer}, "required": [ANSWER]}
    return {
        "method": "elicitation/create",
        "params": {"mode": "form", "message": request.text, "requestedSchema": schema},
    }


def answer_in(response: Any) -> str | None:
    """What the user said; None when nothing, or declined: then somebody else may still answer."""
    if not isinstance(response, dict) or response.get("action") != "accept":
        return None
    content = response.get("content")
    if isinstance(content, dict):
        content = content.get(ANSWER, next(iter(content.values())) if len(content) == 1 else content)
    return content if isinstance(content, str) else json.dumps(content)
