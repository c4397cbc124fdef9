"""The frame of every verb: a transaction, the instant it happens at, and the bell when it is committed."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamos_tasks.board.writer import BoardWriter


class Verb:
    """One verb's transaction: gives the instant it happens at, and rings the bell when it is committed.

    Within `together` it is the group's: a verb writes last of all, so one that is refused has written nothing.
    """

    __slots__ = ("_nexus", "_transaction")

    def __init__(self, nexus: BoardWriter) -> None:
        self._nexus = nexus
        self._transaction = nexus.store.transaction()

    def __enter__(self) -> datetime:
        self._transaction.__enter__()
        try:
            return self._nexus.clock.now()
        except BaseException as error:
            self._transaction.__exit__(type(error), error, error.__traceback__)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transaction.__exit__(kind, error, trace)
        if error is None:
            self._nexus.ring()


class GroupedVerb:
    """A verb within `together`: it shares the group's transaction, instant and bell."""

    __slots__ = ("_nexus",)

    def __init__(self, nexus: BoardWriter) -> None:
        self._nexus = nexus

    def __enter__(self) -> datetime:
        return self._nexus.clock.now()

    def __exit__(self, *_: object) -> None:
        return None
