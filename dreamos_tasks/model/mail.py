"""Mail: what one agent writes to another: message schema v1, and what became of a message. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.model.json_form import instant_from_text, instant_to_text, to_json
from dreamos_tasks.model.task import Priority, check_name, priority_from
from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from dreamos_tasks.model.constraints import AgentName, Subject

SHELF = "mail"  # where the board keeps messages, by `AGENT/MESSAGE_ID`
VERSION = "1.0"
SUBJECT_MAX_LENGTH = 256
LONGEST_BODY = 1_048_576  # characters of its JSON: what is longer is a file, and the message says where it lies


class BodyType(StrEnum):
    """What the body is."""

    TEXT = "text/plain"
    MARKDOWN = "text/markdown"
    JSON = "application/json"
    TASK = "application/dreamos-task"  # it becomes a task, assigned to whom it is sent


TEXTS = frozenset({BodyType.TEXT, BodyType.MARKDOWN})
SPOKEN_TYPES = {"text": BodyType.TEXT, "markdown": BodyType.MARKDOWN, "json": BodyType.JSON, "task": BodyType.TASK}
EVERYBODY = "everybody"  # stands for the receiver until a broadcast names each


@frozen_value
class MessageDraft:
    """What somebody writes. `message_id` is a UUID; "" is given one. `body` is text, or any JSON value for the other types."""

    to_agent_id: AgentName
    from_agent_id: AgentName
    subject: Subject
    body: Any = ""
    body_type: BodyType = BodyType.TEXT
    priority: Priority = Priority.MEDIUM
    requires_ack: bool = False
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    version: str = VERSION
    message_id: str = ""
    timestamp_created: datetime | None = None

    def __post_init__(self) -> None:
        """Hold the rules that every door shares."""
        put = object.__setattr__
        if self.priority.__class__ is not Priority:
            put(self, "priority", priority_from(self.priority))
        check_name(self.to_agent_id, what="an agent's name", pointer="/to_agent_id")
        check_name(self.from_agent_id, what="an agent's name", pointer="/from_agent_id")
        if not self.subject.strip() or len(self.subject) > SUBJECT_MAX_LENGTH:
            raise InvalidInput(
                f"the subject has {len(self.subject.strip())} characters",
                pointer="/subject",
                cause=f"a subject has 1 to {SUBJECT_MAX_LENGTH}",
                fix="put the long text into the body",
            )
        if self.version != VERSION:
            raise InvalidInput(
                f"nobody knows version {self.version!r} of messages",
                pointer="/version",
                cause=f"it is {VERSION}",
                fix=f'"version": "{VERSION}"',
            )
        if self.body_type in TEXTS and not isinstance(self.body, str):
            raise InvalidInput(
                f"a body of type {self.body_type.value} is text",
                pointer="/body",
                fix='put it in quotes, or say "body_type": "application/json"',
            )
        if self.message_id:
            put(self, "message_id", _uuid(self.message_id))


@frozen_value
class Message(MessageDraft):
    """A message as the board has it. `task_id`: the task that was made of it."""

    message_id: str
    timestamp_created: datetime
    received_at: datetime
    read_at: datetime | None = None
    acknowledged_at: datetime | None = None
    task_id: str | None = None

    @property
    def is_done(self) -> bool:
        """Nothing more is expected of whom it was sent to."""
        return self.acknowledged_at is not None or (self.read_at is not None and not self.requires_ack)


def received(draft: MessageDraft, *, now: datetime, task_id: str | None = None) -> Message:
    """The message that is put into a mailbox. Raises InvalidInput when its body is too long."""
    _check_length(draft.body)
    values = {name: getattr(draft, name) for name in MessageDraft.__dataclass_fields__}
    values["message_id"] = draft.message_id or fresh_message_id()
    values["timestamp_created"] = draft.timestamp_created or now
    return Message(**values, received_at=now, task_id=task_id)


def check_same(there: Message, draft: MessageDraft) -> None:
    """A message that is sent again is the one that is there. Raises InvalidInput when it is another one under its id."""
    if (there.from_agent_id, there.subject) == (draft.from_agent_id, draft.subject) and there.body == draft.body:
        return
    raise InvalidInput(
        f"another message in the mailbox of {there.to_agent_id} has this id",
        pointer="/message_id",
        cause=f"{there.message_id} is from {there.from_agent_id}: {there.subject}",
        fix="leave message_id out, and it gets one of its own",
    )


def read(message: Message, *, now: datetime) -> Message:
    """The message once it has been read; itself when it had been."""
    return message if message.read_at is not None else replace(message, read_at=now)


def acknowledged(message: Message, *, now: datetime) -> Message:
    """The message once its receiver has said so; that is also reading it. Itself when it was said before."""
    return message if message.acknowledged_at is not None else replace(read(message, now=now), acknowledged_at=now)


def key_of(agent_id: str, message_id: str) -> str:
    """Where a message lies on its shelf."""
    return f"{agent_id}/{message_id}"


def message_to_json(message: Message) -> dict[str, Any]:
    """The message as the contract writes it."""
    return {name: to_json(getattr(message, name)) for name in Message.__dataclass_fields__}


def message_from_json(form: Mapping[str, Any]) -> Message:
    """The message that `message_to_json` wrote."""
    values = dict(form)
    for name in INSTANTS:
        if values.get(name) is not None:
            values[name] = instant_from_text(values[name])
    values["body_type"] = BodyType(values["body_type"])
    values["priority"] = Priority(values["priority"])
    values["tags"] = tuple(values["tags"])
    return Message(**values)


INSTANTS = ("timestamp_created", "received_at", "read_at", "acknowledged_at")


def as_markdown(messages: list[Message], *, agent_id: str) -> str:
    """A mailbox for people: newest first, the unread ones marked."""
    lines = [f"# Mailbox of {agent_id}", ""]
    for message in reversed(messages):
        state = "acknowledged" if message.acknowledged_at else "read" if message.read_at else "**new**"
        asks = ", asks for an acknowledgement" if message.requires_ack and not message.acknowledged_at else ""
        lines += [
            f"## {_one_line(message.subject)}",
            "",
            f"- from {_one_line(message.from_agent_id)}, {instant_to_text(message.timestamp_created)}, "
            f"{message.priority.value}, {state}{asks}",
            f"- id `{message.message_id}`" + (f", task `{message.task_id}`" if message.task_id else ""),
            "",
            *_quoted(message),
            "",
        ]
    if not messages:
        lines += ["There is no message.", ""]
    return "\n".join(lines)


def fresh_message_id() -> str:
    """A random UUID: a few characters of its beginning name it."""
    return str(uuid4())


def _check_length(body: Any) -> None:
    length = len(body) if isinstance(body, str) else len(json.dumps(body, ensure_ascii=False))
    if length > LONGEST_BODY:
        raise InvalidInput(
            f"the body has {length:,} characters",
            pointer="/body",
            cause=f"{LONGEST_BODY:,} are the most",
            fix="write it to a file, and say in the message where it lies",
        )


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError:
        raise InvalidInput(
            f"{text[:80]!r} is no message id", pointer="/message_id", cause="it is a UUID", fix="leave it out"
        ) from None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _quoted(message: Message) -> list[str]:
    if message.body_type in (
        BodyType.MARKDOWN,
        BodyType.TEXT,
    ):  # whatever it begins, such as a code block, ends with it
        return [f"> {line}" for line in str(message.body).splitlines()]
    return ["```json", *json.dumps(message.body, indent=2, ensure_ascii=False).splitlines(), "```"]
