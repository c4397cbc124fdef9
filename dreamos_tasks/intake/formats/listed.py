"""A list of tasks that another board keeps: each task's keys said in our words, and what cannot be said is kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from dreamos_tasks.intake.formats.found import Found, Note, NoteKind
from dreamos_tasks.intake.formats.words import UNDER_WAY, priority_of, status_of, word_of
from dreamos_tasks.intake.problems import pointer_to, shown
from dreamos_tasks.model.dependencies import ring_closers
from dreamos_tasks.model.instants import read_instant
from dreamos_tasks.model.task import FINAL, TASK_FIELDS, Status

# Our field, and what others call it; the first that is there counts.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "task_id": ("task_id", "id", "key"),
    "title": ("title", "name", "task_name", "summary", "task"),
    "description": ("description", "details", "desc", "body"),
    "depends_on": ("depends_on", "dependencies", "blocked_by", "requires_tasks"),
    "assigned_to": ("assigned_to", "assigned_agent", "assignee", "agent", "claimed_by", "agent_id", "owner"),
    "tags": ("tags", "labels"),
    "requires": ("requires", "required_capabilities", "capabilities"),
    "parent_id": ("parent_id", "parent", "parent_task_id"),
    "due_at": ("due_at", "due", "due_date", "deadline"),
    "created_by": ("created_by", "reporter", "author"),
    "result": ("result", "completion_summary", "outcome"),
    "error": ("error", "failure_reason", "error_message"),
    "ended_at": ("finished_at", "completed_at", "timestamp_completed_utc", "timestamp_completed", "completed_date"),
}
LISTS = frozenset({"depends_on", "tags", "requires"})
OURS_AS_THEY_ARE = (
    "plan",
    "run",
    "verify",
    "context",
    "not_before",
    "timeout_seconds",
    "limits",
    "retry",
    "concurrency_key",
)
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")  # in an id
_COMMA = re.compile(r"[,;]")
_UNFIT_NAME = re.compile(r"[^A-Za-z0-9._:@+-]+")
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\[\[?[A-Z_ ]+\]?\]|<[a-zA-Z_ ]+>|PLACEHOLDER|YYYY")
_INSTANT_KEY = re.compile(r"(_at|_on|_utc|date|time)$|timestamp|^(created|updated|modified)", re.IGNORECASE)
INSTANTS = frozenset((*SYNONYMS["due_at"], *SYNONYMS["ended_at"]))  # these are read
LONGEST_ID = 128
MARK_LENGTH = 8


def found_task(value: Mapping[str, Any], *, file: str, pointer: str, default: Status) -> Found:
    """The task as it is to be put on the board. `default`: where it is to be when it does not say."""
    return _Mapping(value, file, pointer, default).found()


def tasks_in(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The tasks of a list, of `{"tasks": [...]}`, or of `{"ID": {...}, ...}`, each with its place (JSON Pointer)."""
    if isinstance(value, dict) and isinstance(value.get("tasks"), list | dict):
        for pointer, task in tasks_in(value["tasks"]):
            yield "/tasks" + pointer, task
    elif isinstance(value, list):
        for index, task in enumerate(value):
            yield pointer_to(index), task
    elif isinstance(value, dict) and value and all(isinstance(task, dict) for task in value.values()):
        for key, task in value.items():
            yield pointer_to(key), {"task_id": key, **task}
    elif isinstance(value, dict):
        yield "", value


def fit_id(source_id: str) -> str:
    """An id for this board: the other board's own wherever it can be one.

    Letters that no id has would leave the same of many: what is left then has a mark of the whole behind it.
    """
    fit = _UNFIT.sub("-", source_id).strip("-._")
    if fit and source_id.isascii():
        return fit[:LONGEST_ID]
    return f"{fit[: LONGEST_ID - MARK_LENGTH - 1] or 'id'}-{_mark_of(source_id)}"


def _mark_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:MARK_LENGTH]


