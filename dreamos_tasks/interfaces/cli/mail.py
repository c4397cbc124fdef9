"""Verbs about mail: what agents write to one another: send, list, read, ack, broadcast."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from dreamos_tasks.errors import InvalidInput, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.given import file_text, text_given
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, PRIORITY, OneOf, agent_option, several, tag_option
from dreamos_tasks.interfaces.cli.text import ago, count, harmless, harmless_block
from dreamos_tasks.interfaces.cli.verb_group import verb_group
from dreamos_tasks.model.mail import (
    EVERYBODY,
    SPOKEN_TYPES,
    BodyType,
    Message,
    MessageDraft,
    as_markdown,
    message_to_json,
)
from dreamos_tasks.model.task import priority_from

message_options = several(
    (
        option("--subject", "-s", metavar="TEXT", type=FILLED, help="What it is about, in a line."),
        option("--body", "-b", metavar="TEXT", default=None, help="What it says; @FILE, or @- for stdin."),
        option(
            "--type",
            "body_type",
            type=OneOf("type", SPOKEN_TYPES),
            default="text",
            show_default=True,
            help="text, markdown, json, or task: it becomes a task of the receiver's.",
        ),
        option("--priority", "-p", type=PRIORITY, default="medium", show_default=True, help="How urgent it is."),
        option("--ack", "requires_ack", is_flag=True, help="Ask for an acknowledgement."),
        tag_option("A tag; several times."),
    )
)


@verb_group(
    "mail",
    examples=(
        'dt mail send ada --agent bob --subject "the parser is yours" --body "see src/parse.py"',
        "dt mail list --agent ada --unread",
        "dt mail read 9f3a --agent ada",
        "dt mail ack 9f3a --agent ada",
        'dt mail broadcast --agent bob --subject "main is frozen until noon"',
    ),
)
def mail(call: Call) -> None:
    """Messages between agents. They lie on the board.

    Each is a file in runtime/agent_mailboxes/AGENT/inbox/ too, where JSON files may be dropped as well.
    """
    agent = call.agent(None, verb="mail")
    _show_box(call, agent, _box(call, agent, unread=False), in_markdown=False)


@mail.below(
    "send",
    examples=(
        'dt mail send ada --agent bob --subject "look at dt-7k2m"',
        'dt mail send ada --agent bob --subject "Fix the parser" --type task --body \'{"run": "make test"}\'',
        "dt mail send --file message.json",
    ),
)
@click.argument("to", metavar="[AGENT]", required=False, type=FILLED)
@agent_option
@message_options
@option("--file", "-f", "file", metavar="FILE|-", type=FILLED, help="The whole message as JSON (dt schema message).")
def send(call: Call, to: str | None, agent: str | None, file: str | None, **written: Any) -> None:
    """Send a message to an agent. Nobody has to be registered to get mail."""
    from dreamos_tasks.app.mail import deliver, slip_of

    if file is not None:
        draft = _draft_in(call, file)
    elif to is None:
        raise UsageError("nobody is named to send it to", fix='dt mail send ada --subject "..."')
    else:
        draft = _draft(call, agent, to, **written)
    slip = slip_of(call.nexus, draft.to_agent_id)
    message = deliver(call.nexus, draft, home=call.home)
    if slip:
        call.out.hint(f"note: {harmless(slip)}")
    if call.out.as_json:
        call.out.document(message_to_json(message))
        return
    call.out.line(message.message_id)
    became = f"; it is the task {message.task_id}" if message.task_id else ""
    call.out.note(f"sent to {harmless(message.to_agent_id)}: {harmless(message.subject)}{became}")


@mail.below("broadcast", examples=('dt mail broadcast --agent bob --subject "main is frozen until noon" --ack',))
@agent_option
@message_options
def broadcast(call: Call, agent: str | None, **written: Any) -> None:
    """Send a message to every agent that has mail or is registered, one to each."""
    from dreamos_tasks.app.mail import broadcast as send_all

    draft = _draft(call, agent, EVERYBODY, **written)
    messages = send_all(call.nexus, draft, home=call.home)
    if call.out.as_json:
        call.out.document([message_to_json(message) for message in messages])
        return
    call.out.note(f"sent to {', '.join(harmless(message.to_agent_id) for message in messages)}")


@mail.below(
    "list",
    examples=(
        "dt mail list --agent ada",
        "dt mail list --agent ada --unread --json",
        "dt mail list --agent ada --markdown",
    ),
)
@agent_option
@option("--unread", is_flag=True, help="Only what has not been read.")
@option("--sent", is_flag=True, help="What the agent has sent instead, and what became of it.")
@option("--markdown", "in_markdown", is_flag=True, help="The whole mailbox as Markdown, for people.")
def list_(call: Call, agent: str | None, unread: bool, sent: bool, in_markdown: bool) -> None:
    """What lies in an agent's mailbox, oldest first. What was dropped into its folder is taken in first."""
    agent_id = call.agent(agent, verb="mail list")
    messages = call.nexus.mail_from(agent_id) if sent else _box(call, agent_id, unread=unread)
    _show_box(call, agent_id, messages, in_markdown=in_markdown)


