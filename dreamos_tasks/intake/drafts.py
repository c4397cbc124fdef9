"""The one door for work from outside: a JSON value or text becomes drafts, or everything that is wrong with it is told.

A text holds a task, an array of tasks, `{"tasks": [...]}`, or (JSON Lines) a task a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dreamos_tasks.intake.draft_forms import WRITTEN_FIELDS, Door, draft_of
from dreamos_tasks.intake.findings import MOST_KEPT, Findings
from dreamos_tasks.intake.json_places import places_of
from dreamos_tasks.intake.json_text import MAX_BYTES, UnreadableJson, check_shape, check_size, decode, parse
from dreamos_tasks.intake.problems import InvalidDrafts, Notice, Problem, placed, pointer_to, shown
from dreamos_tasks.model.task import TaskDraft

MAX_TASKS = 10_000
A_FILE = 'a task {"title": ...}, an array of tasks, or {"tasks": [...]}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was read: the drafts, where each stands, and what was let pass."""

    drafts: tuple[TaskDraft, ...]
    pointers: tuple[str, ...]
    is_array: bool
    notices: tuple[Notice, ...] = ()


def read_drafts(value: Any, door: Door, *, max_tasks: int = MAX_TASKS) -> Reading:
    """The drafts of a JSON value. Raises InvalidDrafts with every problem there is."""
    reading, problems = _gather(value, door, max_tasks=max_tasks)
    if problems:
        raise InvalidDrafts(problems, notices=reading.notices)
    return reading


def read_text(
    text: str | bytes, door: Door, *, lines: bool | None = None, max_bytes: int = MAX_BYTES, max_tasks: int = MAX_TASKS
) -> Reading:
    """The drafts of a text. `lines`: whether it is JSON Lines; None finds out.

    Raises InvalidDrafts, or UnreadableJson when it is no JSON at all; both say line and column where they are known.
    """
    check_size(len(text), max_bytes=max_bytes)
    if isinstance(text, bytes):
        text = decode(text)
    if lines if lines is not None else _is_lines(text):
        return _read_lines(text, door, max_tasks=max_tasks)
    reading, problems = _gather(parse(text), door, max_tasks=max_tasks)
    if problems:
        places = places_of(text, {problem.pointer for problem in problems})
        raise InvalidDrafts([placed(problem, places) for problem in problems], notices=reading.notices)
    return reading


def _gather(value: Any, door: Door, *, max_tasks: int) -> tuple[Reading, list[Problem]]:
    findings = Findings()
    above, values, is_array = _tasks_in(value, findings)
    pointers = [above + pointer_to(index) for index in range(min(len(values), max_tasks + 1))] if is_array else [above]
    reading = _read(list(zip(pointers, values, strict=False)), door, findings, max_tasks=max_tasks, is_array=is_array)
    return reading, findings.problems


def _tasks_in(value: Any, findings: Findings) -> tuple[str, list[Any], bool]:
    """Where the tasks of a file's value stand, the tasks, and whether they are an array."""
    if isinstance(value, list):
        return "", value, True
    if not isinstance(value, dict):
        findings.refuse_type("", value, expected=A_FILE, fix='{"title": "..."}')
        return "", [], False
    if "tasks" not in value:
        return "", [value], False
    tasks = value["tasks"]
    also = [key for key in value if key in WRITTEN_FIELDS]
    if also:
        findings.refuse(
            "",
            f"it is either a task or a list of tasks, and has both tasks and {', '.join(also)}",
            expected=A_FILE,
            found=shown(value),
            fix=f"move {', '.join(also)} into each task",
        )
    for key in value.keys() - {"tasks", *also}:
        findings.note(pointer_to(key), f"{shown(key)} beside tasks says nothing about any of them; it was ignored")
    if not isinstance(tasks, list):
        findings.refuse_type("/tasks", tasks, expected="an array of tasks", fix='"tasks": [{"title": "..."}]')
        return "/tasks", [], True
    return "/tasks", tasks, True


def _read(
    found: Sequence[tuple[str, Any]], door: Door, findings: Findings, *, max_tasks: int, is_array: bool
) -> Reading:
    if not found and not findings.problems:
        findings.refuse("", "it holds no task", expected="at least one task", found="none", fix='{"title": "..."}')
    if len(found) > max_tasks:
        findings.refuse(
            "",
            f"it holds more than {max_tasks:,} tasks",
            expected=f"at most {max_tasks:,} tasks",
            found="more",
            fix="drop several smaller files, or raise inbox.max_tasks_per_file",
        )
        found = ()
    drafts = []
    for pointer, value in found:
        if len(findings.problems) >= MOST_KEPT:
            break
        drafts.append(draft_of(value, pointer, findings, door))
    return Reading(
        drafts=tuple(draft for draft in drafts if draft is not None),
        pointers=tuple(pointer for pointer, _ in found),
        is_array=is_array,
        notices=tuple(findings.notices),
    )


def _read_lines(text: str, door: Door, *, max_tasks: int) -> Reading:
    """A task a line; blank lines are passed over. A pointer begins with the number of the task, from 0."""
    check_shape(text)
    findings = Findings()
    found: list[tuple[str, Any]] = []
    numbers: dict[str, int] = {}
    unfinished: UnreadableJson | None = None
    for number, line in _lines(text):
        if len(numbers) > max_tasks or len(findings.problems) >= MOST_KEPT:
            break  # enough to refuse it
        pointer = pointer_to(len(numbers))
        numbers[pointer] = number
        try:
            found.append((pointer, parse(line, first_line=number)))
        except UnreadableJson as error:
            problem = error.problem
            findings.problems.append(replace(problem, pointer=pointer + problem.pointer))
            unfinished = error if error.unfinished else None
        else:
            unfinished = None
    if unfinished is not None and len(findings.problems) == 1:
        raise UnreadableJson(findings.problems[0], unfinished=True)
    if not numbers:
        raise UnreadableJson(Problem(pointer="", message="it is empty", expected="a task a line"), unfinished=True)
    reading = _read(found, door, findings, max_tasks=max_tasks, is_array=True)
    if findings.problems:
        raise InvalidDrafts([_on_its_line(problem, numbers) for problem in findings.problems], notices=reading.notices)
    return reading


def _on_its_line(problem: Problem, numbers: dict[str, int]) -> Problem:
    task = "/".join(problem.pointer.split("/")[:2])
    return placed(problem, {task: (numbers[task], 1)}) if task in numbers else problem


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers from 1. Only a line feed ends a line: a text may hold others."""
    lines: Iterable[str] = text.split("\n")
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip(" \t\r"))


def _is_lines(text: str) -> bool:
    """Whether a text looks like JSON Lines: an object that is whole on its line, and another after it."""
    some = [line for _, line in zip(range(2), (line for _, line in _lines(text)), strict=False)]
    if len(some) < 2 or not some[1].lstrip().startswith("{"):
        return False
    try:
        return isinstance(parse(some[0]), dict)
    except UnreadableJson:
        return False
