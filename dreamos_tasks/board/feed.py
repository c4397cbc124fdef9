"""EventFeed: events after a seq, and waiting for more. A wake-up carries no event, so a lost one costs a moment only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.model.event import Event

POLL_SECONDS = 0.1  # asking for the change mark is a read of shared memory: ten a second cost nothing to speak of


class EventFeed:
    """Follows the board from any process, with or without a daemon."""

    def __init__(self, nexus: TaskNexus, *, after: int = 0, task_id: str | None = None) -> None:
        self._nexus = nexus
        self._task_id = task_id
        self.seq = after

    def ready(self) -> Iterator[Event]:
        """The events there are after `seq`, oldest first; `seq` moves along."""
        while batch := self._nexus.events(after=self.seq, task_id=self._task_id):
            for event in batch:
                self.seq = event.seq
                yield event

    def follow(
        self, *, until: Callable[[], bool] = lambda: False, sleep: Callable[[float], None] = time.sleep
    ) -> Iterator[Event]:
        """The events there are, then those to come, until told to stop. Looks only when another process has written."""
        mark = None
        while not until():
            now_mark = self._nexus.store.change_mark()
            if now_mark != mark:
                mark = now_mark
                yield from self.ready()
            else:
                sleep(POLL_SECONDS)
