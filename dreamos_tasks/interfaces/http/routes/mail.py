"""Mail: what agents write to one another. An agent's token sends under its own name, and reads its own mailbox as read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field
from starlette.responses import JSONResponse

from dreamos_tasks.app.mail import broadcast, mirror, send
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.intake.json_text import read_json
from dreamos_tasks.intake.message_forms import read_message
from dreamos_tasks.interfaces.http.openapi import gives, json_body, list_of, problems
from dreamos_tasks.interfaces.http.routes import shared
from dreamos_tasks.interfaces.http.routes.shared import Agent, Board, Context, Reader, agent_not_named, answered, asked
from dreamos_tasks.interfaces.http.sign_in import Caller
from dreamos_tasks.model.mail import EVERYBODY, Message, MessageDraft, message_to_json

router = APIRouter(tags=["mail"])
REFUSALS = problems(404, 409, 413, 415)
MESSAGE = gives("Message", "The message.")
BOXES = {
    "type": "object",
    "properties": {
        "you": {"type": "string", "description": "who asks, as a sender is named"},
        "mailboxes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "agent_id": {"type": "string"},
                    "messages": {"type": "integer", "minimum": 0},
                    "unread": {"type": "integer", "minimum": 0},
                },
                "required": ["agent_id", "messages", "unread"],
            },
        },
    },
    "required": ["you", "mailboxes"],
}
Name = Annotated[str, Path(pattern=shared.NAME, description="Whose mailbox.")]
MessageId = Annotated[str, Path(min_length=1, max_length=100, description="The id of a message, or its beginning.")]


class MailQuery(shared.Parameters):
    """Which messages."""

    unread: bool = Field(default=False, description="Only what has not been read.")
    sent: bool = Field(default=False, description="What the agent has sent instead.")


@router.get("/mail", operation_id="mailboxes", responses=gives(BOXES, "By name.") | problems())
async def mailboxes(context: Context, caller: Reader) -> JSONResponse:
    """Who has mail or is registered, with how much of it has not been read."""

    def look(nexus: TaskNexus) -> dict[str, Any]:
        boxes = [(name, nexus.mail_of(name)) for name in nexus.mailboxes()]
        listed = [
            {"agent_id": name, "messages": len(found), "unread": sum(message.read_at is None for message in found)}
            for name, found in boxes
        ]
        return {"you": caller.agent_id or caller.name, "mailboxes": listed}

    return await asked(context.aside, look)


@router.get("/mail/{name}", operation_id="mail", responses=gives(list_of("Message"), "Oldest first.") | problems())
async def mail(name: Name, desk: Board, _caller: Reader, query: Annotated[MailQuery, Query()]) -> JSONResponse:
    """What lies in an agent's mailbox. Looking does not count as reading."""

    def look(nexus: TaskNexus) -> list[dict[str, Any]]:
        found = nexus.mail_from(name) if query.sent else nexus.mail_of(name, unread_only=query.unread)
        return [message_to_json(message) for message in found]

    return await asked(desk, look)


@router.post(
    "/mail",
    operation_id="send_mail",
    status_code=201,
    openapi_extra=json_body("MessageDraft", "The message; with an agent's token from_agent_id may be left out."),
    responses=gives("Message", "The message as it was sent.", status=201) | REFUSALS,
)
async def send_mail(request: Request, desk: Board, context: Context, caller: Agent) -> JSONResponse:
    """Send a message. One of type application/dreamos-task becomes a task of its receiver's."""
    draft = await _draft_in(request, caller)
    message = await desk.write(lambda nexus: send(nexus, draft, home=context.home))
    await desk.read(lambda nexus: mirror(nexus, context.home, message.to_agent_id))
    return answered(message_to_json(message), status=201)


@router.post(
    "/mail/broadcast",
    operation_id="broadcast_mail",
    status_code=201,
    openapi_extra=json_body("MessageDraft", "The message; to_agent_id says nothing here."),
    responses=gives(list_of("Message"), "The messages, one to each.", status=201) | REFUSALS,
)
async def broadcast_mail(request: Request, desk: Board, context: Context, caller: Agent) -> JSONResponse:
    """Send a message to every agent that has mail or is registered."""
    draft = await _draft_in(request, caller, to_agent_id=EVERYBODY)
    messages = await desk.write(lambda nexus: broadcast(nexus, draft, home=context.home))
    return answered([message_to_json(message) for message in messages], status=201)


@router.post("/mail/{name}/{message_id}/read", operation_id="read_mail", responses=MESSAGE | REFUSALS)
async def read_mail(name: Name, message_id: MessageId, desk: Board, context: Context, caller: Agent) -> JSONResponse:
    """Say that a message has been read; gives it."""
    caller.acting_as(name)
    return await _changed(desk, context, name, lambda nexus: nexus.read_mail(name, message_id))


@router.post("/mail/{name}/{message_id}/acknowledge", operation_id="acknowledge_mail", responses=MESSAGE | REFUSALS)
async def acknowledge_mail(
    name: Name, message_id: MessageId, desk: Board, context: Context, caller: Agent
) -> JSONResponse:
    """Say that a message was taken note of; its sender sees it."""
    caller.acting_as(name)
    return await _changed(desk, context, name, lambda nexus: nexus.acknowledge_mail(name, message_id))


async def _changed(desk: Board, context: Context, name: str, say: Callable[[TaskNexus], Message]) -> JSONResponse:
    message = await desk.write(say)
    await desk.read(lambda nexus: mirror(nexus, context.home, name))
    return answered(message_to_json(message))


async def _draft_in(request: Request, caller: Caller, *, to_agent_id: str | None = None) -> MessageDraft:
    """The message of a body, under the name of who sends it. Raises InvalidInput kinds, NotAllowed, AgentNotNamed."""
    content = await request.body()
    value = await asyncio.to_thread(read_json, content)
    if isinstance(value, dict):
        if to_agent_id is not None:
            value["to_agent_id"] = to_agent_id
        given = value.get("from_agent_id")
        sender = caller.acting_as(given) if given is None or isinstance(given, str) else given
        if sender is None:
            raise agent_not_named("send_mail")
        value["from_agent_id"] = sender
    return read_message(value)
