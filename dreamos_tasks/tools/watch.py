"""Watch: many file descriptors behind one that the loop watches: to add one to asyncio's own takes ten times as long."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from weakref import WeakKeyDictionary


class Watch:
    """Calls what belongs to a file descriptor for as long as there is something to read, or nobody who could write."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._calls: dict[int, Callable[[], object]] = {}
        self._epoll = select.epoll()
        loop.add_reader(self._epoll.fileno(), self._look)

    def add(self, handle: int, call: Callable[[], object]) -> None:
        """Begin. Raises OSError when the kernel has no room for it."""
        self._epoll.register(handle, select.EPOLLIN)
        self._calls[handle] = call

    def remove(self, handle: int) -> None:
        """End it, before the file descriptor is closed. One that is not watched is left alone."""
        if self._calls.pop(handle, None) is not None:
            self._epoll.unregister(handle)

    def _look(self) -> None:
        for handle, _ in self._epoll.poll(0):
            call = self._calls.get(handle)  # another call may have removed it
            if call is not None:
                call()


_watches: WeakKeyDictionary[asyncio.AbstractEventLoop, Watch] = WeakKeyDictionary()


def watch_of(loop: asyncio.AbstractEventLoop) -> Watch:
    """The one watch of a loop."""
    watch = _watches.get(loop)
    if watch is None:
        watch = _watches[loop] = Watch(loop)
    return watch
