"""The document of a JSON board: what its file says, checked as a whole, and the file's text again.

Two forms: the project's own `{"dreamos_tasks": 1, "clock": {...}, "tasks": [...], ...}`, and a plain array of tasks. Each
task carries its `events`, so that a change touches neighbouring lines only; their `seq` counts over the whole board.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Any

from dreamos_tasks.errors import BoardTooNew, DependencyCycle
from dreamos_tasks.model.event import Event
from dreamos_tasks.model.ids import ALPHABET, ID_PREFIX
from dreamos_tasks.model.task import Task
from dreamos_tasks.stores.json_shelves import OLD_GATES, ShelfWriter, read_shelves
from dreamos_tasks.stores.json_text import decode, encode_block, encode_line
from dreamos_tasks.stores.shelves import NOTHING_KEPT, Shelves
from dreamos_tasks.stores.typed_form import Misfit
from dreamos_tasks.stores.written_task import (
    event_to_written,
    folded,
    missing_events,
    read_events,
    read_task,
    task_to_written,
)

OWN_KEYS = frozenset({"tasks", "clock", "shelves"})  # top-level keys that are written anew
MARK = "dreamos_tasks"  # the key that tells a board from any other file; its value is the form's version
FORM_VERSION = 1
DERIVED_ID_LENGTH = 6  # of a task written without an id; longer on a clash


class NotABoard(Misfit):
    """JSON, but of something else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonDocument:
    """What the file of a board says."""

    is_array: bool = False
    # The top-level keys in the file's order; `tasks`, `clock` and `shelves` hold their places with None. Empty for an array.
    head: Mapping[str, Any] = field(default_factory=lambda: {MARK: FORM_VERSION, "tasks": None})
    tasks: Mapping[str, Task] = field(default_factory=dict)  # in order of age, which is the file's
    events: tuple[Event, ...] = ()  # by seq
    offsets: Mapping[str, int] = field(default_factory=dict)  # boot id -> offset, at most one
    shelves: Shelves = NOTHING_KEPT
    edits: tuple[tuple[Task, tuple[Event, ...]], ...] = ()  # what was written by hand, and the events that tell it


def parse(content: bytes, *, path: str, saved_at: datetime) -> JsonDocument:
    """The document of a file's bytes, which were written at `saved_at`. Raises Misfit, BoardTooNew."""
    top = decode(content)
    if isinstance(top, list):
        return _read_tasks(JsonDocument(is_array=True, head={}), top, at="", saved_at=saved_at)
    if not isinstance(top, dict) or MARK not in top:
        raise NotABoard(
            "this is no board",
            expected=f'{{"{MARK}": {FORM_VERSION}, "tasks": [...]}}, or an array of tasks',
            fix=f'name another file, or add "{MARK}": {FORM_VERSION} if its tasks are meant: dt import reads all other forms',
        )
    version = top[MARK]
    if version.__class__ is not int or version < 1:
        raise Misfit(f"{version!r} is no version", expected=f"{FORM_VERSION}", pointer=f"/{MARK}")
    if version > FORM_VERSION:
        raise BoardTooNew(path, found=version, known=FORM_VERSION)
    if not isinstance(top.get("tasks"), list):
        raise Misfit("there is no list of tasks", expected='"tasks": [...]', fix='write "tasks": [] if there is none')
    head = {key: None if key in OWN_KEYS else value for key, value in top.items() if key != OLD_GATES}
    document = JsonDocument(head=head, offsets=_read_clock(top.get("clock")), shelves=read_shelves(top))
    return _read_tasks(document, top["tasks"], at="/tasks", saved_at=saved_at)


@dataclass(slots=True)
class Writer:
    """Makes the text of a document. Keeps the text of each task, so that saving costs what has changed."""

    _kept: dict[str, tuple[Task, int, str]] = field(default_factory=dict)
    _shelves: ShelfWriter = field(default_factory=ShelfWriter)

    def write(self, document: JsonDocument) -> bytes:
        """The file's bytes."""
        events: dict[str, list[Event]] = {task_id: [] for task_id in document.tasks}
        for event in document.events:
            events[event.task_id].append(event)
        blocks = [self._block(task, events[task.task_id]) for task in document.tasks.values()]
        self._kept = {task_id: self._kept[task_id] for task_id in document.tasks}
        if document.is_array:
            return (_list_of(blocks) + "\n").encode()
        keys = dict(document.head)
        if document.offsets and "clock" not in keys:
            keys = {MARK: keys.pop(MARK), "clock": None, **keys}
        if document.shelves.by_name and "shelves" not in keys:
            keys = {
                MARK: keys.pop(MARK),
                **{key: keys.pop(key) for key in ("clock",) if key in keys},
                "shelves": None,
                **keys,
            }
        lines = []
        for key, value in keys.items():
            if key == "tasks":
                text = _list_of(blocks)
            elif key == "clock":
                text = encode_block(_clock_form(document.offsets))
            elif key == "shelves":
                text = self._shelves.write(document.shelves)
            else:
                text = encode_block(value)
            lines.append(f"  {encode_line(key)}: {_indented(text)}")
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()

    def _block(self, task: Task, events: Sequence[Event]) -> str:
        kept = self._kept.get(task.task_id)
        if kept is not None and kept[0] is task and kept[1] == len(events):
            return kept[2]
        fields = encode_block(task_to_written(task)).removesuffix("\n}")
        lines = [encode_line(event_to_written(event)) for event in events]
        block = f'{fields},\n  "events": {_indented(_list_of(lines))}\n}}' if lines else fields + "\n}"
        self._kept[task.task_id] = (task, len(events), block)
        return block


