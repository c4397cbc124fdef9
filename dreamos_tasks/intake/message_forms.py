"""A message as people and agents write it (JSON, message schema v1), made into a draft; or everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache, partial
from typing import Any

from pydantic import TypeAdapter

from dreamos_tasks.intake.findings import Findings
from dreamos_tasks.intake.problems import InvalidDrafts, nearest, pointer_to, shown
from dreamos_tasks.intake.typed import typed
from dreamos_tasks.model.mail import Message, MessageDraft

WRITTEN = tuple(f.name for f in fields(MessageDraft))
OF_THE_BOARD = tuple(f.name for f in fields(Message) if f.name not in WRITTEN)
EXAMPLE = '{"to_agent_id": "ada", "from_agent_id": "bob", "subject": "...", "body": "..."}'


def read_message(value: Any, *, to_agent_id: str | None = None) -> MessageDraft:
    """The message of a JSON value. `to_agent_id`: in whose mailbox it lies; it may name nobody else.

    Raises InvalidDrafts with everything that is wrong.
    """
    findings = Findings()
    draft = None
    if not isinstance(value, dict):
        findings.refuse_type("", value, expected="a message", fix=EXAMPLE)
    else:
        form = _known(value, findings)
        _check_receiver(form, to_agent_id, findings)
        draft = typed(adapter(), form, lambda loc: pointer_to(*loc), findings)
    if findings.problems or draft is None:
        raise InvalidDrafts(findings.problems)
    return draft


@cache
def adapter() -> TypeAdapter[MessageDraft]:
    """What checks messages, and knows their JSON Schema."""
    return TypeAdapter(MessageDraft)


def _known(value: Mapping[str, Any], findings: Findings) -> dict[str, Any]:
    form = {key: inner for key, inner in value.items() if key in WRITTEN and inner is not None}
    for key in value.keys() - set(WRITTEN) - set(OF_THE_BOARD):
        near = nearest(key, WRITTEN)
        findings.refuse(
            pointer_to(key),
            f"{shown(key)} is no field of a message",
            expected=f"one of {', '.join(WRITTEN)}",
            found=shown(key),
            nearest_field=near,
            fix=f"write {near}" if near else "put it into metadata",
        )
    return form


def _check_receiver(form: dict[str, Any], to_agent_id: str | None, findings: Findings) -> None:
    if to_agent_id is None:
        return
    refuse = partial(findings.refuse, "/to_agent_id", expected=shown(to_agent_id))
    if form.setdefault("to_agent_id", to_agent_id) != to_agent_id:
        refuse("it lies in another agent's mailbox", found=shown(form["to_agent_id"]), fix="move it to that mailbox")
