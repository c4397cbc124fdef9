"""What a task's steps printed: the kept files, or what the board has of them, and following them as they grow."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from dreamos_tasks.errors import NotFound
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.text import harmless_block
from dreamos_tasks.model.plan import StepResult
from dreamos_tasks.model.task import Task

POLL_SECONDS = 0.2
READ_BYTES = 65_536


def recorded_logs(runs: Path, task: Task, *, step: str | None) -> Iterator[tuple[str, str]]:
    """The name and output of each step that printed something. Raises NotFound when there is no such step."""
    names = [record.name for record in task.steps]
    planned = [each.name for each in task.plan.steps] if task.plan is not None else []
    if step is not None and step not in names and step not in planned:
        raise NotFound(
            f"{task.task_id} has no step {step!r}",
            cause="its steps are: " + (", ".join(dict.fromkeys([*planned, *names])) or "none"),
            fix=f"dt show {task.task_id}",
        )
    for record in task.steps:
        if step in (None, record.name):
            output = _output_of(runs, record)
            if output:
                yield record.name, output


def follow_logs(call: Call, task_id: str, *, step: str | None) -> None:
    """Print what the task's current attempt prints, as it comes, until the task is no longer in progress."""
    folder = call.home.runs / task_id
    read: dict[Path, int] = {}
    while True:
        task = call.nexus.get_task_by_id(task_id)
        for file in sorted(folder.glob(f"{task.last_token}/*"), key=lambda path: path.name):
            if file.is_file() and (step is None or file.name.startswith(step)):
                _print_new(call, file, read)
        if task.claim is None:
            return
        time.sleep(POLL_SECONDS)


def _print_new(call: Call, file: Path, read: dict[Path, int]) -> None:
    with file.open("rb") as stream:
        stream.seek(read.get(file, 0))
        while chunk := stream.read(READ_BYTES):
            read[file] = read.get(file, 0) + len(chunk)
            words = chunk.decode("utf-8", "replace")
            call.out.text(harmless_block(words) if call.out.stdout_is_terminal else words)


def _output_of(runs: Path, record: StepResult) -> str:
    if record.output_path is not None:
        try:
            return (runs / record.output_path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            pass  # it was tidied away: the board has its head and tail
    if not record.output_tail:
        return record.output_head
    return f"{record.output_head}\n[...]\n{record.output_tail}"
