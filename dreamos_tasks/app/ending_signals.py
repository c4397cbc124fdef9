"""The signals that ask a program to end: Ctrl-C, TERM, and a terminal that was closed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def on_ending(act: Callable[..., object], *args: object) -> None:
    """Call it for each of them that comes while the running loop runs."""
    loop = asyncio.get_running_loop()
    for number in ENDING_SIGNALS:
        loop.add_signal_handler(number, act, *args)
