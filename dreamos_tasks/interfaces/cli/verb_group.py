"""VerbGroup: a verb that has verbs of its own, such as `dt config show`. Helps as every verb does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.verb import Verb


class VerbGroup(Verb, click.Group):
    """One verb with verbs below it. Called without one, it does what its function says."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs below, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)

    def below(self, name: str, *, examples: Sequence[str]) -> Callable[[Callable[..., Any]], Verb]:
        """Decorator: the function is the verb `name` below this one."""

        def decorate(function: Callable[..., Any]) -> Verb:
            command = click.command(name, cls=Verb, examples=examples)(click.pass_obj(function))
            self.add_command(command)
            return command

        return decorate


def verb_group(name: str, *, examples: Sequence[str]) -> Callable[[Callable[[Call], None]], VerbGroup]:
    """Decorator: the function is the verb `name`, which has others below it, and is called when none of them is."""

    def decorate(function: Callable[[Call], None]) -> VerbGroup:
        def alone(ctx: click.Context) -> None:
            if ctx.invoked_subcommand is None:
                function(ctx.obj)

        alone.__doc__ = function.__doc__
        command = click.command(name, cls=VerbGroup, examples=examples, invoke_without_command=True)(
            click.pass_context(alone)
        )
        assert isinstance(command, VerbGroup)
        return command

    return decorate


def show_help(call: Call) -> None:
    """What a group without a meaning of its own does when it is called alone."""
    call.out.line(click.get_current_context().get_help())
