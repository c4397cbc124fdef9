"""Opens and makes boards: the store that a path or the settings name, behind a TaskNexus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dreamos_tasks.board.clock import BoardClock
from dreamos_tasks.board.doorbell import Doorbell
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.writer import BoardRules
from dreamos_tasks.errors import BoardGone, BoardUnavailable, ConfigError
from dreamos_tasks.model.retry import RetryPolicy

if TYPE_CHECKING:
    from dreamos_tasks.config.home import Home
    from dreamos_tasks.config.settings import Settings
    from dreamos_tasks.protocols import TaskStore

FOLDER_MODE = 0o700  # what agents write and commands print is nobody else's business


def open_board(home: Home, settings: Settings, *, ring: Callable[[], None] | None = None) -> TaskNexus:
    """The board of a home, made if this is its first use. Raises BoardUnavailable kinds.

    `ring` is called after each commit; unless given, the home's doorbell is rung.
    """
    store = open_store(
        home.board(settings.board),
        kind=settings.board.store,
        durability=settings.board.durability,
        lock_timeout_seconds=settings.claims.lock_timeout_seconds,
    )
    store.key_limits = settings.claims.concurrency_keys or {}
    return assemble(
        store,
        rules=rules_of(settings),
        ring=ring or Doorbell(home.doorbell).ring,
    )


def assemble(store: TaskStore, *, rules: BoardRules, ring: Callable[[], None]) -> TaskNexus:
    """A nexus over an open store, in the board's own time."""
    clock = BoardClock(store)
    clock.follow_wall_clock()
    return TaskNexus(store, clock, rules=rules, ring=ring)


def open_store(
    path: Path, *, kind: str | None = None, durability: str = "full", lock_timeout_seconds: float = 30.0
) -> TaskStore:
    """The store at `path`, made if it is not there. `kind` None: by the name, `.json` or SQLite.

    A board that was there and is gone is not made anew: its lock file tells. Raises BoardUnavailable kinds.
    """
    kind = kind or ("json" if path.suffix == ".json" else "sqlite")
    make_folder(path.parent)
    # In this order: another process may be making the board just now, and makes the lock file after it.
    if path.with_name(f"{path.name}.lock").exists() and not path.exists():
        raise BoardGone(
            f"the board at {path} is gone",
            cause="its lock file is still there, so there was one; a new, empty board would hide the loss",
            fix=f"restore a copy: cp BACKUP {path}; or begin anew: rm {path}.lock && dt init",
        )
    match kind:
        case "sqlite":
            from dreamos_tasks.stores.sqlite import SqliteStore

            return SqliteStore.create(path, durability=durability, lock_timeout_seconds=lock_timeout_seconds)
        case "json":
            from dreamos_tasks.stores.json_file import JsonStore

            return JsonStore.create(path, lock_timeout_seconds=lock_timeout_seconds)
        case _:
            raise cannot_open(kind)


def rules_of(settings: Settings) -> BoardRules:
    """What the settings say about leases and retries."""
    retry = settings.retry
    return BoardRules(
        lease_seconds=settings.claims.lease_seconds,
        max_lost_leases=settings.claims.max_lost_leases,
        retry=RetryPolicy(
            max_attempts=retry.max_attempts,
            base_seconds=retry.base_seconds,
            factor=retry.factor,
            max_seconds=retry.max_seconds,
            jitter=retry.jitter,
            max_deferrals=retry.max_deferrals,
        ),
        silent_agent_seconds=settings.agents.silent_after_seconds,
        registered_only=settings.agents.registered_only,
        own_agents=(settings.daemon.agent_id,),
    )


def cannot_open(kind: str) -> ConfigError:
    """Why there is no board of this kind: its place among the settings is kept, and nothing in this release fills it."""
    return ConfigError(f"board.store is {kind!r}, which this release cannot open", fix="board.store: sqlite, or json")


def make_folder(path: Path) -> None:
    """The folder and those above it, readable by their owner alone; one that is there stays as it is.

    Raises BoardUnavailable.
    """
    if path.is_dir():
        return
    for folder in (*reversed(path.parents), path):
        try:
            if not folder.is_dir():
                folder.mkdir(mode=FOLDER_MODE)
        except FileExistsError as error:
            if folder.is_dir():
                continue  # another process was faster
            raise _no_folder(folder, error) from error
        except OSError as error:
            raise _no_folder(folder, error) from error


def _no_folder(folder: Path, error: OSError) -> BoardUnavailable:
    return BoardUnavailable(
        f"the folder {folder} cannot be made",
        cause=error.strerror or str(error),
        fix=f"ls -ld {folder.parent} {folder}, or use another home: --home DIR",
    )