class _Mapping:
    """One task on its way."""

    def __init__(self, value: Mapping[str, Any], file: str, pointer: str, default: Status) -> None:
        self._value = value
        self._file = file
        self._where = f"{file}#{pointer}"
        self._default = default
        self._used: set[str] = set()
        self._form: dict[str, Any] = {}
        self._notes: list[Note] = []

    def found(self) -> Found:
        source_id = str(self._take("task_id") or self._id_by_content())
        self._form["task_id"] = fit_id(source_id)
        if self._form["task_id"] != source_id:
            self._note(NoteKind.MAPPED, f"the id {shown(source_id)} is {self._form['task_id']} here")
        self._texts()
        self._lists()
        self._priority()
        self._agent()
        due = self._instant("due_at")
        if due is not None:
            self._form["due_at"] = due.isoformat()
        for name in OURS_AS_THEY_ARE:
            if self._value.get(name) is not None:
                self._form[name] = self._value[name]
                self._used.add(name)
        status, reason = self._status()
        result, error, ended_at = self._take("result"), self._take("error"), self._instant("ended_at")
        self._keep_the_rest()
        return Found(
            source_id=source_id,
            where=self._where,
            form=self._form,
            status=status,
            result=result if status is Status.COMPLETED else None,
            error=_error_text(error),
            reason=reason,
            ended_at=ended_at if status in FINAL else None,
            notes=tuple(self._notes),
        )

    def _id_by_content(self) -> str:
        """For a task that has none: its place is that of another one as soon as the list has grown at its beginning."""
        said = [str(self._value.get(key)) for name in ("title", "description") if (key := self._key(name)) is not None]
        return f"{self._file}#{_mark_of(json.dumps(said))}"

    def _texts(self) -> None:
        for name in ("title", "description", "parent_id", "created_by"):
            text = self._take(name)
            if text is not None and str(text).strip():
                self._form[name] = str(text)
        if isinstance(self._form.get("parent_id"), str):
            self._form["parent_id"] = fit_id(self._form["parent_id"])

    def _lists(self) -> None:
        for name in ("depends_on", "tags", "requires"):
            words = self._take(name)
            texts = [str(word) for word in _listed(words) if str(word).strip()]
            if isinstance(words, str) and len(texts) > 1:
                self._note(NoteKind.MAPPED, f"{name}: {shown(words)} is {len(texts)} of them")
            fit = [fit_id(text) if name == "depends_on" else _UNFIT_NAME.sub("-", text).strip("-.:+") for text in texts]
            for text, made in zip(texts, fit, strict=True):
                if made != text and name != "depends_on":
                    self._note(NoteKind.MAPPED, f"{name}: {shown(text)} is {made or 'left out'}")
            if any(fit):
                self._form[name] = [word for word in fit if word]

    def _priority(self) -> None:
        if "priority" not in self._value:
            return
        self._used.add("priority")
        given = self._value["priority"]
        priority = priority_of(given)
        if priority is None:
            self._note(NoteKind.REFUSED, f"{shown(given)} is no priority: it is medium")
            return
        self._form["priority"] = priority.value
        if str(given) != priority.value:
            self._note(NoteKind.MAPPED, f"priority {shown(given)} is {priority.value}")

    def _agent(self) -> None:
        agent = self._take("assigned_to")
        name = _UNFIT_NAME.sub("-", str(agent)).strip("-.:+") if agent else ""
        if name and word_of(agent) not in ("unassigned", "none", "null", "any", "tbd"):
            self._form["assigned_to"] = name

    def _status(self) -> tuple[Status, str]:
        """Where it is to be, and why if it is paused."""
        if self._value.get("status") in (None, ""):
            return self._default, ""
        self._used.add("status")
        given = self._value["status"]
        status = status_of(given)
        if status is None:
            self._note(NoteKind.REFUSED, f"nobody knows the status {shown(given)}: it is {self._default.value}")
            return self._default, ""
        if word_of(given) in UNDER_WAY:
            holder = self._form.get("assigned_to")
            to = f", assigned to {holder}" if holder else ""
            self._note(NoteKind.MAPPED, f"status {shown(given)} is pending{to}: a claim cannot be taken over")
        elif word_of(given) != status.value:
            self._note(NoteKind.MAPPED, f"status {shown(given)} is {status.value}")
        return status, f"it was {given} where it came from" if status is Status.PAUSED else ""

    def _instant(self, name: str) -> datetime | None:
        """What is no instant is kept, and said: it is most often the text of a template."""
        key = self._key(name)
        given = self._value.get(key) if key else None
        if key is None or given in (None, ""):
            return None
        self._used.add(key)
        try:
            return read_instant(str(given))
        except (ValueError, OverflowError):
            what = "the text of a template" if _TEMPLATE.search(str(given)) else "no instant"
            self._note(NoteKind.REFUSED, f"{key}: {shown(given)} is {what}")
            self._used.discard(key)
            return None

    def _look_at_instants(self, rest: Mapping[str, Any]) -> None:
        """The instants that are only kept: of these, too, it is said when one is the text of a template."""
        for key, value in rest.items():
            if _INSTANT_KEY.search(key) and isinstance(value, str) and _TEMPLATE.search(value):
                self._note(NoteKind.REFUSED, f"{key}: {shown(value)} is the text of a template")

    def _keep_the_rest(self) -> None:
        given = self._value.get("extra")
        rest = {
            key: value
            for key, value in self._value.items()
            if key not in self._used and key not in ("extra", "dedupe_key") and value not in (None, "", [], {})
        }
        rest = {key: value for key, value in rest.items() if value != 0 or key not in TASK_FIELDS}  # our own counters
        self._look_at_instants({key: value for key, value in rest.items() if key not in INSTANTS})
        told = sorted(key for key in rest if key not in TASK_FIELDS)
        if told:
            self._note(NoteKind.KEPT, f"in extra: {', '.join(told)}")
        kept = {**(given if isinstance(given, dict) else {}), **rest}
        if kept:
            self._form["extra"] = kept

    def _key(self, name: str) -> str | None:
        return next((key for key in SYNONYMS[name] if self._value.get(key) not in (None, "", [])), None)

    def _take(self, name: str) -> Any:
        key = self._key(name)
        if key is None:
            return None
        taken = self._value[key]
        self._used |= {other for other in SYNONYMS[name] if self._value.get(other) == taken}
        return taken

    def _note(self, kind: NoteKind, said: str) -> None:
        self._notes.append(Note(kind=kind, where=self._where, said=said))


