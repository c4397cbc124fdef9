"""LazyGroup: the root command. A verb's module is imported when the verb is used; help needs none of them."""

from __future__ import annotations

from importlib import import_module

import click

from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.verb import HelpOption
from dreamos_tasks.interfaces.cli.verb_table import ALIASES, THEMES, VERBS

PACKAGE = "dreamos_tasks.interfaces.cli"

SHORT_HELP = """\
dreamos-tasks: one task board that people and AI agents share.

  dt add "Fix the parser" --priority high     put a task on the board
  dt next --agent ada                         claim the next one, as the agent ada

dt --help lists all verbs; dt VERB --help explains one."""


class LazyGroup(click.Group):
    """Finds verbs in the verb table."""

    _help = HelpOption()

    def get_help_option(self, ctx: click.Context) -> click.Option:
        """See click."""
        return self._help

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, for completion."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb, or the one this is an alias of; None when there is none. Raises UsageError when its part is missing."""
        verb = ALIASES.get(cmd_name, cmd_name)
        place = VERBS.get(verb)
        if place is None:
            return None
        module_name, _, attribute = place[0].partition(":")
        module_path = f"{PACKAGE}.{module_name}"
        try:
            command = getattr(import_module(module_path), attribute)
        except ModuleNotFoundError as error:
            if error.name != module_path:
                raise
            raise _not_installed(verb) from None
        except AttributeError:
            raise _not_installed(verb) from None
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """See click. Names the nearest verbs when there is none of this name."""
        command = self.get_command(ctx, args[0])
        if command is None and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=[*VERBS, *ALIASES], ctx=ctx)
        return ALIASES.get(args[0], args[0]), command, args[1:]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """All verbs by theme, without importing any."""
        formatter.write("dreamos-tasks: one task board that people and AI agents share. `dt` is short for it.\n\n")
        formatter.write(f"Usage: {ctx.command_path} [OPTIONS] VERB [ARGUMENTS]\n")
        for theme, verbs in THEMES.items():
            with formatter.section(theme):
                formatter.write_dl([(verb, summary) for verb, (_, summary) in verbs.items()], col_max=14)
        self.format_options(ctx, formatter)
        with formatter.section("Other words for the same"):
            formatter.write_text(", ".join(f"{alias} = {verb}" for alias, verb in ALIASES.items()))
        with formatter.section("Examples"):
            formatter.write('  dt add "Fix the parser" --priority high --tag core --run "make test"\n')
            formatter.write("  dt next --agent ada --json\n")
            formatter.write("  dt complete dt-7k2m --agent ada --result '{\"files\": 3}' --next\n")
        formatter.write(
            "\ndt VERB --help explains a verb; dt help lists topics (exit-codes, environment, inbox, config).\n"
        )

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Nothing: the verbs stand under their themes already."""


def _not_installed(verb: str) -> UsageError:
    return UsageError(
        f"this installation has no {verb!r}",
        cause="the part of dreamos-tasks that holds it is not there",
        fix="uv tool install --reinstall dreamos-tasks (or pip install --force-reinstall dreamos-tasks)",
    )
