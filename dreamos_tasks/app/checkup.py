"""Checkup: whether this machine, this home and this board are sound. Each check is a small function that only looks.

What can be mended without a decision (permissions, missing folders, stale sockets) carries its repair.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dreamos_tasks.app.home_making import folders_of
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.errors import DreamosError

if TYPE_CHECKING:
    from dreamos_tasks.board.nexus import TaskNexus
    from dreamos_tasks.config.home import Home

OLDEST_PYTHON = (3, 11)
ROOM_FACTOR = 5  # less than so many times the least disk space is worth a word before it is needed
FIX_BY_INIT = "dt init, or dt doctor --fix"


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # works, and may not for long, or not as well as it could
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found. `fix` is a command or a sentence; `repair` does it, where no decision is needed."""

    check: str
    level: Level
    detail: str
    fix: str = ""
    repair: Callable[[], None] | None = field(default=None, compare=False, repr=False)


class Place:
    """What is checked: a home, its settings, and its board, which is opened once and only if it is there."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.settings_error: DreamosError | None = None
        self.board_error: DreamosError | None = None

    @cached_property
    def settings(self) -> Settings:
        """The settings; the defaults when they are wrong (see `settings_error`)."""
        from dreamos_tasks.config.cache import settings_for

        try:
            return settings_for(self.home)
        except DreamosError as error:
            self.settings_error = error
            return Settings()

    @property
    def board_path(self) -> Path:
        """The board's file."""
        return self.home.board(self.settings.board)

    @cached_property
    def nexus(self) -> TaskNexus | None:
        """The board; None when there is none, or it cannot be opened (see `board_error`)."""
        from dreamos_tasks.app.boards import open_board

        lock = self.home.board_lock(self.settings.board)
        if not self.board_path.exists() and not lock.exists():
            return None
        try:
            return open_board(self.home, self.settings, ring=lambda: None)
        except DreamosError as error:
            self.board_error = error
            return None

    def close(self) -> None:
        """May be called twice."""
        nexus = self.__dict__.pop("nexus", None)
        if nexus is not None:
            nexus.close()


def check_up(home: Home) -> tuple[Finding, ...]:
    """All checks, in an order in which a failing one comes before what follows from it."""
    from dreamos_tasks.app import checkup_machine, checkup_place, checkup_tools

    place = Place(home)
    checks: tuple[Callable[[Place], Iterator[Finding]], ...] = (
        python,
        sqlite,
        settings,
        folders,
        checkup_place.permissions,
        checkup_machine.mount,
        checkup_machine.disk,
        checkup_machine.file_lock,
        checkup_machine.inotify,
        checkup_machine.processes,
        board,
        checkup_place.write_ahead_log,
        events,
        clock,
        checkup_tools.tools,
        checkup_tools.secrets,
        checkup_place.inbox,
        checkup_place.daemon,
    )
    try:
        return tuple(finding for check in checks for finding in _survived(check, place))
    finally:
        place.close()


