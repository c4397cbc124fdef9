"""The shelves of a JSON board as they stand in its file, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dreamos_tasks.model import agent, episode, gate, incident, mail
from dreamos_tasks.stores.json_text import encode_block, encode_line
from dreamos_tasks.stores.shelves import NOTHING_KEPT, Form, Shelves
from dreamos_tasks.stores.typed_form import Misfit

OLD_GATES = "gates"  # the key under which boards of before had their gates, when there was nothing else to keep
# What reads the forms of a shelf again, and fails on one that it has not written.
READERS: Mapping[str, Callable[[Any], object]] = {
    gate.SHELF: gate.state_from_json,
    agent.SHELF: agent.agent_from_form,
    mail.SHELF: mail.message_from_json,
    episode.SHELF: episode.episode_from_form,
    incident.SHELF: incident.incident_from_form,
    incident.PAST_SHELF: incident.incident_from_form,
}


def read_shelves(top: Mapping[str, Any]) -> Shelves:
    """The shelves of a file's top-level object. Raises Misfit."""
    shelves = NOTHING_KEPT
    if top.get(OLD_GATES) is not None:
        shelves = shelves.filled(_read_shelf(gate.SHELF, top[OLD_GATES], pointer=f"/{OLD_GATES}"))
    form = top.get("shelves")
    if form is None:
        return shelves
    if not isinstance(form, dict):
        raise _misfit("/shelves")
    for name, forms in form.items():
        shelves = shelves.filled(_read_shelf(name, forms, pointer=f"/shelves/{_token(name)}"))
    return shelves


class ShelfWriter:
    """Makes the text of the shelves. Keeps that of each shelf, so that saving costs what has changed."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Mapping[str, Form], str]] = {}

    def write(self, shelves: Shelves) -> str:
        """The value of the key `shelves`, in the order of names and keys."""
        self._kept = {name: (shelves.by_name[name], self._text(name, shelves)) for name in shelves.names()}
        lines = [f"  {encode_line(name)}: {text}" for name, (_, text) in self._kept.items()]
        return "{\n" + ",\n".join(lines) + "\n}" if lines else "{}"

    def _text(self, name: str, shelves: Shelves) -> str:
        forms = shelves.by_name[name]
        kept = self._kept.get(name)
        if kept is not None and kept[0] is forms:
            return kept[1]
        text = encode_block({key: forms[key] for key in sorted(forms)})
        return text.replace("\n", "\n  ")  # a line break inside a JSON text is always an escape


def _read_shelf(name: str, forms: Any, *, pointer: str) -> list[tuple[str, str, Form]]:
    if not isinstance(forms, dict):
        raise _misfit(pointer)
    reader = READERS.get(name)
    for key, form in forms.items():
        try:
            if not isinstance(form, dict):
                raise TypeError("this is no object")
            if reader is not None:
                reader(form)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise _misfit(f"{pointer}/{_token(key)}") from None
    return [(name, key, form) for key, form in forms.items()]


def _misfit(pointer: str) -> Misfit:
    return Misfit(
        "this is not what a board keeps beside its tasks",
        expected="what was written there by a command of ours",
        fix="put it back, or remove it: what it tells is forgotten, and nothing else",
        pointer=pointer,
    )


def _token(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
