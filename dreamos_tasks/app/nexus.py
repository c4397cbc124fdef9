"""The TaskNexus of the Python interface: the board's own, which can also open itself."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from dreamos_tasks.app.boards import open_store
from dreamos_tasks.board import nexus
from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.doorbell import Doorbell
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.errors import ConfigError


class TaskNexus(nexus.TaskNexus):
    """The shared board. `TaskNexus.open("runtime/nexus.db")` opens or makes one."""

    @classmethod
    def open(cls, path: str | Path, *, durability: str = "full", rules: BoardRules | None = None) -> Self:
        """The board in the file: SQLite, or JSON when its name ends in .json. Raises BoardUnavailable kinds, ConfigError.

        Verbs ring the doorbell beside it, so a daemon that serves the board wakes at once.
        """
        if "://" in str(path):
            raise ConfigError(
                f"{str(path).partition('://')[0]}://... is no board that this release can open",
                cause="a board is a file",
                fix='TaskNexus.open("runtime/nexus.db"), or a path that ends in .json',
            )
        file = Path(path).expanduser().absolute()
        store = open_store(file, durability=durability)
        clock = BoardClock(store)
        clock.follow_wall_clock()
        return cls(store, clock, rules=rules, ring=Doorbell(file.parent / "doorbell.sock").ring)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
