"""Options and arguments that several verbs share, and the kinds of values they take."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from dreamos_tasks.errors import DreamosError, UsageError
from dreamos_tasks.interfaces.cli.option import option
from dreamos_tasks.model.json_form import instant_from_text
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.task import PRIORITY_WORDS, Priority, Status

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

MOST_COMPLETIONS = 200
UNIT_SECONDS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST_SECONDS = 31_536_000.0  # a year; longer is a slip of the hand
DERIVED_STATES = ("ready", "blocked", "scheduled")
STATES = (*(status.value for status in Status), *DERIVED_STATES)
_DURATION = r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)?"
_LONG_FRACTION = r"(\.\d{6})\d+"

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class OneOf(click.ParamType[str]):
    """One of a few words, in any case and with `-` for `_`; a slip gets the nearest one named."""

    name = "word"

    def __init__(self, what: str, words: Iterable[str], *, shown: Iterable[str] | None = None) -> None:
        self.what = what
        self.words = tuple(words)
        self.shown = tuple(shown or self.words)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        word = str(value).strip().lower().replace("-", "_")
        if word in self.words:
            return word
        from difflib import get_close_matches

        near = get_close_matches(word, self.words, n=2)
        raise UsageError(
            f"{value!r} is no {self.what}",
            cause=f"a {self.what} is one of: {', '.join(self.shown)}",
            fix=f"did you mean {' or '.join(near)}?" if near else "",
        )

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """See click."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self.words if word.startswith(incomplete.lower())]

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """See click."""
        return param.human_readable_name.upper()


class Seconds(click.ParamType[float]):
    """A length of time: `90`, `90s`, `5m`, `2h`, `3d`."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """See click."""
        if isinstance(value, float):
            return value
        seconds = seconds_from(str(value))
        if seconds is None or seconds > LONGEST_SECONDS:
            self.fail(f"{value!r} is no length of time: 90 or 90s, 5m, 2h, 3d", param, ctx)
        return seconds


class TaskIds(click.ParamType[str]):
    """The id of a task, or the beginning of one; the shell completes it with the tasks that there are."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        return FILLED.convert(value, param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """See click. The newest come first, each with its title."""
        from click.shell_completion import CompletionItem

        from dreamos_tasks.interfaces.cli.call import Call
        from dreamos_tasks.interfaces.cli.text import harmless
        from dreamos_tasks.model.query import Order, TaskQuery

        query = TaskQuery(id_prefix=incomplete or None, order=Order.NEWEST, limit=MOST_COMPLETIONS)
        try:
            tasks = ctx.ensure_object(Call).nexus.find_tasks(query)
        except DreamosError:
            return []  # a board that cannot be read must not disturb the line that is being typed
        return [CompletionItem(task.task_id, help=harmless(task.title)) for task in tasks]


class Filled(click.ParamType[str]):
    """Text that is not empty. An empty `--tag ""` would quietly mean "all", so it is refused."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See click."""
        words = str(value)
        if not words.strip():
            name = max(param.opts, key=len) if param is not None else "the value"
            raise UsageError(
                f"{name} is empty",
                cause="an empty value is a mistake more often than it is meant, such as an unset variable",
                fix=f"leave {name} out, or give it a value",
            )
        return words


FILLED = Filled()
TASK_ID = TaskIds()
SECONDS = Seconds()
PRIORITY = OneOf("priority", PRIORITY_WORDS, shown=(*Priority, "0-3", "urgent", "normal"))
STATE = OneOf("status", STATES)
CATEGORY = OneOf("category", ErrorCategory)


def seconds_from(words: str) -> float | None:
    """The seconds meant by `90`, `90s`, `5m`, `2h` or `3d`; None for anything else."""
    found = re.fullmatch(_DURATION, words.strip().lower())
    return float(found[1]) * UNIT_SECONDS[found[2] or ""] if found else None


def instant_from(words: str, *, option: str, now: datetime) -> datetime:
    """The instant meant: RFC 3339, a date with or without a time (in local time), or from now on: `+30m`, `+2h`, `+3d`.

    Raises UsageError.
    """
    ahead = seconds_from(words[1:]) if words.startswith("+") else None
    if ahead is not None:
        return now + timedelta(seconds=ahead)
    cleaned = re.sub(_LONG_FRACTION, r"\1", words.strip()).replace("+00:00Z", "Z")
    try:
        return instant_from_text(cleaned)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option}: {words!r} is no point in time",
            cause="it is written as 2030-01-31T08:00:00Z, or 2030-01-31 08:00 in local time, or +2h from now on",
            fix=f"{option} +2h",
        ) from None


def agent_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--agent`, handed over as `agent` as it was given; see Call.agent."""
    return option("--agent", metavar="NAME", type=FILLED, help="Who you are. [env: DREAMOS_TASKS_AGENT]")(function)


def token_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--token`, the fence of one claim."""
    return option(
        "--token",
        metavar="N",
        type=click.IntRange(min=1),
        help="The claim's token: a write under an older one is refused.",
    )(function)


def reason_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--reason`, kept in the task's history."""
    return option("--reason", metavar="TEXT", default="", help="Why; kept in the task's history.")(function)


def by_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--by`, who says something of an agent or an incident; see Call.actor."""
    return option("--by", metavar="NAME", type=FILLED, help="Who says so. [default: DREAMOS_TASKS_AGENT, or cli]")(
        function
    )


def tag_option(help_text: str) -> Decorator:
    """`--tag`, which may be given several times; handed over as `tags`."""
    return option("--tag", "-t", "tags", metavar="TAG", type=FILLED, multiple=True, help=help_text)


def category_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--category` of errors, handed over as `category`."""
    return option(
        "--category", "-c", type=CATEGORY, help="Whose error is of this category: transient, configuration, ..."
    )(function)


def ids_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """One id or several; handed over as `ids`, see `ids.task_ids`."""
    return click.argument("ids", metavar="ID...", nargs=-1, required=True, type=TASK_ID)(function)


def id_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """One id; handed over as `task_id`."""
    return click.argument("task_id", metavar="ID", type=TASK_ID)(function)


def watch_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--watch`, handed over as `watches`; see `watching.watch`."""
    return option("--watch", "-w", "watches", is_flag=True, help="Keep it on the screen, as it is now; Ctrl-C ends.")(
        function
    )


def several(options: Sequence[Decorator]) -> Decorator:
    """A decorator that puts all of these on a function, in their order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(options):
            function = decorator(function)
        return function

    return decorate
