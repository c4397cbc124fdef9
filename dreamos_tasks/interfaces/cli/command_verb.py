"""CommandVerb: a verb behind which a command may stand: `dt VERB [OPTIONS] -- COMMAND ...`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from dreamos_tasks.interfaces.cli.verb import Verb

COMMAND_KEY = "dreamos_tasks.command"  # what stood behind `--`, in click's own store


class CommandVerb(Verb):
    """Keeps what stands behind `--` apart: it is a command, and no argument of ours."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click."""
        if "--" in args:
            behind = args.index("--")
            ctx.meta[COMMAND_KEY] = args[behind + 1 :]
            args = args[:behind]
        return super().parse_args(ctx, args)


def command_behind(ctx: click.Context) -> Sequence[str] | None:
    """What stood behind `--`; None when there was none."""
    return ctx.meta.get(COMMAND_KEY)
