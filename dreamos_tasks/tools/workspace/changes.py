"""Changes: write, edit, move and delete. Each looks, keeps what is there, records itself, and only then does it."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamos_tasks.model.limits import Usage
from dreamos_tasks.tools.file_params import DeleteParams, EditParams, MoveParams, WriteParams
from dreamos_tasks.tools.workspace.declined import at_odds, wrong
from dreamos_tasks.tools.workspace.folder import Place, Workspace, check_kind, kind_of, sync_names
from dreamos_tasks.tools.workspace.journal import Journal, NotKept, Record
from dreamos_tasks.tools.workspace.pace import Pace
from dreamos_tasks.tools.workspace.putting import Writer, clear, content_of, digest_of, is_same, put
from dreamos_tasks.tools.workspace.renaming import rename_to_free_name
from dreamos_tasks.tools.workspace.room import check_room
from dreamos_tasks.tools.workspace.tree import remove_tree, survey


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What was done: for later steps, in a line for a person, what to undo it with, and what else is to be said."""

    value: Mapping[str, Any]
    summary: str
    undo: Record | None = None
    notes: tuple[str, ...] = ()
    usage: Usage | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Changes one workspace on behalf of one call."""

    workspace: Workspace
    journal: Journal
    writer: Writer
    pace: Pace
    earlier_tokens: Sequence[int] = ()
    min_free_bytes: int = 0
    most_bytes: int = 0

    def write(self, params: WriteParams) -> Done:
        """A file with this content."""
        place = self.workspace.place(params.path, may_be_missing=True)
        status = self.workspace.status(place)
        if status is not None:
            check_kind(status, place)
        before = digest_of(self.workspace, place, pace=self.pace)
        check_expected(params.expected_sha256, before, place)
        content = params.content_bytes
        if before is not None and before == hashlib.sha256(content).hexdigest():
            return _unchanged(place, before, len(content))
        if before is not None and not params.overwrite:
            raise at_odds(f"there is a file {place.path} already", fix='"overwrite": true replaces it')
        return self._put(place, content, status)

    def edit(self, params: EditParams) -> Done:
        """A file with one text replaced by another."""
        place = self.workspace.place(params.path)
        status = self.workspace.status(place)
        content = content_of(self.workspace, place, most_bytes=self.most_bytes)
        before = hashlib.sha256(content).hexdigest()
        check_expected(params.expected_sha256, before, place)
        old, new = params.old.encode(), params.new.encode()
        count = content.count(old)
        _check_count(count, place, content=content, params=params)
        if old == new:
            return _unchanged(place, before, len(content))
        done = self._put(place, content.replace(old, new), status)
        summary = f"{place.path}: {'1 place' if count == 1 else f'{count} places'} changed"
        return Done(value={**done.value, "replaced": count}, summary=summary, undo=done.undo, notes=done.notes)

    def move(self, params: MoveParams) -> Done:
        """A file, link or folder under another path."""
        place = self.workspace.place(params.path, follow=False)
        status = self._there(place)
        self.workspace.check_may_go(status, place)
        target = self.workspace.place(params.to, follow=False, may_be_missing=True)
        replaced = self.workspace.status(target)
        if replaced is not None:
            _check_may_be_replaced(replaced, target, params)
        change = {
            "change": "move",
            "path": place.path,
            "to": target.path,
            "what": known_by(self.workspace, place, pace=self.pace),
            "made_folders": made_folders(target),
        }
        record, notes = self._recorded(change, target, replaced)
        self._check_unchanged(place, status)
        self._check_unchanged(target, replaced)
        ready = self.workspace.make_folders(target)
        if replaced is None:
            rename_to_free_name(place.name, ready.name, old_folder=place.folder, new_folder=ready.folder)
        else:
            os.rename(place.name, ready.name, src_dir_fd=place.folder, dst_dir_fd=ready.folder)
        sync_names(ready.folder)
        sync_names(place.folder)
        return Done(
            value={"path": place.path, "to": target.path},
            summary=f"{place.path} is now {target.path}",
            undo=record,
            notes=notes,
        )

    def delete(self, params: DeleteParams) -> Done:
        """Nothing at this path."""
        place = self.workspace.place(params.path, follow=False, may_be_missing=True)
        if not place.missing:
            clear(place, self.writer, tokens=(*self.earlier_tokens, self.writer.token))
        if params.missing_ok and self.workspace.status(place) is None:
            return Done(value={"path": place.path, "deleted": 0}, summary=f"there is no {place.path}")
        status = self._there(place)
        self.workspace.check_may_go(status, place)
        entries = self._check_recursive(status, place, params)
        beside = self.writer.beside(place)
        change = {"change": "delete", "path": place.path, "seen": seen(status), "beside": beside}
        record, notes = self._recorded(change, place, status) if params.keep else (None, ())
        self._check_unchanged(place, status)
        # Renamed first: it is gone in one moment, however long the removal takes and whoever ends it.
        rename_to_free_name(place.name, beside, old_folder=place.folder, new_folder=place.folder)
        sync_names(place.folder)
        remove_tree(place.folder, beside)
        sync_names(place.folder)
        return Done(
            value={"path": place.path, "deleted": entries + 1},
            summary=f"{place.path} is deleted" + (f", with {entries} in it" if entries else ""),
            undo=record,
            notes=notes,
        )

    def _put(self, place: Place, content: bytes, status: os.stat_result | None) -> Done:
        check_room(place.folder, len(content), min_free_bytes=self.min_free_bytes, where=place.path)
        digest = hashlib.sha256(content).hexdigest()
        change = {
            "change": "put",
            "path": place.path,
            "after": {"sha256": digest},
            "made_folders": made_folders(place),
            "beside": self.writer.beside(place),
        }
        record, notes = self._recorded(change, place, status)
        ready = self.workspace.make_folders(place)
        clear(ready, self.writer, tokens=self.earlier_tokens)
        self._check_unchanged(place, status)
        put(ready, [content], writer=self.writer, like=status, replace=status is not None)
        if status is not None and status.st_nlink > 1:
            notes += (f"it had {status.st_nlink} names (hard links); the others keep the old content",)
        verb = "written" if status is not None else "created"
        return Done(
            value={
                "path": place.path,
                "sha256": digest,
                "size_bytes": len(content),
                "created": status is None,
                "changed": True,
            },
            summary=f"{place.path} is {verb}: {len(content)} bytes",
            undo=record,
            notes=notes,
        )

    def _there(self, place: Place) -> os.stat_result:
        status = self.workspace.status(place)
        if status is None:
            check_kind(status, place)
        assert status is not None
        return status

    def _recorded(
        self, change: Record, place: Place, status: os.stat_result | None
    ) -> tuple[Record | None, tuple[str, ...]]:
        """The record, on the disk, with what is at the place now kept; or why there is none."""
        try:
            before = self.journal.keep(self.workspace, place, status)
            return self.journal.write({**change, "before": before}), ()
        except NotKept as reason:
            self.journal.drop()
            return None, (f"this cannot be undone: {reason}",)

    def _check_unchanged(self, place: Place, status: os.stat_result | None) -> None:
        if not is_same(self.workspace.status(place), status):
            self.journal.drop()
            raise at_odds(f"{place.path} was changed at the same moment", fix="run the step again")

    def _check_recursive(self, status: os.stat_result, place: Place, params: DeleteParams) -> int:
        """How many entries are in the folder that is to go; 0 for anything else."""
        if not stat.S_ISDIR(status.st_mode):
            return 0
        entries = survey(place.folder, place.name, pace=self.pace).entries
        if entries and not params.recursive:
            raise at_odds(
                f"{place.path} is a folder with {entries} in it", fix='"recursive": true deletes it with all that'
            )
        return entries


def check_expected(expected: str | None, found: str | None, place: Place) -> None:
    """Raises Declined when a file is not the one that the caller has seen."""
    if expected is None or expected.lower() == found:
        return
    now = f"it is {found} now" if found else "it is not there"
    raise at_odds(
        f"{place.path} is no longer the file that was expected",
        cause=f"expected_sha256 is {expected.lower()}, {now}",
        fix="read it again, and decide anew",
    )


def seen(status: os.stat_result) -> Sequence[int]:
    """What a thing is known by that has not been touched. The inode alone is not enough: the next file may be given it."""
    return [status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns]


def known_by(workspace: Workspace, place: Place, *, pace: Pace) -> Record | None:
    """What is at a place: a file is known by its content, a link by its target, a folder by being one."""
    status = workspace.status(place)
    if status is None:
        return None
    if stat.S_ISLNK(status.st_mode):
        return {"kind": "link", "target": os.readlink(place.name, dir_fd=place.folder)}
    if stat.S_ISDIR(status.st_mode):
        return {"kind": "folder"}
    return {"kind": "file", "sha256": digest_of(workspace, place, pace=pace)}


def made_folders(place: Place) -> Sequence[str]:
    """The paths of the folders that have to be made on the way to a place, outermost first."""
    parts = place.path.split("/")[:-1]
    first = len(parts) - len(place.missing)
    return ["/".join(parts[: count + 1]) for count in range(first, len(parts))]


def _unchanged(place: Place, digest: str, size: int) -> Done:
    value = {"path": place.path, "sha256": digest, "size_bytes": size, "created": False, "changed": False}
    return Done(value=value, summary=f"{place.path} is so already")


def _check_count(count: int, place: Place, *, content: bytes, params: EditParams) -> None:
    if count == 0:
        windows = params.old.replace("\r\n", "\n").replace("\n", "\r\n").encode()
        if windows in content:
            raise at_odds(
                f"{place.path} does not hold the old text: its lines end in CR LF", fix="write \\r\\n in old and new"
            )
        raise at_odds(
            f"{place.path} does not hold the old text", fix="read the file, and copy the text exactly, blanks too"
        )
    if count > 1 and not params.all:
        raise at_odds(
            f"{place.path} holds the old text {count} times",
            fix='give more of what is around it, or "all": true',
        )


def _check_may_be_replaced(status: os.stat_result, target: Place, params: MoveParams) -> None:
    if not params.overwrite:
        raise at_odds(f"there is {kind_of(status)} {target.path} already", fix='"overwrite": true replaces a file')
    if stat.S_ISDIR(status.st_mode):
        raise wrong(f"{target.path} is a folder, which nothing can replace", fix=f"{target.path}/NAME moves into it")
