"""Watching: what a verb shows, kept up to date on a screen of its own until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable

from dreamos_tasks.board.feed import POLL_SECONDS
from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.call import Call

REDRAW_SECONDS = 1.0  # ages go on when nothing happens
OTHER_SCREEN = "\x1b[?1049h"  # what was on the terminal comes back when it is left
FIRST_SCREEN = "\x1b[?1049l"
CLEAR = "\x1b[H\x1b[J"


def watch(call: Call, draw: Callable[[], None]) -> None:
    """Draw, and draw again when the board has changed or a second has passed. Raises UsageError without a terminal."""
    out = call.out
    if out.as_json or not out.stdout_is_terminal:
        raise UsageError(
            "--watch needs a terminal",
            cause="it draws the screen anew",
            fix="dt events --follow --jsonl tells programs",
        )
    out.text(OTHER_SCREEN)
    try:
        while True:
            mark = call.nexus.store.change_mark()
            out.text(CLEAR)
            draw()
            out.flush()
            redraw_at = time.monotonic() + REDRAW_SECONDS
            while call.nexus.store.change_mark() == mark and time.monotonic() < redraw_at:
                time.sleep(POLL_SECONDS)
    finally:
        out.text(FIRST_SCREEN)