def _list_of(blocks: Sequence[str]) -> str:
    return "[\n  " + ",\n  ".join(map(_indented, blocks)) + "\n]" if blocks else "[]"


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")  # a line break inside a JSON text is always an escape


def _clock_form(offsets: Mapping[str, int]) -> Any:
    return next(({"boot_id": boot_id, "offset_us": offset} for boot_id, offset in offsets.items()), None)


def _read_clock(form: Any) -> dict[str, int]:
    if form is None:
        return {}
    match form:
        case {"boot_id": str(boot_id), "offset_us": int(offset_us)} if offset_us.__class__ is int and len(form) == 2:
            return {boot_id: offset_us}
    raise Misfit(
        "this is no clock of a board",
        expected='{"boot_id": "...", "offset_us": ...}',
        fix="remove it: it is measured anew, while nobody works on a task",
        pointer="/clock",
    )


def _read_tasks(document: JsonDocument, forms: Sequence[Any], *, at: str, saved_at: datetime) -> JsonDocument:
    """The document with its tasks and events. `at` is the JSON Pointer of the list."""
    ids = _ids(forms, at=at)
    tasks: dict[str, Task] = {}
    events: list[Event] = []
    edits = []
    for index, (task_id, form) in enumerate(zip(ids, forms, strict=True)):
        try:
            try:
                log = read_events(form.get("events"), task_id=task_id)
                told = folded(log)
            except Misfit as misfit:
                read_task(
                    form, task_id=task_id, told=None, saved_at=saved_at
                )  # what is wrong with the task comes first
                misfit.inside("events")
                raise
            events.extend(log)
            task = read_task(form, task_id=task_id, told=told, saved_at=saved_at)
        except Misfit as misfit:
            misfit.pointer = f"{at}/{index}{misfit.pointer}"
            raise
        recorded, missing = missing_events(task, told=told, saved_at=saved_at)
        tasks[task_id] = task
        if missing:
            edits.append((recorded, missing))
    _check_links(tasks, at=at)
    return replace(document, tasks=tasks, events=_in_order(events), edits=tuple(edits))


def _ids(forms: Sequence[Any], *, at: str) -> list[str]:
    """Each task's id, in their order. One that was written without an id gets one that follows from what it says."""
    given: dict[str, int] = {}
    for index, form in enumerate(forms):
        if not isinstance(form, dict):
            raise Misfit(
                "a task is an object", expected='{"title": "..."}', fix="write it as one", pointer=f"{at}/{index}"
            )
        task_id = form.get("task_id")
        if task_id is None:
            continue
        if not isinstance(task_id, str) or not task_id:
            raise Misfit(
                f"{task_id!r} cannot be a task id",
                expected="a text",
                fix="leave task_id out to get a fresh one",
                pointer=f"{at}/{index}/task_id",
            )
        if task_id in given:
            raise Misfit(
                f"{task_id!r} is the id of two tasks",
                expected="each id once",
                fix="leave task_id and events out of the newer one: it gets its own",
                pointer=f"{at}/{index}/task_id",
            )
        given[task_id] = index
    ids = []
    for form in forms:
        task_id = form.get("task_id")
        if task_id is None:
            task_id = _derived_id(form, taken=given)
            given[task_id] = -1
        ids.append(task_id)
    return ids


def _derived_id(form: Mapping[str, Any], *, taken: Mapping[str, int]) -> str:
    """The same for every process that reads the file before the id is written into it."""
    number = int.from_bytes(hashlib.sha256(encode_line(form).encode()).digest(), "big")
    characters = "".join(ALPHABET[number >> (5 * place) & 31] for place in range(51))
    length = DERIVED_ID_LENGTH
    start = 0
    while (task_id := ID_PREFIX + characters[start : start + length]) in taken:
        start += 1  # two tasks that say the same
        if start + length > len(characters):
            start, length = 0, length + 1
    return task_id


def _check_links(tasks: Mapping[str, Task], *, at: str) -> None:
    for index, task in enumerate(tasks.values()):
        for place, other in enumerate(task.depends_on):
            if other not in tasks:
                raise _missing(other, tasks, what="it depends on", pointer=f"{at}/{index}/depends_on/{place}")
        if task.parent_id is not None and task.parent_id not in tasks:
            raise _missing(task.parent_id, tasks, what="its parent is", pointer=f"{at}/{index}/parent_id")
    try:
        TopologicalSorter({task.task_id: task.depends_on for task in tasks.values() if task.depends_on}).prepare()
    except CycleError as error:
        ring = DependencyCycle(tuple(reversed(error.args[1])))  # from the task to what it needs
        index = list(tasks).index(ring.cycle[0])
        raise Misfit(
            ring.message,
            expected="an order in which they can be done",
            fix=ring.fix,
            pointer=f"{at}/{index}/depends_on",
        ) from None


def _missing(task_id: str, tasks: Iterable[str], *, what: str, pointer: str) -> Misfit:
    near = difflib.get_close_matches(task_id, tasks, n=1)
    return Misfit(
        f"{what} {task_id!r}, which is not on this board",
        expected="the id of a task in this file",
        fix=f"did you mean {near[0]!r}?" if near else "put that task back, or leave the id out here",
        pointer=pointer,
    )


def _in_order(events: list[Event]) -> tuple[Event, ...]:
    """All events by seq. Where two have the same, as after merging two people's edits, the later ones move up."""
    events.sort(key=lambda event: (event.seq, event.at))
    ordered: list[Event] = []
    last = 0
    for event in events:
        last = max(event.seq, last + 1)
        ordered.append(event if event.seq == last else replace(event, seq=last))
    return tuple(ordered)
