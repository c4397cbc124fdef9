"""Sources: the files of another board, found by their names or their content, each read into its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamos_tasks.errors import InvalidInput
from dreamos_tasks.intake.formats.found import Found, Note, NoteKind
from dreamos_tasks.intake.formats.listed import found_task, tasks_in
from dreamos_tasks.intake.json_text import UnreadableJson, check_size, decode, parse
from dreamos_tasks.intake.problems import shown
from dreamos_tasks.model.task import Status

# The board in four files (and the older name of the first): where a task is to be that does not say.
FOUR_FILES: Mapping[str, Status] = {
    "task_backlog.json": Status.PENDING,
    "future_tasks.json": Status.PENDING,
    "task_ready_queue.json": Status.PENDING,
    "working_tasks.json": Status.PENDING,
    "completed_tasks.json": Status.COMPLETED,
}
MAX_BYTES = 256 * 1024 * 1024  # a board is read as a whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What was read: the tasks, and what is no task."""

    tasks: tuple[Found, ...]
    notes: tuple[Note, ...] = ()


def read_source(path: Path, *, format: str = "auto") -> Source:
    """The tasks of a file, or of a folder that holds a board in four files. Raises InvalidInput, OSError.

    A task that stands in several of the four files is the one of the last of them, in the order of their work.
    """
    if path.is_dir():
        files = [path / name for name in FOUR_FILES if (path / name).is_file()]
        if not files:
            names = ", ".join(FOUR_FILES)
            raise InvalidInput(
                f"{path} holds no board", cause=f"none of {names} is in it", fix="name a file, or its folder"
            )
    elif format == "boards":
        raise InvalidInput(
            f"{path} is a file", cause="a board in four files is a folder", fix=f"dt import {path.parent}"
        )
    else:
        files = [path]
    reader = _Reader()
    if path.is_dir():
        for other in sorted(path.glob("*.json*")):
            if other not in files and other.is_file():
                reader.pass_over(other.name)
    for file in files:
        check_size(file.stat().st_size, max_bytes=MAX_BYTES)
        reader.read(file.name, file.read_bytes(), lines=_is_lines(file.name, format))
    return reader.source()


def read_stream(content: str, *, format: str = "auto") -> Source:
    """The tasks of what came by standard input. Raises InvalidInput."""
    reader = _Reader()
    reader.read("stdin", content.encode("utf-8", "surrogatepass"), lines=format == "jsonl")
    return reader.source()


class _Reader:
    """Takes in file after file."""

    def __init__(self) -> None:
        self._notes: list[Note] = []
        self._by_id: dict[str, Found] = {}

    def pass_over(self, name: str) -> None:
        self._note(NoteKind.REFUSED, name, f"it is none of {', '.join(FOUR_FILES)}: it was not read")

    def read(self, name: str, content: bytes, *, lines: bool) -> None:
        default = FOUR_FILES.get(name, Status.PENDING)
        for pointer, value in _values_of(name, decode(content), lines=lines):
            if not isinstance(value, dict):
                said = f"a task is an object, and this is {shown(value)}"
                self._note(NoteKind.REFUSED, f"{name}#{pointer}", said)
                continue
            found = found_task(value, file=name, pointer=pointer, default=default)
            earlier = self._by_id.pop(found.source_id, None)
            if earlier is not None:
                said = f"{shown(found.source_id)} stands in {earlier.where} too: the later one counts"
                self._note(NoteKind.MAPPED, found.where, said)
            self._by_id[found.source_id] = found

    def source(self) -> Source:
        return Source(tasks=tuple(self._by_id.values()), notes=tuple(self._notes))

    def _note(self, kind: NoteKind, where: str, said: str) -> None:
        self._notes.append(Note(kind=kind, where=where, said=said))


def _values_of(name: str, text: str, *, lines: bool) -> Iterator[tuple[str, Any]]:
    try:
        if not lines:
            yield from tasks_in(parse(text))
            return
        for number, line in enumerate(text.split("\n")):
            if line.strip():
                yield f"/{number}", parse(line, first_line=number + 1)
    except UnreadableJson as error:
        problem = error.problem
        raise InvalidInput(
            f"{name} is not JSON: {error.message}",
            pointer=problem.pointer,
            cause=error.cause,
            fix="correct it; nothing was imported",
        ) from error


def _is_lines(name: str, format: str) -> bool:
    return format == "jsonl" or (format == "auto" and name.endswith((".jsonl", ".ndjson")))
