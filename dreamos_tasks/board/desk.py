"""BoardDesk: the daemon's one thread at the board. What queues up while a commit is under way shares the next one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import BoardUnavailable, DreamosError
from dreamos_tasks.model.event import Event

Result = TypeVar("Result")
MOST_EVENTS = 500  # handed over after one commit; whoever wants more reads on
LARGEST_GROUP = 64  # calls in one commit: bounds how long the first of them waits


@dataclass(slots=True)
class _Call:
    act: Callable[[TaskNexus], Any]
    writes: bool
    future: asyncio.Future[Any]
    result: Any = None
    error: BaseException | None = None


class BoardDesk:
    """The way from asyncio to the board: `await desk.write(lambda nexus: nexus.add_task(draft))`.

    A call should be one verb of TaskNexus, or verbs of which each may stand alone: a refusal takes back the verb, not the
    verbs before it in the same call. A call is made once more, alone, when another one broke off the commit that both were
    to share; so it must do nothing but ask the nexus. `on_commit` is called in the loop after each commit that left an
    event, and after no other: whoever it wakes may write in turn, and find nothing to do. It is given the events since its
    last call, others' among them, oldest first; of very many the first MOST_EVENTS.
    """

    def __init__(
        self,
        open_nexus: Callable[[], TaskNexus],
        *,
        on_commit: Callable[[Sequence[Event]], None] = lambda _events: None,
    ) -> None:
        self._open_nexus = open_nexus
        self._on_commit = on_commit
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._seq = 0

    async def start(self) -> None:
        """Open the board in the desk's thread. Raises what opening raises."""
        self._loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, args=(opened,), name="board-desk", daemon=True)
        self._thread.start()
        await opened

    async def stop(self) -> None:
        """Finish what is queued and close the board. May be called twice."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._calls.put(None)
            await asyncio.to_thread(thread.join)

    async def write(self, act: Callable[[TaskNexus], Result]) -> Result:
        """Run a call that writes; it has been committed when this returns. Raises what the call or the commit raises."""
        return await self._ask(act, writes=True)

    async def read(self, act: Callable[[TaskNexus], Result]) -> Result:
        """Run a call that only reads."""
        return await self._ask(act, writes=False)

    async def _ask(self, act: Callable[[TaskNexus], Result], *, writes: bool) -> Result:
        if self._thread is None or self._loop is None:
            raise RuntimeError("the desk is not open")
        future: asyncio.Future[Result] = self._loop.create_future()
        self._calls.put(_Call(act, writes, future))
        return await future

    def _work(self, opened: asyncio.Future[None]) -> None:
        assert self._loop is not None
        try:
            nexus = self._open_nexus()
            self._seq = nexus.store.last_seq()
        except BaseException as error:  # noqa: BLE001  carried to whoever waits for the desk
            self._loop.call_soon_threadsafe(_fail, opened, error)
            return
        self._loop.call_soon_threadsafe(_succeed, opened, None)
        try:
            while (group := self._next_group()) is not None:
                reads = list(takewhile(lambda call: not call.writes, group))
                if reads:
                    self._serve(nexus, reads)  # who only looks does not wait for the commit of those behind
                if len(group) > len(reads):
                    self._serve(nexus, group[len(reads) :])
        finally:
            nexus.close()

    def _next_group(self) -> list[_Call] | None:
        """All calls that wait now, in their order; None when the desk is to close."""
        first = self._calls.get()
        if first is None:
            return None
        group = [first]
        while len(group) < LARGEST_GROUP:
            try:
                call = self._calls.get_nowait()
            except Empty:
                break
            if call is None:
                self._calls.put(None)
                break
            group.append(call)
        return group

    def _serve(self, nexus: TaskNexus, group: list[_Call]) -> None:
        assert self._loop is not None
        writing = [call for call in group if call.writes]
        if writing and not _share_commit(nexus, writing):
            for call in writing:
                _share_commit(nexus, [call])
        events = self._new_events(nexus) if writing else ()
        for call in group:
            if not call.writes:
                _run(call, nexus)
        self._loop.call_soon_threadsafe(self._answer, group, events)

    def _new_events(self, nexus: TaskNexus) -> Sequence[Event]:
        """The events that were not there after the group before: ours, or others' that came between."""
        try:
            events = nexus.events(after=self._seq, limit=MOST_EVENTS)
            if events:
                self._seq = events[-1].seq if len(events) < MOST_EVENTS else nexus.store.last_seq()
        except BoardUnavailable:
            return ()
        return events

    def _answer(self, group: list[_Call], events: Sequence[Event]) -> None:
        for call in group:
            if call.error is not None:
                _fail(call.future, call.error)
            else:
                _succeed(call.future, call.result)
        if events:
            self._on_commit(events)


def _share_commit(nexus: TaskNexus, calls: list[_Call]) -> bool:
    """Run the calls in one commit. False when one of several broke off midway: then none of them has happened.

    A call that is refused has written nothing. One that breaks off otherwise (the disk is full, a fault of ours) may have
    written half, and SQLite may have ended the transaction: nothing must be written after it.
    """
    reached_commit = False
    try:
        with nexus.together():
            for call in calls:
                _run_or_break_off(call, nexus)
            reached_commit = True
    except Exception as error:  # noqa: BLE001  carried to whoever asked
        if len(calls) > 1 and not reached_commit:
            return False
        # After a failed commit nobody knows what is on the disk: it is told, and never tried again as if nothing had been.
        for call in calls:
            call.error = error
    return True


def _run_or_break_off(call: _Call, nexus: TaskNexus) -> None:
    call.error = None
    try:
        call.result = call.act(nexus)
    except BoardUnavailable:
        raise
    except DreamosError as error:
        call.error = error


def _run(call: _Call, nexus: TaskNexus) -> None:
    try:
        call.result = call.act(nexus)
    except Exception as error:  # noqa: BLE001  carried to whoever asked
        call.error = error


def _succeed(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error)
