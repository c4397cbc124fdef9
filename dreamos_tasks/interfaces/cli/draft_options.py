"""What a task may ask for, as options of a verb, and the fields of a draft that they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from dreamos_tasks.errors import TaskNotFound, UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.interfaces.cli.options import FILLED, PRIORITY, Decorator, Seconds, instant_from, several
from dreamos_tasks.model.plan import Plan, steps_from_run
from dreamos_tasks.model.task import priority_from

FIELD_OPTIONS = {  # the fields of a draft, and the options that give them
    "description": "description",
    "priority": "priority",
    "tags": "tag",
    "depends_on": "depends_on",
    "parent_id": "parent",
    "assigned_to": "assign",
    "requires": "requires",
    "plan": "run",
    "verify": "verify",
    "not_before": "not_before",
    "due_at": "due",
    "timeout_seconds": "timeout",
    "dedupe_key": "dedupe_key",
}


class _Limit(Seconds):
    """A length of time that is one; where fields may be emptied, nothing stands for no limit."""

    def __init__(self, text: click.ParamType[Any]) -> None:
        self._may_be_empty = text is not FILLED

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click."""
        if value == "" and self._may_be_empty:
            return 0.0
        seconds = super().convert(value, param, ctx)
        if seconds == 0:
            raise UsageError(
                "--timeout 0 leaves an attempt no time", fix="--timeout 5m, or no limit of its own: leave it out"
            )
        return seconds


def draft_options(text: click.ParamType[Any]) -> Decorator:
    """What a task may ask for, as options; `text` is the kind of those that take words."""
    return several(
        (
            option("--description", "-d", metavar="TEXT", help="What is to be done, at length."),
            option("--priority", "-p", type=PRIORITY, help="critical, high, medium, low."),
            option("--tag", "-t", metavar="TAG", type=text, multiple=True, help="A word to find it by. +"),
            option("--depends-on", metavar="ID", type=text, multiple=True, help="Starts when this one is completed. +"),
            option("--parent", metavar="ID", type=text, help="It is a part of this task."),
            option("--assign", metavar="AGENT", type=text, help="Only this agent may take it."),
            option("--requires", metavar="NAME", type=text, multiple=True, help="What an agent must be able to do. +"),
            option("--run", metavar="LINE", type=text, multiple=True, help="A shell line that the daemon runs. +"),
            option(
                "--verify", metavar="LINE", type=text, multiple=True, help="A shell line that must pass at the end. +"
            ),
            option("--not-before", metavar="WHEN", type=text, help="Starts then: 2030-01-31T08:00Z, or +2h."),
            option("--due", metavar="WHEN", type=text, help="Taken earlier than others of its priority."),
            option(
                "--timeout", metavar="SECONDS", type=_Limit(text), help="How long an attempt of the daemon may take."
            ),
        )
    )


def fields_of(call: Call, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a draft that the options name; those not given are left out, and empty ones empty the field.

    Raises UsageError, AmbiguousTaskId.
    """
    fields: dict[str, Any] = {}
    for name, asked_as in FIELD_OPTIONS.items():
        given = asked.get(asked_as)
        if given is None or given == ():
            continue
        if isinstance(given, tuple):
            given = tuple(word for word in given if word)
        fields[name] = _field(call, name, given)
    return fields


def _field(call: Call, name: str, given: Any) -> Any:
    """What an option means for its field."""
    match name:
        case "description":
            return given
        case "priority":
            return priority_from(given)
        case "plan":
            return Plan(steps=steps_from_run(given)) if given else None
        case "verify":
            return steps_from_run(given, called="verify")
        case "depends_on":
            return tuple(_full_id(call, word) for word in given)
        case "parent_id":
            return _full_id(call, given) if given else None
        case "not_before" | "due_at":
            option = f"--{FIELD_OPTIONS[name].replace('_', '-')}"
            return instant_from(given, option=option, now=call.nexus.clock.now()) if given else None
        case _:
            return given or (() if isinstance(given, tuple) else None)


def _full_id(call: Call, word: str) -> str:
    """The id that a prefix means. One that fits nothing is left as it is: the board says so, and where."""
    try:
        return call.nexus.get_task_by_id(word).task_id
    except TaskNotFound:
        return word
