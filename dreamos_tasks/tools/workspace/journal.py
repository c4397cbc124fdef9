"""Journal: before anything in a workspace changes, what is needed to change it back is on the disk, in the run's folder.

Each change has a folder of its own, `undo-0001-STEP`, with `record.json` and, where there was something before, `before`: the
content of a file, or a tar of a folder. They are for their owner alone. A change whose record is missing was never begun.
A record says where it is itself (`journal`), seen from the folder of all the task's runs.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dreamos_tasks.tools.capture import file_name_of
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.tools.workspace.folder import Place, Workspace, kind_of, open_folder_at
from dreamos_tasks.tools.workspace.pace import Pace
from dreamos_tasks.tools.workspace.room import check_room
from dreamos_tasks.tools.workspace.tree import Survey, pack, survey
from dreamos_tasks.whole_file import replace_with, sync_folder, write_beside

READ_BYTES = 1_048_576
RECORD = "record.json"
BEFORE = "before"
UNDONE = "undone"  # there as soon as the change was undone
VERSION = 1
_FOLDER = re.compile(r"undo-(\d+)-.+")

Record = Mapping[str, Any]


class NotKept(Exception):
    """What is there cannot be kept, so the change cannot be undone: why."""


class Journal:
    """The journal of one call. `keep` what is there, `write` the record, and only then make the change."""

    def __init__(
        self, run_dir: Path, *, step: str, secrets: Sequence[str], max_bytes: int, min_free_bytes: int, pace: Pace
    ) -> None:
        self._run_dir = run_dir
        self._step = step
        self._secrets = tuple(secrets)
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._pace = pace
        self._made: Path | None = None

    def keep(self, workspace: Workspace, place: Place, status: os.stat_result | None) -> Record | None:
        """What is at a place, described, its content copied. None when nothing is there. Raises NotKept, OSError."""
        if status is None:
            return None
        times = {"mode": stat.S_IMODE(status.st_mode), "mtime_ns": status.st_mtime_ns}
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(place.name, dir_fd=place.folder)
            return {"kind": "link", "target": self._clean(target)}
        if stat.S_ISDIR(status.st_mode):
            return {"kind": "folder", **times, **self._keep_folder(place)}
        if stat.S_ISREG(status.st_mode):
            return {"kind": "file", **times, **self._keep_file(workspace, place, status)}
        raise NotKept(f"{place.path} is {kind_of(status)}")

    def write(self, change: Record) -> Record:
        """Bring the record of a change to the disk, and give it. Raises NotKept when a secret stands in it."""
        folder = self._folder()
        record = {"version": VERSION, "journal": f"{self._run_dir.name}/{folder.name}", **change}
        text = json.dumps(record, ensure_ascii=True, indent=1)
        if Redactor(self._secrets).text(text) != text:
            raise NotKept("its description would hold a secret")
        write_beside(folder / f"{RECORD}.part", [text.encode("ascii")])
        replace_with(folder / f"{RECORD}.part", folder / RECORD)
        sync_folder(folder)
        return record

    def drop(self) -> None:
        """Nothing is to be undone: what was kept goes."""
        if self._made is None:
            return
        for name in (RECORD, f"{RECORD}.part", BEFORE):
            (self._made / name).unlink(missing_ok=True)
        self._made.rmdir()
        self._made = None

    def _keep_file(self, workspace: Workspace, place: Place, status: os.stat_result) -> Record:
        self._check_size(status.st_size, place)
        digest = hashlib.sha256()
        fd = workspace.open_file(place)
        try:
            self._write_before(self._watched(digest, fd))
        finally:
            os.close(fd)
        return {"sha256": digest.hexdigest(), "size_bytes": status.st_size}

    def _keep_folder(self, place: Place) -> Record:
        found: Survey = survey(place.folder, place.name, pace=self._pace)
        if found.specials:
            raise NotKept(f"{place.path} holds {found.specials[0]}")
        self._check_size(found.size_bytes, place)
        digest = hashlib.sha256()
        fd = open_folder_at(place.folder, place.name)
        try:
            pieces = pack(fd, check_name=self._clean, contents=lambda file: self._watched(hashlib.sha256(), file))
            self._write_before(_hashed(pieces, digest))
        finally:
            os.close(fd)
        return {"sha256": digest.hexdigest(), "entries": found.entries}

    def _write_before(self, pieces: Iterator[bytes]) -> None:
        folder = self._folder()
        write_beside(folder / BEFORE, pieces)
        sync_folder(folder)

    def _watched(self, digest: Any, fd: int) -> Iterator[bytes]:
        """A file's content, piece by piece. Raises NotKept as soon as it is known to hold a secret."""
        redactor = Redactor(self._secrets)
        blanked = hashlib.sha256()
        original = hashlib.sha256()
        while piece := os.read(fd, READ_BYTES):
            self._pace.check()
            digest.update(piece)
            if self._secrets:
                original.update(piece)
                blanked.update(redactor.feed(piece))
            yield piece
        blanked.update(redactor.rest())
        if self._secrets and blanked.digest() != original.digest():
            raise NotKept("what was there holds a secret")

    def _clean(self, text: str) -> str:
        if Redactor(self._secrets).text(text) != text:
            raise NotKept("what was there holds a secret")
        return text

    def _check_size(self, size: int, place: Place) -> None:
        if size > self._max_bytes:
            raise NotKept(f"{place.path} has {size} bytes, and at most {self._max_bytes} are kept")
        folder = self._folder()
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            check_room(fd, size, min_free_bytes=self._min_free_bytes, where=str(folder))
        finally:
            os.close(fd)

    def _folder(self) -> Path:
        if self._made is None:
            make_private(self._run_dir)
            self._made = _new_folder(self._run_dir, file_name_of(self._step))
            sync_folder(self._run_dir)
        return self._made


def records_in(run_dir: Path) -> Sequence[Record]:
    """The records of one run, newest first: of what was done, and of what was under way when the run was killed."""
    numbered = [(int(found[1]), path) for path in run_dir.glob("undo-*") if (found := _FOLDER.fullmatch(path.name))]
    records: list[Record] = []
    for _, path in sorted(numbered, reverse=True):
        with suppress(FileNotFoundError):
            records.append(json.loads((path / RECORD).read_text(encoding="ascii")))
    return records


def make_private(folder: Path) -> None:
    """The folder, and those above it that are missing, for their owner alone."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _new_folder(run_dir: Path, step: str) -> Path:
    last = max((int(found[1]) for name in os.listdir(run_dir) if (found := _FOLDER.fullmatch(name))), default=0)
    while True:
        last += 1
        folder = run_dir / f"undo-{last:04}-{step}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder


def _hashed(pieces: Iterator[bytes], digest: Any) -> Iterator[bytes]:
    for piece in pieces:
        digest.update(piece)
        yield piece
