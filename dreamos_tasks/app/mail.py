"""Mail from every door: a message goes onto the board, with the task that it asks for, and into the mailbox's folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from dreamos_tasks.app.call_checks import call_check
from dreamos_tasks.app.tool_shop import tools_to_ask
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.config.home import Home
from dreamos_tasks.errors import BoardUnsafe, InvalidInput, NotFound, Refused
from dreamos_tasks.intake.draft_forms import Door
from dreamos_tasks.intake.drafts import read_drafts
from dreamos_tasks.intake.json_text import parse
from dreamos_tasks.intake.mailbox_folder import MailboxFolder
from dreamos_tasks.model.mail import BodyType, Message, MessageDraft, fresh_message_id
from dreamos_tasks.model.task import TaskDraft

KEY = "mail:{}:{}"  # the dedupe key of a task that a message asks for: of whom, by which message


def deliver(nexus: TaskNexus, draft: MessageDraft, *, home: Home) -> Message:
    """Send one message. One of type application/dreamos-task becomes a task in the same commit, assigned to its receiver.

    Raises InvalidInput kinds when its task is none, Refused, BoardUnavailable kinds; then nothing is sent.
    """
    message = send(nexus, draft, home=home)
    mirror(nexus, home, message.to_agent_id)
    return message


def send(nexus: TaskNexus, draft: MessageDraft, *, home: Home) -> Message:
    """As `deliver`, onto the board alone: for whoever must not wait for files."""
    if draft.body_type is not BodyType.TASK:
        return nexus.send_mail(draft)
    if not draft.message_id:
        draft = replace(draft, message_id=fresh_message_id())
    asked = _task_of(draft, home)
    with nexus.together():
        task = nexus.add_task(asked)
        return nexus.send_mail(draft, task_id=task.task_id)


def broadcast(nexus: TaskNexus, draft: MessageDraft, *, home: Home) -> Sequence[Message]:
    """Send the message to everybody who has a mailbox or is registered, but its sender. `to_agent_id` says nothing here.

    Raises NotFound when there is nobody.
    """
    others = [agent_id for agent_id in nexus.mailboxes() if agent_id != draft.from_agent_id]
    if not others:
        raise NotFound("there is nobody to send it to", fix="dt agents register NAME makes an agent known")
    together = fresh_message_id()
    metadata = {**draft.metadata, "broadcast_id": together}
    with nexus.together():  # to all or to none: whoever is refused may say it again
        messages = [
            send(nexus, replace(draft, to_agent_id=agent_id, message_id="", metadata=metadata), home=home)
            for agent_id in others
        ]
    for agent_id in others:
        mirror(nexus, home, agent_id)
    return messages


def slip_of(nexus: TaskNexus, to_agent_id: str) -> str:
    """What to say where nobody of this name is known and others have nearly the same; empty otherwise.

    To be asked before it is sent: whoever has mail is known.
    """
    known = {*nexus.mailboxes(), *(view.agent_id for view in nexus.agents())}
    if to_agent_id in known:
        return ""
    near = get_close_matches(to_agent_id, sorted(known), n=2)
    return f"nobody is known as {to_agent_id}; did you mean {' or '.join(near)}?" if near else ""


def mirror(nexus: TaskNexus, home: Home, agent_id: str) -> None:
    """Bring an agent's folder up to date with its mailbox.

    A folder that cannot be used undoes nothing: the board has the mail, and `take_in` and the daemon say what is wrong there.
    """
    folder = MailboxFolder(home.mailboxes, agent_id)
    with suppress(OSError, BoardUnsafe):
        folder.ensure()
        mirrored(nexus, folder)


def mirrored(nexus: TaskNexus, folder: MailboxFolder) -> Sequence[Message]:
    """Bring the folder up to date; gives the messages of its mailbox. Raises OSError when it cannot be used.

    Again, if others have written meanwhile: what they have put away as done would come back, by how the board stood before.
    """
    while True:
        mark, messages = nexus.store.change_mark(), nexus.mail_of(folder.agent_id)
        folder.mirror(messages)
        if nexus.store.change_mark() == mark or nexus.mail_of(folder.agent_id) == messages:
            return messages


def take_in(nexus: TaskNexus, home: Home, agent_id: str) -> Sequence[Message | InvalidInput]:
    """Take in what was dropped into an agent's folder, and bring the folder up to date; gives what became of each file.

    Raises OSError, BoardUnsafe when the folder cannot be used.
    """
    folder = MailboxFolder(home.mailboxes, agent_id)
    folder.ensure()
    there = _ids_of(nexus, agent_id)
    done: list[Message | InvalidInput] = []
    # What is sent meanwhile has a file too, and nobody dropped it: whatever is not known is asked for once more.
    for dropped in folder.dropped(known=lambda name: name in there or name in _ids_of(nexus, agent_id)):
        if isinstance(dropped.draft, InvalidInput):
            error = dropped.draft
        else:
            try:
                message = send(nexus, dropped.draft, home=home)
                folder.take(dropped, message)
                done.append(message)
                continue
            except (InvalidInput, Refused, NotFound) as refused:
                error = reason_of(refused)
        folder.reject(dropped, error)
        done.append(error)
    mirrored(nexus, folder)
    return done


def reason_of(error: InvalidInput | Refused | NotFound) -> InvalidInput:
    """Why a dropped file is no message, such as that the task it asks for is there already."""
    return error if isinstance(error, InvalidInput) else InvalidInput(error.message, cause=error.cause, fix=error.fix)


def _ids_of(nexus: TaskNexus, agent_id: str) -> frozenset[str]:
    return frozenset(message.message_id for message in nexus.mail_of(agent_id))


def _task_of(draft: MessageDraft, home: Home) -> TaskDraft:
    """The task that a message asks for. Raises InvalidInput kinds."""
    form: Any = parse(draft.body) if isinstance(draft.body, str) else draft.body
    if not isinstance(form, dict):
        raise InvalidInput(
            "the body of such a message is a task",
            pointer="/body",
            cause=f"it is {json.dumps(form)[:80]}",
            fix='"body": {"title": "..."}',
        )
    form = {
        "title": draft.subject,
        "priority": draft.priority.value,
        "dedupe_key": KEY.format(draft.to_agent_id, draft.message_id),
        **form,
    }
    door = Door(
        created_by=draft.from_agent_id, assigned_to=draft.to_agent_id, check_call=call_check(tools_to_ask(home))
    )
    (task,) = read_drafts(form, door).drafts
    return task