def _listed(words: Any) -> Sequence[Any]:
    """What stands there as a list: also one that is a text, with commas between."""
    if isinstance(words, str):
        return [part.strip() for part in _COMMA.split(words)]
    return words if isinstance(words, list) else [] if words is None else [words]


def linked(found: Sequence[Found], *, known: frozenset[str]) -> Sequence[Found]:
    """The tasks with those links only that lead to one of them or to a task on the board; the others are kept, and said."""
    there = known | {str(task.form["task_id"]) for task in found}
    return [_linked(task, there) for task in found]


def without_rings(found: Sequence[Found]) -> Sequence[Found]:
    """The tasks without those dependencies that would close a ring, in which none could ever start; they are kept, and said."""
    closers = ring_closers({str(task.form["task_id"]): task.form.get("depends_on", ()) for task in found})
    said = "it would close a ring of dependencies"
    return [_without(task, lost, said=said) if (lost := closers.get(task.form["task_id"])) else task for task in found]


def _without(task: Found, lost: Sequence[str], *, said: str) -> Found:
    """The task without these dependencies."""
    form = dict(task.form)
    form["depends_on"] = [other for other in form["depends_on"] if other not in lost]
    kept = form.get("extra", {})
    form["extra"] = {**kept, "lost_dependencies": [*kept.get("lost_dependencies", ()), *lost]}
    note = Note(kind=NoteKind.REFUSED, where=task.where, said=f"{said}: {', '.join(lost)}")
    return replace(task, form=form, notes=(*task.notes, note))


def _linked(task: Found, there: frozenset[str]) -> Found:
    lost = [other for other in task.form.get("depends_on", ()) if other not in there or other == task.form["task_id"]]
    if lost:
        task = _without(task, lost, said="it depends on what is not there")
    form, notes = dict(task.form), list(task.notes)
    if task.status is Status.PAUSED and form.get("depends_on"):
        said = "it is pending: its dependencies say what it waits for"
        notes.append(Note(kind=NoteKind.MAPPED, where=task.where, said=said))
        task = replace(task, status=Status.PENDING, reason="")
    parent = form.get("parent_id")
    if parent is not None and parent not in there:
        del form["parent_id"]
        form["extra"] = {**form.get("extra", {}), "lost_parent": parent}
        notes.append(Note(kind=NoteKind.REFUSED, where=task.where, said=f"its parent {parent} is not there"))
    return replace(task, form=form, notes=tuple(notes))


def _error_text(error: Any) -> str:
    if isinstance(error, Mapping):
        return str(error.get("message") or error)
    return str(error) if error else ""
