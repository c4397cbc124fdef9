"""StepLog: a range of what a step printed, also while it runs: from its file, or what the board has kept of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dreamos_tasks.errors import NotFound
from dreamos_tasks.model.plan import StepResult, StepStatus
from dreamos_tasks.model.task import Task
from dreamos_tasks.tools.capture import file_name_of

MOST_LOG_BYTES = 1_048_576  # of one step in one answer; `next_offset` leads on
MOST_BYTES_AT_ONCE = 8 * MOST_LOG_BYTES  # of all steps in one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLog:
    """`output` is what stands from `offset` up to `next_offset`, of `size` bytes. Secrets are blanked in it."""

    step: str
    output: str
    offset: int
    next_offset: int
    size: int

    def form(self) -> dict[str, Any]:
        """As a document."""
        return asdict(self)


def logs_of(
    runs: Path,
    task: Task,
    *,
    step: str | None = None,
    offset: int | None = None,
    tail_bytes: int | None = None,
    limit_bytes: int = MOST_LOG_BYTES,
) -> list[StepLog]:
    """What the steps printed in their latest run: from `offset`, or the last `tail_bytes`. Raises NotFound."""
    planned = [each.name for each in task.plan.steps] if task.plan is not None else []
    records = printed_steps(runs, task)
    names = list(dict.fromkeys([*planned, *(record.name for record in records)]))
    if step is not None and step not in names:
        raise NotFound(
            f"{task.task_id} has no step {step!r}",
            cause="its steps are: " + (", ".join(names) or "none"),
            fix=f"dt show {task.task_id}",
        )
    found: list[StepLog] = []
    room = MOST_BYTES_AT_ONCE
    for record in records:
        if step in (None, record.name):
            log = _log_of(runs, task, record, offset, tail_bytes, min(limit_bytes, room))
            room -= log.next_offset - log.offset
            if log.size or step is not None:
                found.append(log)
    return found


def printed_steps(runs: Path, task: Task) -> Sequence[StepResult]:
    """The records of the task's steps; what printed under its last claim and left none there is taken from its file.

    Such is the command of an agent while it runs, and when it has settled its task itself.
    """
    if any(record.token == task.last_token for record in task.steps):
        return task.steps
    files = sorted(_listed(runs / task.task_id / str(task.last_token)))
    found = {
        path.stem: StepResult(name=path.stem, status=StepStatus.RUNNING, output_path=str(path.relative_to(runs)))
        for path in files
        if path.suffix == ".log"
    }
    return (*(record for record in task.steps if record.name not in found), *found.values())


def _log_of(
    runs: Path, task: Task, record: StepResult, offset: int | None, tail_bytes: int | None, limit_bytes: int
) -> StepLog:
    for path in _files_of(runs, task, record):
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                begin = _begin(size, offset, tail_bytes)
                file.seek(begin)
                return _cut(record.name, file.read(limit_bytes), begin, size)
        except OSError:
            continue  # tidied away, or not begun
    kept = record.output_head + (f"\n[...]\n{record.output_tail}" if record.output_tail else "")
    content = kept.encode()
    begin = _begin(len(content), offset, tail_bytes)
    return _cut(record.name, content[begin : begin + limit_bytes], begin, len(content))


def _files_of(runs: Path, task: Task, record: StepResult) -> Iterator[Path]:
    """Where its output is: as it was recorded, or, of a step that runs, the newest file of its name in the claim's folder."""
    if record.output_path is not None:
        yield runs / record.output_path
        return
    folder, name = runs / task.task_id / str(record.token or task.last_token), file_name_of(record.name)
    numbered = [path for path in _listed(folder) if path.name == f"{name}.log" or _is_numbered(path.name, name)]
    yield from sorted(numbered, key=lambda path: path.stat().st_mtime_ns, reverse=True)


def _is_numbered(file: str, name: str) -> bool:
    return file.startswith(f"{name}.") and file.endswith(".log") and file[len(name) + 1 : -4].isdigit()


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _begin(size: int, offset: int | None, tail_bytes: int | None) -> int:
    if offset is not None:
        return min(offset, size)
    return max(0, size - tail_bytes) if tail_bytes is not None else 0


def _cut(step: str, content: bytes, begin: int, size: int) -> StepLog:
    """A range that begins and ends between characters: what is left of one at its end comes with the next."""
    while begin and content and content[0] & 0xC0 == 0x80:
        content, begin = content[1:], begin + 1
    if begin + len(content) < size:
        end = len(content)
        while end and content[end - 1] & 0xC0 == 0x80 and len(content) - end < 3:
            end -= 1
        if end and content[end - 1] >= 0xC0:
            content = content[: end - 1] or content
    return StepLog(
        step=step, output=content.decode("utf-8", "replace"), offset=begin, next_offset=begin + len(content), size=size
    )
