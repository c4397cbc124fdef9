"""Exporting: all tasks of a board, as JSON, as JSON Lines, as Markdown for people, or as a board in four files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dreamos_tasks.app.boards import make_folder
from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.errors import UsageError
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import FINAL, Status, Task
from dreamos_tasks.model.told_form import task_told
from dreamos_tasks.whole_file import replace_with, sync_folder, this_writer, write_beside

PAGE = 1000
HEADINGS: Mapping[Status, str] = {
    Status.IN_PROGRESS: "In progress",
    Status.AWAITING_APPROVAL: "Awaiting approval",
    Status.PENDING: "Pending",
    Status.STALLED: "Stalled",
    Status.PAUSED: "Paused",
    Status.FAILED: "Failed",
    Status.COMPLETED: "Completed",
    Status.CANCELLED: "Cancelled",
}
# What each of the four files holds, and how its tasks are called there.
FILES: Mapping[str, tuple[frozenset[Status], str]] = {
    "task_backlog.json": (frozenset({Status.PAUSED, Status.STALLED}), "BLOCKED"),
    "task_ready_queue.json": (frozenset({Status.PENDING, Status.AWAITING_APPROVAL}), "PENDING"),
    "working_tasks.json": (frozenset({Status.IN_PROGRESS}), "WORKING"),
    "completed_tasks.json": (FINAL, ""),
}


def all_tasks(nexus: TaskNexus, statuses: frozenset[str] = frozenset()) -> Iterator[Task]:
    """Every task, by age; page by page, so that a large board is never in memory as a whole."""
    after: str | None = None
    while True:
        query = TaskQuery(statuses=statuses, order=Order.AGE, after=after, limit=PAGE)
        page = nexus.find_tasks(query)
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].task_id


def as_markdown(tasks: Iterable[Task]) -> Iterator[str]:
    """A line a task, under a heading for each state, with a box that is ticked when it is completed."""
    by_status: dict[Status, list[Task]] = {}
    for task in tasks:
        by_status.setdefault(task.status, []).append(task)
    for status, heading in HEADINGS.items():
        if status in by_status:
            yield f"## {heading}\n"
            yield from (_line(task) for task in by_status[status])
            yield ""


def write_boards(tasks: Iterable[Task], folder: Path) -> Mapping[str, int]:
    """A board in four files, each replaced as a whole; gives how many tasks each has. Raises OSError."""
    make_folder(folder)
    held: dict[str, list[Any]] = {name: [] for name in FILES}
    for task in tasks:
        name, word = next((name, word) for name, (statuses, word) in FILES.items() if task.status in statuses)
        held[name].append(_four_file_form(task, word or task.status.value.upper()))
    for name, forms in held.items():
        content = json.dumps(forms, indent=2, ensure_ascii=False) + "\n"
        beside = folder / f".{name}.{this_writer()}.part"
        write_beside(beside, [content.encode("utf-8")])
        replace_with(beside, folder / name)
    sync_folder(folder)
    return {name: len(forms) for name, forms in held.items()}


def write_lines(lines: Iterable[str], path: Path) -> None:
    """The lines as a file, which is replaced as a whole. Raises OSError."""
    beside = path.with_name(f".{path.name}.{this_writer()}.part")
    write_beside(beside, (f"{line}\n".encode() for line in lines))
    replace_with(beside, path)
    sync_folder(path.parent)


def _four_file_form(task: Task, word: str) -> dict[str, Any]:
    form = task_told(task)
    claim = form.pop("claim")
    claimed = {"claimed_by": claim["agent_id"]} if claim else {}
    return {**form, "name": task.title, "dependencies": form["depends_on"], **claimed, "status": word}


def _line(task: Task) -> str:
    box = "x" if task.status is Status.COMPLETED else " "
    holder = task.claim.agent_id if task.claim is not None else task.assigned_to
    said = [task.task_id, task.priority.value]
    said += [f"@{holder}"] if holder else []
    said += [f"#{tag}" for tag in task.tags]
    said += [f"needs {', '.join(task.depends_on)}"] if task.depends_on else []
    return f"- [{box}] {_plain(task.title)} ({', '.join(said)})"


def _plain(title: str) -> str:
    """On one line, and no mark-up of its own."""
    words = " ".join(title.split())
    return "".join(f"\\{char}" if char in r"\`*_[]<>" else char for char in words)


def check_folder(path: Path) -> None:
    """Raises UsageError when a board in four files cannot go there: it would replace what is not one."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file", cause="a board in four files is a folder", fix="name a folder")
