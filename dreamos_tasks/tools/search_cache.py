"""SearchCache: what was found lately, one file a search, in a folder that any number of processes use at once."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from contextlib import suppress
from dataclasses import astuple
from datetime import datetime
from pathlib import Path

from dreamos_tasks.tools.search_engines import Search, SearchEngine
from dreamos_tasks.tools.search_results import SearchResult, results_from

VERSION = 1  # of what stands in a file; another one is not read
LARGEST_FILE_BYTES = 262_144  # twenty results are a tenth of it


class SearchCache:
    """Keeps results for `keep_seconds`, in `max_bytes` at most: the oldest go first. No error of its own ends a search.

    A file holds the results, and neither the query nor the engine: its name is made of them, and cannot be read back.
    """

    def __init__(self, folder: Path, *, keep_seconds: float, max_bytes: int) -> None:
        self._folder = folder
        self._keep_seconds = keep_seconds
        self._max_bytes = max_bytes

    def get(self, engine: SearchEngine, search: Search, *, now: datetime) -> tuple[SearchResult, ...] | None:
        """What was found; None when it was not searched for lately, or its file cannot be used."""
        try:
            with self._path(engine, search).open("rb") as file:
                kept = json.loads(file.read(LARGEST_FILE_BYTES))
            age = (now - datetime.fromisoformat(kept["stored_at"])).total_seconds()
            if kept["version"] != VERSION or not 0 <= age < self._keep_seconds:
                return None
            return results_from(kept["results"], snippet="snippet")
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def put(self, engine: SearchEngine, search: Search, results: tuple[SearchResult, ...], *, now: datetime) -> None:
        """Keep what was found. Not fsynced: a file that a power cut has torn is as good as none."""
        kept = {
            "version": VERSION,
            "stored_at": now.isoformat(),
            "results": [result.as_json() for result in results],
        }
        content = json.dumps(kept).encode("ascii")
        path = self._path(engine, search)
        part = path.with_name(f"{path.name}.{secrets.token_hex(6)}.part")
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                    file.write(content)
                os.replace(part, path)
            except OSError:
                part.unlink(missing_ok=True)
                raise
            self._make_room()

    def _make_room(self) -> None:
        """Remove the oldest files until the others fit; what a killed process left half written is among them."""
        files = []
        for entry in os.scandir(self._folder):
            with suppress(FileNotFoundError):  # another process makes room as well
                status = entry.stat(follow_symlinks=False)
                files.append((status.st_mtime_ns, status.st_size, entry.path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._max_bytes:
                return
            Path(path).unlink(missing_ok=True)
            total -= size

    def _path(self, engine: SearchEngine, search: Search) -> Path:
        key = json.dumps([VERSION, engine.kind, engine.url, *astuple(search)])
        return self._folder / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"