@mail.below("read", examples=("dt mail read 9f3a --agent ada", "dt mail read --all --agent ada --json"))
@click.argument("message_id", metavar="[MESSAGE]", required=False, type=FILLED)
@agent_option
@option("--all", "every", is_flag=True, help="All that have not been read.")
def read(call: Call, message_id: str | None, agent: str | None, every: bool) -> None:
    """Show a message, by its id or the beginning of it. It counts as read from now on."""
    agent_id = call.agent(agent, verb="mail read")
    if every == (message_id is not None):
        raise UsageError("a message or --all is to be read", fix=f"dt mail list --agent {agent_id}")
    ids = [message.message_id for message in _box(call, agent_id, unread=True)] if every else [message_id or ""]
    messages = [call.nexus.read_mail(agent_id, one) for one in ids]
    _mirror(call, agent_id)
    if call.out.as_json:
        forms = [message_to_json(message) for message in messages]
        call.out.document(forms if every else forms[0])
        return
    for message in messages:
        _show(call, message)


@mail.below("ack", examples=("dt mail ack 9f3a --agent ada",))
@click.argument("ids", metavar="MESSAGE...", nargs=-1, required=True, type=FILLED)
@agent_option
def ack(call: Call, ids: tuple[str, ...], agent: str | None) -> None:
    """Say that messages were taken note of; their senders see it with dt mail list --sent."""
    agent_id = call.agent(agent, verb="mail ack")
    messages = [call.nexus.acknowledge_mail(agent_id, message_id) for message_id in ids]
    _mirror(call, agent_id)
    if call.out.as_json:
        forms = [message_to_json(message) for message in messages]
        call.out.document(forms if len(ids) > 1 else forms[0])
        return
    for message in messages:
        call.out.line(f"{message.message_id}  acknowledged: {harmless(message.subject)}")


def _draft(
    call: Call,
    agent: str | None,
    to: str,
    *,
    subject: str | None,
    body: str | None,
    body_type: str,
    priority: str,
    requires_ack: bool,
    tags: tuple[str, ...],
) -> MessageDraft:
    """The message that the options of `message_options` describe."""
    if subject is None:
        raise UsageError("a message needs a subject", fix='--subject "..."')
    kind = SPOKEN_TYPES[body_type]
    text = text_given(call, body or "", pointer="/body")
    return MessageDraft(
        to_agent_id=to,
        from_agent_id=call.agent(agent, verb="mail send"),
        subject=subject,
        body=_json_in(text) if kind in (BodyType.JSON, BodyType.TASK) else text,
        body_type=kind,
        priority=priority_from(priority),
        requires_ack=requires_ack,
        tags=tags,
    )


def _json_in(text: str) -> Any:
    from dreamos_tasks.intake.json_text import UnreadableJson, parse

    try:
        return parse(text) if text else {}
    except UnreadableJson as error:
        raise InvalidInput(
            "the body is not JSON", pointer="/body", cause=error.message, fix=error.fix or "--type text"
        ) from error


def _draft_in(call: Call, file: str) -> MessageDraft:
    from dreamos_tasks.intake.json_text import read_json
    from dreamos_tasks.intake.message_forms import read_message

    return read_message(read_json(file_text(call, file, pointer="/body").encode("utf-8", "surrogatepass")))


def _box(call: Call, agent_id: str, *, unread: bool) -> Sequence[Message]:
    """The mailbox, once what was dropped is in it."""
    from dreamos_tasks.app.mail import take_in

    for rejected in take_in(call.nexus, call.home, agent_id):
        if isinstance(rejected, InvalidInput):
            call.out.hint(f"a file that was dropped is no message, and lies in rejected/: {harmless(rejected.message)}")
    return call.nexus.mail_of(agent_id, unread_only=unread)


def _mirror(call: Call, agent_id: str) -> None:
    from dreamos_tasks.app.mail import mirror

    mirror(call.nexus, call.home, agent_id)


def _show_box(call: Call, agent_id: str, messages: Sequence[Message], *, in_markdown: bool) -> None:
    out = call.out
    if out.as_json:
        out.document([message_to_json(message) for message in messages])
        return
    if in_markdown:
        out.text(harmless_block(as_markdown(list(messages), agent_id=agent_id)))
        return
    now = call.nexus.clock.now()
    rows = [
        (
            message.message_id,
            _state(message),
            harmless(message.from_agent_id),
            harmless(message.to_agent_id),
            ago(message.timestamp_created, now),
            harmless(message.subject),
        )
        for message in messages
    ]
    if not rows:
        out.note(f"there is no mail of {harmless(agent_id)}'s")
    out.table(
        ("MESSAGE", "STATE", "FROM", "TO", "SENT", "SUBJECT"), rows, colours={"new": "yellow", "to ack": "yellow"}
    )
    unread = sum(message.read_at is None for message in messages)
    if unread:
        out.note(f"{count(unread, 'message')} not read: dt mail read --all --agent {agent_id}")


def _state(message: Message) -> str:
    if message.acknowledged_at is not None:
        return "acknowledged"
    if message.read_at is None:
        return "new"
    return "to ack" if message.requires_ack else "read"


def _show(call: Call, message: Message) -> None:
    out = call.out
    out.line(out.painted(harmless(message.subject), "bold"))
    out.line(f"  from {harmless(message.from_agent_id)}, {ago(message.timestamp_created, call.nexus.clock.now())}")
    body = message.body if isinstance(message.body, str) else json.dumps(message.body, indent=2, ensure_ascii=False)
    if body:
        out.line("  " + harmless_block(body).replace("\n", "\n  "))
    if message.task_id:
        out.line(f"  it is the task {message.task_id}")
    if message.requires_ack and message.acknowledged_at is None:
        out.note(f"its sender asks for a word: dt mail ack {message.message_id} --agent {message.to_agent_id}")
