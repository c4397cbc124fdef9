"""Guard: looks at a run while it goes on, so that it is known what it uses, and speaks up when it breaks a limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from dreamos_tasks.model.limits import Limits
from dreamos_tasks.tools.breach import Breach, breach_of
from dreamos_tasks.tools.hurry import before_all_others
from dreamos_tasks.tools.metering import Reading, Tally

FIRST_LOOK_SECONDS = 0.1  # most commands are over by then, and cost no look
LOOK_SECONDS = 0.2  # what grows without bounds must not get far
SLOW_LOOK_SECONDS = 1.0  # without limits: for the peaks only
HURRIED_LOOK_SECONDS = 0.02  # while more and more processes are there
SUDDEN_PROCESSES = 50  # so many more since the last look are a cause for hurry
REST_FACTOR = (
    10  # a large tree that takes long to look at is looked at less often: at most a tenth of the time goes into it
)


class Guard:
    """Of one run. `read` looks; `on_breach` is called once, at the first limit that is not kept."""

    def __init__(self, read: Callable[[], Reading], limits: Limits, *, on_breach: Callable[[Breach], None]) -> None:
        self.breach: Breach | None = None
        self.tally = Tally()
        self._read = read
        self._limits = limits
        self._on_breach = on_breach
        self._pause = LOOK_SECONDS if limits.need_watching else SLOW_LOOK_SECONDS
        self._processes = 1
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(min(FIRST_LOOK_SECONDS, self._pause), self._look)

    def stop(self) -> None:
        """Look no more. May be called twice."""
        self._timer.cancel()

    def _look(self) -> None:
        began = time.monotonic()
        with before_all_others():
            reading = self._read()
        self.tally.add(reading)
        self.breach = breach_of(self._limits, reading)
        if self.breach is not None:
            self._on_breach(self.breach)
            return
        rest = REST_FACTOR * (time.monotonic() - began)
        is_sudden = reading.processes > self._processes + SUDDEN_PROCESSES
        self._processes = reading.processes
        self._timer = self._loop.call_later(HURRIED_LOOK_SECONDS if is_sudden else max(self._pause, rest), self._look)
