"""Watching: what a verb shows, kept up to date on a screen of its own until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable

from dreamos_tasks.board.watch import BoardWatch
from dreamos_tasks.errors import UsageError
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.waiting import watch_of

REDRAW_SECONDS = 1.0  # what is left goes down, and ages go up, when nothing happens
CALM_SECONDS = 0.1  # a screen that is drawn more often cannot be read
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
    with watch_of(call) as board:
        out.text(OTHER_SCREEN)
        try:
            while True:
                mark, drawn_at = board.mark(), time.monotonic()
                out.text(CLEAR)
                draw()
                out.flush()
                wait_to_redraw(board, mark, drawn_at=drawn_at)
        finally:
            out.text(FIRST_SCREEN)


def wait_to_redraw(board: BoardWatch, mark: int, *, drawn_at: float) -> None:
    """Until the board is another than at the mark, or what was drawn at this instant of the monotonic clock has aged."""
    board.wait(mark, until=drawn_at + REDRAW_SECONDS)
    time.sleep(max(0.0, drawn_at + CALM_SECONDS - time.monotonic()))
