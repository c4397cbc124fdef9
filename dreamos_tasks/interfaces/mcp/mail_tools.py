"""MailTools: what agents write to one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from dreamos_tasks.app.mail import broadcast, mirror, send, slip_of
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.interfaces.mcp import forms
from dreamos_tasks.interfaces.mcp.access import BoardAccess, Document
from dreamos_tasks.interfaces.mcp.tool import AnyContext, BoardTool, Words
from dreamos_tasks.model.mail import EVERYBODY, SPOKEN_TYPES, Message, MessageDraft, message_to_json


class MailTools:
    """Each method is a tool, as those of BoardTools are."""

    def __init__(self, access: BoardAccess) -> None:
        self._access = access

    def tools(self) -> Sequence[BoardTool]:
        """The tools."""
        return (
            BoardTool.of(self._access, self.send_mail, gives=forms.MAIL),
            BoardTool.of(self._access, self.read_mail, gives=forms.MAIL),
        )

    async def send_mail(
        self,
        ctx: AnyContext,
        to: Annotated[str, Field(description="an agent, or everybody", min_length=1)],
        subject: Annotated[str, Field(min_length=1, max_length=256)],
        body: Annotated[Any, Field(description="text; for type task: the fields of a task")] = "",
        type: Literal["text", "markdown", "json", "task"] = "text",
        requires_ack: bool = False,
        agent: str | None = None,
    ) -> Document:
        """Write to another agent. Type task also puts a task on the board, for that agent alone."""
        draft = MessageDraft(
            to_agent_id=to,
            from_agent_id=self._access.agent(ctx.request_context, agent),
            subject=subject,
            body=body,
            body_type=SPOKEN_TYPES[type],
            requires_ack=requires_ack,
        )

        def write(nexus: TaskNexus) -> Document:
            home = self._access.home
            if to == EVERYBODY:
                return _document(broadcast(nexus, draft, home=home))
            slip = slip_of(nexus, to)
            return {**_document([send(nexus, draft, home=home)]), **({"hint": slip} if slip else {})}

        document = await self._access.desk.write(write)
        if to != EVERYBODY:
            await self._mirror(to)
        return document

    async def read_mail(
        self,
        ctx: AnyContext,
        acknowledge: Annotated[list[Words], Field(description="ids of messages you have taken note of")] = [],  # noqa: B006
        agent: str | None = None,
    ) -> Document:
        """Your unread messages, which count as read from now on; and acknowledge those whose senders ask for it."""
        agent_id = self._access.agent(ctx.request_context, agent)

        def read(nexus: TaskNexus) -> Document:
            for message_id in acknowledge:
                nexus.acknowledge_mail(agent_id, message_id)
            unread = nexus.mail_of(agent_id, unread_only=True)
            return _document([nexus.read_mail(agent_id, message.message_id) for message in unread])

        document = await self._access.desk.write(read)
        if acknowledge or document["messages"]:
            await self._mirror(agent_id)
        return document

    async def _mirror(self, agent_id: str) -> None:
        await self._access.desk.read(lambda nexus: mirror(nexus, self._access.home, agent_id))


def _document(messages: Sequence[Message]) -> Document:
    return {"messages": [message_to_json(message) for message in messages]}
