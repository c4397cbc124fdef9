"""Verb: a click command with examples in its help, and the global options after it as well as before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.option import Option
from dreamos_tasks.interfaces.cli.output import COLOUR_CHOICES

Function = TypeVar("Function", bound=Callable[..., Any])


class HelpOption(Option):
    """`--help`. (click's own looks for translations first, which takes as long as it takes to claim a task.)"""

    def __init__(self) -> None:
        super().__init__(
            ["--help"], is_flag=True, is_eager=True, expose_value=False, callback=_help, help="Show this and exit."
        )


class Verb(click.Command):
    """One verb. Its help is: usage, what it does, options, global options, examples."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.own_params = tuple(self.params)
        self.params.extend(global_options())
        self._help = HelpOption()

    def get_help_option(self, ctx: click.Context) -> click.Option:
        """See click."""
        return self._help

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click, which does not always say of which verb it complains."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verb's own options, and apart from them those that every verb has."""
        own = [*self.own_params, self._help]
        every = [param for param in self.params if param not in self.own_params]
        for title, params in (("Options", own), ("Global options", every)):
            records = [record for param in params if (record := param.get_help_record(ctx)) is not None]
            options = [record for record in records if record[0].startswith("-")]
            if options:
                with formatter.section(title):
                    formatter.write_dl(options)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples, as they are to be typed."""
        if self.examples:
            formatter.write("\nEXAMPLES:\n" + "".join(f"  {example}\n" for example in self.examples))


def verb(name: str, *, examples: Sequence[str]) -> Callable[[Callable[..., Any]], Verb]:
    """Decorator: the function is the verb `name`. It is handed the Call, then its parameters by name."""

    def decorate(function: Callable[..., Any]) -> Verb:
        return click.command(name, cls=Verb, examples=examples)(click.pass_obj(function))

    return decorate


def global_options() -> list[click.Option]:
    """Options legal before and after the verb; each writes what it is given into the Call."""
    return [
        Option(
            ["--json"], is_flag=True, expose_value=False, callback=_json, help="One JSON document; errors as JSON too."
        ),
        Option(["--home"], metavar="DIR", expose_value=False, callback=_home, help="The folder of the board to use."),
        Option(
            ["--color"],
            type=click.Choice(COLOUR_CHOICES),
            expose_value=False,
            callback=_colour,
            help="When to use colours (auto: on a terminal).",
        ),
        Option(["--debug"], is_flag=True, expose_value=False, callback=_debug, help="Show the traceback of an error."),
    ]


def _help(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    if given and not ctx.resilient_parsing:
        _call(ctx).out.line(ctx.get_help())
        ctx.exit()


def _json(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    call = _call(ctx)
    call.out.as_json = call.out.as_json or given


def _home(ctx: click.Context, _: click.Parameter, given: str | None) -> None:
    if given is not None:
        _call(ctx).home_option = given


def _colour(ctx: click.Context, _: click.Parameter, given: str | None) -> None:
    if given is not None:
        _call(ctx).out.colour = given


def _debug(ctx: click.Context, _: click.Parameter, given: bool) -> None:
    call = _call(ctx)
    call.debug = call.debug or given


def _call(ctx: click.Context) -> Call:
    return ctx.ensure_object(Call)
