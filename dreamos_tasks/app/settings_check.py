"""What only stores, tools and the table of patterns can say of the settings: whether names are known, and options fit."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from dreamos_tasks.app.boards import cannot_open
from dreamos_tasks.app.tool_shop import build_tools, children_of
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.errors import ConfigError, ToolNotFound
from dreamos_tasks.model.risk import DESTRUCTIVE


def check_names(home: Home, settings: Settings) -> None:
    """Refuse what names a store, a tool, an option or a pattern that is not there, all of it at once. Raises ConfigError."""
    slips = [*_store_slips(settings), *_tool_slips(home, settings), *_pattern_slips(settings)]
    if slips:
        raise ConfigError(
            "; ".join(slip.message for slip in slips), cause=slips[0].cause, fix="; ".join(slip.fix for slip in slips)
        )


def _store_slips(settings: Settings) -> Iterator[ConfigError]:
    if settings.board.store == "postgres":
        yield cannot_open(settings.board.store)


def _tool_slips(home: Home, settings: Settings) -> Iterator[ConfigError]:
    tools = build_tools(children_of(home, instance=""), home=home, settings=settings)
    for name in settings.tools:
        try:
            tools.get(name)
        except ToolNotFound as error:
            near = (
                f"write tools.{error.nearest[0]}" if error.nearest else "correct it, or install the package that has it"
            )
            yield ConfigError(f"tools.{name}: {error.message}", fix=near)
        except ConfigError as error:
            yield error


def _pattern_slips(settings: Settings) -> Iterator[ConfigError]:
    known = [pattern.name for pattern in DESTRUCTIVE]
    for name in settings.approvals.without:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            yield ConfigError(
                f"approvals.without: there is no pattern {name!r}{hint}",
                fix=f"write {near[0]}" if near else f"they are {', '.join(known)}",
            )
