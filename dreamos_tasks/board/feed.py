"""EventFeed: events after a seq, and waiting for more. A wake-up carries no event, so a lost one costs a moment only."""

from __future__ import annotations

from collections.abc import Iterator

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.watch import BoardWatch
from dreamos_tasks.model.event import Event


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

    def follow(self, watch: BoardWatch) -> Iterator[Event]:
        """The events there are, then those to come. Looks only when another process has written."""
        while True:
            mark = watch.mark()
            yield from self.ready()
            watch.wait(mark)
