"""What is wrong with the file of a JSON board, said so that a person can mend it; and the copy that is kept of it."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from dreamos_tasks.errors import BoardCorrupt, BoardGone, BoardUnavailable
from dreamos_tasks.stores.board_file import create_file_with
from dreamos_tasks.stores.json_document import NotABoard
from dreamos_tasks.stores.json_text import BadText, place_of
from dreamos_tasks.stores.typed_form import Misfit


def gone(path: Path, *, was_open: bool) -> BoardGone:
    """There is no file."""
    if not was_open:
        return BoardGone(f"there is no board at {path}", fix="dt init makes one")
    return BoardGone(
        f"the board at {path} was deleted while it was open",
        cause="nothing was written in its place: a new, empty board would hide the loss",
        fix="put the file back (dt backup makes copies) and try again; a new board is made by dt init",
    )


def restless(path: Path, *, tries: int) -> BoardUnavailable:
    """The file never stayed as it was for long enough to be judged."""
    return BoardUnavailable(
        f"{path} is being written all the time, and not as a board",
        cause=f"it changed {tries} times in a row while it was read",
        fix=f"fuser {path} may name the program",
    )


def corrupt(path: Path, content: bytes, misfit: Misfit, *, saved_at: datetime) -> BoardCorrupt:
    """The file says something that a board cannot hold. It stays as it is, and a copy is kept beside it."""
    if not content.strip():
        return BoardCorrupt(
            f"{path} is empty",
            cause="a board without tasks is not an empty file",
            fix=f"dt board restore FILE puts a copy made by dt backup in its place; or begin anew: rm {path} && dt init",
        )
    place, kept = "", ""
    if not isinstance(misfit, NotABoard):
        place, kept = _place(content, misfit), _keep_aside(path, content, saved_at)
    return BoardCorrupt(
        f"{path}{place}: {misfit.what}",
        cause="; ".join(part for part in (misfit.cause, kept) if part),
        fix=misfit.fix or "mend it in an editor; it is read again as soon as it is saved",
    )


def _place(content: bytes, misfit: Misfit) -> str:
    if isinstance(misfit, BadText):
        return f", line {misfit.line}, column {misfit.column}"
    if not misfit.pointer:
        return ""
    line, column = place_of(content, misfit.pointer)
    return f", line {line}, column {column} ({misfit.pointer})"


def _keep_aside(path: Path, content: bytes, saved_at: datetime) -> str:
    """Copy the bytes to `NAME.corrupt-TIMESTAMP`, once for each content; says where they are."""
    prefix = f"{path.name}.corrupt-"
    try:
        copies = [beside for beside in path.parent.iterdir() if beside.name.startswith(prefix)]
        same = (copy for copy in copies if copy.stat().st_size == len(content) and copy.read_bytes() == content)
        copy = next(same, None)
        if copy is None:
            name = f"{prefix}{saved_at:%Y%m%dT%H%M%S}"
            taken = {copy.name for copy in copies}
            number = next(n for n in range(1, len(copies) + 2) if _numbered(name, n) not in taken)
            copy = path.with_name(_numbered(name, number))
            with suppress(FileExistsError):  # another process keeps the same content
                create_file_with(copy, content)
    except OSError as error:
        return f"the file is left as it is; no copy could be made ({error})"
    return f"the file is left as it is, with a copy in {copy}"


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}-{number}"
