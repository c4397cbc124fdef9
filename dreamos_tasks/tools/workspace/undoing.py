"""Undoing: a change is taken back by its record, if what it left is still there; what somebody changed since stays."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamos_tasks.tools.workspace.changes import Done, known_by, seen
from dreamos_tasks.tools.workspace.declined import at_odds, wrong
from dreamos_tasks.tools.workspace.folder import Place, Workspace, open_folder_at, sync_names
from dreamos_tasks.tools.workspace.journal import BEFORE, UNDONE, Record
from dreamos_tasks.tools.workspace.pace import Pace
from dreamos_tasks.tools.workspace.putting import PART, READ_BYTES, Writer, digest_of, put
from dreamos_tasks.tools.workspace.renaming import rename_to_free_name
from dreamos_tasks.tools.workspace.room import check_room
from dreamos_tasks.tools.workspace.tree import remove_tree, unpack

_JOURNAL = re.compile(r"\d+/undo-\d+-[A-Za-z0-9._-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEAD = {"journal": _JOURNAL, "path": str}
_RECORDS: Mapping[str, Mapping[str, Any]] = {
    "put": {**_HEAD, "beside": PART, "after": {"sha256": _SHA256}, "made_folders": list},
    "move": {**_HEAD, "to": str, "what": Mapping, "made_folders": list},
    "delete": {**_HEAD, "beside": PART, "seen": list},
}
_CONTENT = {"sha256": _SHA256, "mode": int, "mtime_ns": int}
_KEPT: Mapping[str, Mapping[str, Any]] = {"file": _CONTENT, "folder": _CONTENT, "link": {"target": str}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """Takes changes of one task back. `runs` is the folder of all its runs, where what was there before is kept."""

    workspace: Workspace
    runs: Path
    writer: Writer
    pace: Pace
    min_free_bytes: int = 0

    def undo(self, record: object) -> Done:
        """Take one change back. Undone already, or never made: nothing is done. Raises Declined, OSError."""
        change = _checked(record)
        undone = self.runs / change["journal"] / UNDONE
        path = change["path"]
        if undone.exists():
            return Done(value={"path": path, "undone": False}, summary=f"{path}: this has been undone already")
        match change["change"]:
            case "put":
                is_undone = self._undo_put(change)
            case "move":
                is_undone = self._undo_move(change)
            case _:
                is_undone = self._undo_delete(change)
        if is_undone:
            with suppress(OSError):  # undone it is, also where that cannot be noted
                undone.touch(mode=0o600)
        summary = f"{path} is as it was" if is_undone else f"{path}: there is nothing to undo"
        return Done(value={"path": path, "undone": is_undone}, summary=summary)

    def _undo_put(self, change: Record) -> bool:
        place = self.workspace.place(change["path"], follow=False, may_be_missing=True)
        before: Record | None = change["before"]
        now = digest_of(self.workspace, place, pace=self.pace)
        is_undone = now != (before["sha256"] if before else None)
        if is_undone:
            if now != change["after"]["sha256"]:
                raise _changed_since(place)
            if before is None:
                os.unlink(place.name, dir_fd=place.folder)
                sync_names(place.folder)
            else:
                self._restore(place, before, change)
        self._remove_beside(place, change)
        self._remove_folders(change)
        return is_undone

    def _undo_move(self, change: Record) -> bool:
        place = self.workspace.place(change["path"], follow=False, may_be_missing=True)
        target = self.workspace.place(change["to"], follow=False, may_be_missing=True)
        is_back = known_by(self.workspace, place, pace=self.pace) == change["what"]
        if not is_back:
            if self.workspace.status(place) is not None:
                raise at_odds(f"something else is at {place.path} now", fix="move it away, and undo again")
            if known_by(self.workspace, target, pace=self.pace) != change["what"]:
                raise _changed_since(target)
            place = self.workspace.make_folders(place)
            rename_to_free_name(target.name, place.name, old_folder=target.folder, new_folder=place.folder)
            sync_names(place.folder)
            sync_names(target.folder)
        before: Record | None = change["before"]
        if before is not None and self.workspace.status(target) is None:
            self._restore(target, before, change, replace=False)
            is_back = False
        self._remove_folders(change)
        return not is_back

    def _undo_delete(self, change: Record) -> bool:
        place = self.workspace.place(change["path"], follow=False, may_be_missing=True)
        status = self.workspace.status(place)
        if status is not None and list(seen(status)) == change["seen"]:
            return False
        if status is not None:
            raise at_odds(f"something else is at {place.path} now", fix="move it away, and undo again")
        place = self.workspace.make_folders(place)
        self._remove_beside(place, change)
        self._restore(place, change["before"], change, replace=False)
        return True

    def _restore(self, place: Place, before: Record, change: Record, *, replace: bool = True) -> None:
        """Put what was kept back to its place."""
        if before["kind"] == "link":
            os.symlink(before["target"], place.name, dir_fd=place.folder)
            sync_names(place.folder)
            return
        kept = self.runs / change["journal"] / BEFORE
        try:
            size = kept.stat().st_size
        except FileNotFoundError:
            raise at_odds(f"what was at {place.path} is no longer kept", cause=f"{kept} is gone") from None
        check_room(place.folder, size, min_free_bytes=self.min_free_bytes, where=place.path)
        if before["kind"] == "folder":
            self._restore_folder(place, before, kept)
            return
        pieces = self._pieces(kept, before["sha256"])
        mode, mtime_ns = before["mode"], before["mtime_ns"]
        put(place, pieces, writer=self.writer, mode=mode, mtime_ns=mtime_ns, replace=replace)

    def _restore_folder(self, place: Place, before: Record, kept: Path) -> None:
        for _ in self._pieces(kept, before["sha256"]):  # read once to know that it is whole
            self.pace.check()
        beside = self.writer.beside(place)
        remove_tree(place.folder, beside)
        os.mkdir(beside, 0o700, dir_fd=place.folder)
        fd = open_folder_at(place.folder, beside)
        try:
            with kept.open("rb") as tar:
                unpack(tar, fd)
            os.fchmod(fd, before["mode"])
            os.utime(fd, ns=(before["mtime_ns"], before["mtime_ns"]))
            os.fsync(fd)
            rename_to_free_name(beside, place.name, old_folder=place.folder, new_folder=place.folder)
        except BaseException:
            remove_tree(place.folder, beside)
            raise
        finally:
            os.close(fd)
        sync_names(place.folder)

    def _pieces(self, kept: Path, sha256: str) -> Iterator[bytes]:
        digest = hashlib.sha256()
        with open(os.open(kept, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            while piece := file.read(READ_BYTES):
                digest.update(piece)
                yield piece
        if digest.hexdigest() != sha256:
            raise at_odds("the kept content is damaged", cause=f"{kept} has another SHA-256 than its record says")

    def _remove_beside(self, place: Place, change: Record) -> None:
        """What the change, killed midway, left beside its place."""
        if not place.missing:
            remove_tree(place.folder, change["beside"])

    def _remove_folders(self, change: Record) -> None:
        """Those that the change made, as far as nobody has put anything into them."""
        for path in reversed(change["made_folders"]):
            with suppress(OSError):
                place = self.workspace.place(path, follow=False)
                os.rmdir(place.name, dir_fd=place.folder)


def _changed_since(place: Place) -> Exception:
    return at_odds(f"{place.path} has been changed since, and is left as it is", fix="change it back by hand")


def _checked(record: object) -> Mapping[str, Any]:
    """The record, if it is one of ours."""
    if isinstance(record, Mapping) and _fits(record, _RECORDS.get(str(record.get("change")))):
        before = record.get("before")
        if before is None and record["change"] != "delete":
            return record
        if isinstance(before, Mapping) and _fits(before, _KEPT.get(str(before.get("kind")))):
            return record
    raise wrong("this is no undo record of the tool files")


def _fits(part: Mapping[str, Any], shape: Mapping[str, Any] | None) -> bool:
    """Whether each entry is there, and of its type; a mapping stands for one of that shape, a pattern for a text."""
    if shape is None:
        return False
    for name, kind in shape.items():
        value = part.get(name)
        if isinstance(kind, re.Pattern):
            is_right = isinstance(value, str) and kind.fullmatch(value) is not None
        elif isinstance(kind, Mapping):
            is_right = isinstance(value, Mapping) and _fits(value, kind)
        else:
            is_right = isinstance(value, kind)
        if not is_right:
            return False
    return True
