"""BoardDesk: the daemon's one thread at the board. What queues up while a commit is under way shares the next one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from dreamos_tasks.board.nexus import TaskNexus

Result = TypeVar("Result")
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
    verbs before it in the same call. `on_commit` is called in the loop after each commit of this desk.
    """

    def __init__(self, open_nexus: Callable[[], TaskNexus], *, on_commit: Callable[[], None] = lambda: None) -> None:
        self._open_nexus = open_nexus
        self._on_commit = on_commit
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

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
        except BaseException as error:  # noqa: BLE001  carried to whoever waits for the desk
            self._loop.call_soon_threadsafe(_fail, opened, error)
            return
        self._loop.call_soon_threadsafe(_succeed, opened, None)
        try:
            while (group := self._next_group()) is not None:
                self._serve(nexus, group)
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
        try:
            if writing:
                with nexus.together():
                    for call in writing:
                        _run(call, nexus)
        except Exception as error:  # noqa: BLE001  the commit failed: nobody's write happened
            for call in writing:
                call.error = error
        for call in group:
            if not call.writes:
                _run(call, nexus)
        self._loop.call_soon_threadsafe(self._answer, group)

    def _answer(self, group: list[_Call]) -> None:
        for call in group:
            if call.error is not None:
                _fail(call.future, call.error)
            else:
                _succeed(call.future, call.result)
        if any(call.writes for call in group):
            self._on_commit()


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
