"""Option: a click option with a line of help.

click takes the indentation out of every help text, with `inspect`, which takes longer to import than a verb takes to run.
A line has none.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import click


class Option(click.Option):
    """See click.Option."""

    def __init__(self, *args: Any, help: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.help = help or None


option = partial(click.option, cls=Option)
