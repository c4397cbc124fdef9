"""FolderWatch: a wake-up when something happens in a folder. A hint and nothing more; a slow rescan is the truth below it.

Measured on an idle daemon (2 cores, ext4), from the rename into the folder to the wake-up, and what waiting costs of a core:

    watchfiles step 1, debounce 10    p50 1.7 ms   p99 2.9 ms    1.6 %
    watchfiles step 1, debounce 50    p50 1.7 ms   p99 2.7 ms    1.8 %
    watchfiles step 2, debounce 10    p50 3.5 ms   p99 5.1 ms    1.1 %
    watchfiles step 5, debounce 10    p50 7.1 ms   p99 12.5 ms   0.6 %
    watchfiles step 10, debounce 50   p50 15 ms    p99 21 ms     0.5 %
    inotify in the event loop         p50 0.1 ms   p99 0.3 ms    0.0 %

watchfiles looks `step` times at what its own thread has collected, so it is either late or awake. Where Linux can tell us
itself, its descriptor waits in the event loop with everything else; watchfiles serves where it cannot: on network mounts
(which tell nobody what another machine wrote, so it polls), without a watch left, and on other systems.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from loguru import logger
from watchfiles import Change, awatch
from watchfiles._rust_notify import WatchfilesRustInternalError

from dreamos_tasks.config.mounts import NETWORK_FILE_SYSTEMS, mount_kind
from dreamos_tasks.intake.inotify import FINISHED, GONE, Inotify

STEP_MILLISECONDS = 5
DEBOUNCE_MILLISECONDS = 10
POLL_MILLISECONDS = 500  # where only looking helps: each look lists every watched folder
MOST_FINISHED = 10_000  # hints that are kept; beyond, a file waits until it is quiet
POLLING_VARIABLE = "WATCHFILES_FORCE_POLLING"


class FolderWatch(Protocol):
    """Sets `happened` when it may be worth looking."""

    @property
    def happened(self) -> asyncio.Event:
        """Set by the watch, cleared by whoever looks."""
        ...

    def follow(self, folders: Sequence[Path]) -> None:
        """Watch these folders, and no others. One that was deleted and made again is watched anew."""
        ...

    def finished(self) -> frozenset[Path]:
        """The files whose writers renamed or closed them since the last call, as far as it is known."""
        ...

    async def close(self) -> None:
        """May be called twice."""
        ...


def open_watch(inbox: Path, happened: asyncio.Event) -> FolderWatch:
    """The best watch there is for this place."""
    kind = mount_kind(inbox)
    if os.environ.get(POLLING_VARIABLE) or kind in NETWORK_FILE_SYSTEMS:
        return WatchfilesWatch(happened, polling=True)
    try:
        return InotifyWatch(happened)
    except OSError as error:
        logger.warning("inotify cannot be used ({}); watchfiles serves in its place", error.strerror or error)
        return WatchfilesWatch(happened, polling=False)


class InotifyWatch:
    """Hears from the kernel, in the event loop. Raises OSError when there is no inotify."""

    def __init__(self, happened: asyncio.Event) -> None:
        self.happened = happened
        self._inotify = Inotify()
        self._watches: dict[Path, int] = {}
        self._finished: set[Path] = set()
        self._told = False
        asyncio.get_running_loop().add_reader(self._inotify.fd, self._read)

    def follow(self, folders: Sequence[Path]) -> None:
        """See FolderWatch."""
        for folder in self._watches.keys() - set(folders):
            self._inotify.unwatch(self._watches.pop(folder))
        for folder in folders:
            self._watch(folder)

    def finished(self) -> frozenset[Path]:
        """See FolderWatch."""
        found, self._finished = frozenset(self._finished), set()
        return found

    async def close(self) -> None:
        """See FolderWatch."""
        if self._inotify.fd >= 0:
            asyncio.get_running_loop().remove_reader(self._inotify.fd)
        self._inotify.close()

    def _watch(self, folder: Path) -> None:
        """A folder that is watched already keeps its watch; one that was made again in its place gets a new one."""
        try:
            watch = self._inotify.watch(folder)
        except FileNotFoundError:
            return
        except OSError as error:
            if not self._told:
                logger.warning("{} cannot be watched ({}): what is dropped there is found late", folder, error.strerror)
            self._told = True
            return
        before = self._watches.get(folder)
        if watch != before:
            if before is not None:
                self._inotify.unwatch(before)
            self._watches[folder] = watch
            self.happened.set()  # what came in between the last look and the watch is seen by the next look

    def _read(self) -> None:
        for watch, path, mask in self._inotify.read():
            self.happened.set()
            if mask & GONE:
                self._watches = {folder: one for folder, one in self._watches.items() if one != watch}
                self._inotify.unwatch(watch)
            elif mask & FINISHED and path is not None and len(self._finished) < MOST_FINISHED:
                self._finished.add(path)


class WatchfilesWatch:
    """Hears from watchfiles, which polls where nobody tells."""

    def __init__(self, happened: asyncio.Event, *, polling: bool) -> None:
        self.happened = happened
        self._polling = polling
        self._following: tuple[tuple[Path, int], ...] = ()
        self._loops: list[asyncio.Task[None]] = []  # the last one listens, those before it are ending
        self._stop = asyncio.Event()

    def follow(self, folders: Sequence[Path]) -> None:
        """See FolderWatch."""
        following = tuple((folder, os.stat(folder).st_ino) for folder in folders if folder.is_dir())
        self._loops = [loop for loop in self._loops if not loop.done()]
        if following == self._following and self._loops:
            return
        self._stop.set()
        self._stop = asyncio.Event()
        self._following = following
        self._loops.append(asyncio.create_task(self._listen([folder for folder, _ in following], self._stop)))

    def finished(self) -> frozenset[Path]:
        """Not known here."""
        return frozenset()

    async def close(self) -> None:
        """See FolderWatch."""
        self._stop.set()
        loops, self._loops = self._loops, []
        for loop in loops:
            await loop

    async def _listen(self, folders: Sequence[Path], stop: asyncio.Event) -> None:
        try:
            async for _ in awatch(
                *folders,
                watch_filter=_is_news,
                step=STEP_MILLISECONDS,
                debounce=DEBOUNCE_MILLISECONDS,
                stop_event=stop,
                force_polling=self._polling,
                poll_delay_ms=POLL_MILLISECONDS,
                recursive=False,
                ignore_permission_denied=True,
            ):
                self.happened.set()
        except (OSError, WatchfilesRustInternalError) as error:
            logger.warning("the inbox cannot be watched ({}): what is dropped is found late", error)


def _is_news(change: Change, path: str) -> bool:
    return change is not Change.deleted and not os.path.basename(path).startswith(".")
