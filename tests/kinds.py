"""Every kind of store, made and opened again by one name."""

from __future__ import annotations

from pathlib import Path

from dreamos_tasks.protocols import TaskStore
from dreamos_tasks.stores.json_file import JsonStore
from dreamos_tasks.stores.memory import MemoryStore
from dreamos_tasks.stores.sqlite import SqliteStore

ON_DISK = ("json", "json_array", "sqlite")
KINDS = ("memory", *ON_DISK)


def board_path(kind: str, folder: Path) -> Path:
    """Where the board of this kind is kept in the folder."""
    return folder / ("nexus.db" if kind == "sqlite" else "nexus.json")


def make_store(kind: str, folder: Path, *, lock_timeout_seconds: float = 30.0) -> TaskStore:
    """A new, empty board."""
    path = board_path(kind, folder)
    match kind:
        case "memory":
            return MemoryStore()
        case "sqlite":
            return SqliteStore.create(path, lock_timeout_seconds=lock_timeout_seconds)
        case "json":
            return JsonStore.create(path, lock_timeout_seconds=lock_timeout_seconds)
        case "json_array":
            path.write_text("[]\n", encoding="utf-8")
            path.chmod(0o600)
            return JsonStore(path, lock_timeout_seconds=lock_timeout_seconds)
    raise AssertionError(kind)


def open_store(kind: str, path: Path, *, lock_timeout_seconds: float = 30.0) -> TaskStore:
    """The board that is at the path, as another process would open it."""
    store = SqliteStore if kind == "sqlite" else JsonStore
    return store(path, lock_timeout_seconds=lock_timeout_seconds)
