"""Looking: a file read in pieces, and files found by their paths."""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from dreamos_tasks.tools.file_params import GlobParams, ReadParams
from dreamos_tasks.tools.workspace.changes import Done
from dreamos_tasks.tools.workspace.declined import Declined, at_odds
from dreamos_tasks.tools.workspace.folder import Place, Workspace
from dreamos_tasks.tools.workspace.pace import Pace
from dreamos_tasks.tools.workspace.patterns import PathPattern
from dreamos_tasks.tools.workspace.putting import PART
from dreamos_tasks.tools.workspace.tree import Entry, walk

READ_BYTES = 1_048_576
SNIFFED_BYTES = 8192  # a NUL within them: no text, as git says


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """Looks into one workspace. `most_bytes` of a file are given at once."""

    workspace: Workspace
    pace: Pace
    most_bytes: int

    def read(self, params: ReadParams) -> Done:
        """A file's content. `sha256` and `size_bytes` are those of the whole file, `next_offset` is where to go on."""
        place = self.workspace.place(params.path)
        fd = self.workspace.open_file(place)
        try:
            piece = self._bytes(fd, params) if params.encoding == "base64" else self._lines(fd, params, place)
        finally:
            os.close(fd)
        value = {"path": place.path, **piece}
        rest = "" if value["next_offset"] is None else f", more from offset {value['next_offset']} on"
        return Done(value=value, summary=f"{place.path}: {value['size_bytes']} bytes{rest}")

    def glob(self, params: GlobParams, *, until: Pace) -> Done:
        """The paths that fit, in order. `truncated` says why there may be more: limit, or time."""
        start = self.workspace.place(params.path)
        pattern = PathPattern(params.pattern)
        found: list[str] = []
        truncated: str | None = None

        def may_enter(entry: Entry) -> bool:
            return (
                entry.name not in params.skip
                and self.workspace.may_touch(entry.status)
                and pattern.may_fit_below(entry.path)
            )

        top = self.workspace.open_folder(start)
        try:
            for entry in walk(top, may_enter=may_enter, is_lenient=True):
                self.pace.check()
                until.check()
                if entry.name in params.skip or PART.fullmatch(entry.name):
                    continue
                if _is_a(params.kind, entry.status.st_mode) and pattern.fits(entry.path):
                    if len(found) == params.limit:
                        truncated = "limit"
                        break
                    found.append(shown(entry.path if start.path == "." else f"{start.path}/{entry.path}"))
        except TimeoutError:
            self.pace.check()  # the step's own time is over: that is a failure, ours is not
            truncated = "time"
        finally:
            os.close(top)
        more = f", cut off by {truncated}" if truncated else ""
        return Done(
            value={"paths": found, "truncated": truncated}, summary=f"{len(found)} found{more}\n" + "\n".join(found)
        )

    def _bytes(self, fd: int, params: ReadParams) -> dict[str, Any]:
        limit = min(params.limit or self.most_bytes, self.most_bytes * 3 // 4)
        digest = hashlib.sha256()
        kept = bytearray()
        size = 0
        while piece := os.read(fd, READ_BYTES):
            self.pace.check()
            digest.update(piece)
            kept += piece[max(0, params.offset - size) : max(0, params.offset + limit - size)]
            size += len(piece)
        after = params.offset + len(kept)
        return {
            "content": b64encode(kept).decode("ascii"),
            "encoding": params.encoding,
            "sha256": digest.hexdigest(),
            "size_bytes": size,
            "next_offset": after if after < size else None,
        }

    def _lines(self, fd: int, params: ReadParams, place: Place) -> dict[str, Any]:
        """Whole lines, as many as there is room for; of a first one that is too long the beginning."""
        kept: list[bytes] = []
        room, size, lines = self.most_bytes, 0, 0
        next_offset: int | None = None
        is_cut, has_begun = False, False
        digest = hashlib.sha256()
        # A line that fits comes in one part, so a part that does not fit is of a line that does not.
        longest = max(READ_BYTES, self.most_bytes + 1)
        with open(fd, "rb", buffering=READ_BYTES, closefd=False) as file:
            while part := file.readline(longest):
                self.pace.check()
                if size < SNIFFED_BYTES and b"\0" in part[: SNIFFED_BYTES - size]:
                    raise _no_text(place)
                digest.update(part)
                size += len(part)
                if next_offset is None and lines >= params.offset:
                    if params.limit is not None and lines == params.offset + params.limit:
                        next_offset = lines
                    elif len(part) <= room:
                        kept.append(part)
                        room -= len(part)
                    else:
                        is_cut = not kept
                        next_offset = lines + is_cut
                        kept += [part[:room]] if is_cut else []
                has_begun = not part.endswith(b"\n")
                lines += not has_begun
        lines += has_begun
        return {
            "content": _text(b"".join(kept), place, is_cut=is_cut),
            "encoding": params.encoding,
            "sha256": digest.hexdigest(),
            "size_bytes": size,
            "lines": lines,
            "next_offset": next_offset if next_offset is None or next_offset < lines else None,
            "cut": is_cut,
        }


def _is_a(kind: str, mode: int) -> bool:
    match kind:
        case "file":
            return stat.S_ISREG(mode)
        case "folder":
            return stat.S_ISDIR(mode)
        case _:
            return True


def shown(path: str) -> str:
    """A path as text: bytes that are no UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _text(content: bytes, place: Place, *, is_cut: bool) -> str:
    """UTF-8; a last character that was cut is left out. Raises Declined when it is none."""
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    try:
        return decoder.decode(content, final=not is_cut)
    except UnicodeDecodeError:
        raise _no_text(place) from None


def _no_text(place: Place) -> Declined:
    return at_odds(f"{place.path} is no UTF-8 text", fix='"encoding": "base64" reads any file')