def mend(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Carry out every repair there is; gives the findings that were mended. Raises OSError, DreamosError."""
    mended = tuple(finding for finding in findings if finding.repair is not None)
    for finding in mended:
        assert finding.repair is not None
        finding.repair()
    return mended


def _survived(check: Callable[[Place], Iterator[Finding]], place: Place) -> Iterator[Finding]:
    """A check that breaks off is a finding of its own: the others still have something to say."""
    try:
        yield from check(place)
    except (OSError, DreamosError) as error:
        said = f"{error.message} ({error.cause})" if isinstance(error, DreamosError) else str(error)
        fix = error.fix if isinstance(error, DreamosError) else ""
        yield Finding(check=check.__name__, level=Level.FAIL, detail=f"it could not be checked: {said}", fix=fix)
    except Exception as error:  # noqa: BLE001  whoever asks has trouble already: a damaged board, a machine out of breath
        said = f"it could not be checked: {type(error).__name__}: {error}"
        yield Finding(check=check.__name__, level=Level.FAIL, detail=said)


def python(_: Place) -> Iterator[Finding]:
    """The interpreter."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        yield Finding(check="python", level=Level.OK, detail=f"{found} at {sys.executable}")
    else:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        fix = f"uv tool install --python {wanted} dreamos-tasks"
        yield Finding(check="python", level=Level.FAIL, detail=f"{found} is older than {wanted}", fix=fix)


def sqlite(_: Place) -> Iterator[Finding]:
    """The SQLite library: some lose commits."""
    import apsw

    from dreamos_tasks.stores.sqlite_connection import FIRST_SAFE_SQLITE

    version = apsw.sqlite_lib_version()
    if apsw.SQLITE_VERSION_NUMBER >= FIRST_SAFE_SQLITE:
        yield Finding(check="sqlite", level=Level.OK, detail=f"{version} (apsw's own)")
    else:
        fix = 'pip install --upgrade "apsw>=3.53.1"'
        yield Finding(check="sqlite", level=Level.FAIL, detail=f"{version} can lose commits", fix=fix)


def settings(place: Place) -> Iterator[Finding]:
    """The settings."""
    _ = place.settings
    error = place.settings_error
    if error is None:
        there = "as in" if place.home.config.exists() else "defaults: there is no"
        yield Finding(check="settings", level=Level.OK, detail=f"{there} {place.home.config}")
    else:
        detail = f"{error.message}\n{error.cause}" if "\n" in error.cause else error.message
        yield Finding(check="settings", level=Level.FAIL, detail=detail, fix=error.fix)


def folders(place: Place) -> Iterator[Finding]:
    """The home's folders."""
    from dreamos_tasks.app.boards import make_folder

    missing = [folder for folder in folders_of(place.home, place.settings.inbox) if not folder.exists()]
    if place.home.runtime in missing:
        detail = f"there is no board in {place.home.path} yet"
        yield Finding(check="folders", level=Level.WARN, detail=detail, fix="dt init, or dt up")
        return
    for folder in missing:
        yield Finding(
            check="folders",
            level=Level.WARN,
            detail=f"{folder} is missing",
            fix=FIX_BY_INIT,
            repair=lambda folder=folder: make_folder(folder),  # type: ignore[misc]
        )
    if not missing:
        yield Finding(check="folders", level=Level.OK, detail=str(place.home.path))


def board(place: Place) -> Iterator[Finding]:
    """The board's file: can it be opened, is its schema known, is every page sound."""
    nexus = place.nexus
    if place.board_error is not None:
        error = place.board_error
        yield Finding(check="board", level=Level.FAIL, detail=f"{error.message} ({error.cause})", fix=error.fix)
    elif nexus is None:
        detail = f"there is no {place.board_path} yet"
        yield Finding(check="board", level=Level.WARN, detail=detail, fix="dt init makes one")
    elif problems := nexus.store.integrity_problems():
        fix = "dt down; dt board restore FILE, with the last copy that dt backup made"
        detail = f"{place.board_path} is damaged: {'; '.join(problems[:3])}"
        yield Finding(check="board", level=Level.FAIL, detail=detail, fix=fix)
    else:
        tasks = sum(nexus.stats()["status"].values())
        yield Finding(check="board", level=Level.OK, detail=f"{place.board_path} is sound, {tasks} tasks")


def events(place: Place) -> Iterator[Finding]:
    """Whether the event log replays to the same state as the board (heartbeats write no event, and are left aside)."""
    from dreamos_tasks.app.board_care import replay_problems_of

    if place.nexus is None:
        return
    problems = replay_problems_of(place.nexus.store, place.board_path)
    if problems:
        more = f", and {len(problems) - 3} more" if len(problems) > 3 else ""
        fix = "keep a copy (dt backup FILE) and report it: the board is what counts, and goes on working"
        yield Finding(check="events", level=Level.FAIL, detail="; ".join(problems[:3]) + more, fix=fix)
    else:
        yield Finding(
            check="events",
            level=Level.OK,
            detail=f"all events tell the same as the board (the newest is {place.nexus.store.last_seq()})",
        )


def clock(place: Place) -> Iterator[Finding]:
    """How far the wall clock is from the board's own time."""
    from dreamos_tasks.board.clock import NOTABLE_DRIFT_SECONDS, BoardClock

    if place.nexus is None:
        return
    drift = BoardClock(place.nexus.store).drift_seconds()
    if abs(drift) < NOTABLE_DRIFT_SECONDS:
        yield Finding(
            check="clock", level=Level.OK, detail=f"the board's time is {abs(drift):.3f} s from the wall clock's"
        )
    else:
        detail = f"the wall clock is {abs(drift):.0f} s {'ahead of' if drift > 0 else 'behind'} the board's time"
        fix = "it was set while a task was held: leases go on evenly; the board follows once nobody holds a task"
        yield Finding(check="clock", level=Level.WARN, detail=detail, fix=fix)
