"""LogWatch: raises an alarm when the board's write-ahead log grows because somebody keeps reading an old state of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from loguru import logger

from dreamos_tasks.background import Background
from dreamos_tasks.errors import BoardUnavailable
from dreamos_tasks.stores.write_ahead_log import Reader, WriteAheadLog

LOOK_SECONDS = 2.0  # between looks at its size
LOOKS_IN_VAIN = 2  # after which it is an alarm: once, somebody may just have been reading, and been slow about it
MIB = 1024 * 1024


class LogWatch:
    """Looks at the size; past the limit, has the log emptied, and says who stands in the way.

    `trouble` is "" when all is well.
    """

    def __init__(self, board: Path, *, limit_bytes: int, look_seconds: float = LOOK_SECONDS) -> None:
        self._log = WriteAheadLog(board)
        self._limit_bytes = limit_bytes
        self._look_seconds = look_seconds
        self._background = Background(self._work, name="write-ahead log")
        self._in_the_way: list[tuple[Reader, ...]] = []  # at each look in vain
        self.trouble = ""

    def start(self) -> None:
        """Begin to look. A second start changes nothing."""
        self._background.start()

    async def stop(self) -> None:
        """May be called twice."""
        await self._background.stop()

    async def look(self) -> None:
        """One look: empty the log if it is too large, and say it once when that cannot be done, and once when it could.

        It cannot be done when it could not at this look nor at the one before.
        """
        size = self._log.size_bytes()
        if size > self._limit_bytes:
            before = await asyncio.to_thread(self._log.readers)
            if not await asyncio.to_thread(self._log.empty, insist=not self.trouble):
                after = await asyncio.to_thread(self._log.readers)
                self._in_the_way = [*self._in_the_way[1 - LOOKS_IN_VAIN :], before]
                if len(self._in_the_way) >= LOOKS_IN_VAIN:
                    always = tuple(reader for reader in after if all(reader in seen for seen in self._in_the_way))
                    self._alarm(always or after)
                return
        self._in_the_way = []
        if self.trouble:
            self.trouble = ""
            logger.info("the board's write-ahead log can be emptied again; it had grown to {} MiB", size // MIB)

    async def _work(self) -> None:
        while True:
            try:
                await self.look()
            except (BoardUnavailable, OSError) as error:  # the pulse tells of a board that cannot be used
                logger.debug("the write-ahead log cannot be looked at: {}", error)
            await asyncio.sleep(self._look_seconds)

    def _alarm(self, readers: tuple[Reader, ...]) -> None:
        is_new = not self.trouble
        self.trouble = held_words(self._log.path, self._log.size_bytes(), readers)
        if is_new:
            logger.critical("{}", self.trouble)


def held_words(path: Path, size: int, readers: tuple[Reader, ...]) -> str:
    """What is wrong, and who has to end it."""
    who = ", ".join(f"pid {reader.pid} ({reader.command or 'no longer there'})" for reader in readers)
    return (
        f"{path} has grown to {size // MIB} MiB, and grows until the disk is full: "
        f"{who or 'a process that /proc does not show'} keeps an old state of the board open (a transaction that was "
        "never ended); end it"
    )
