"""What a task's steps printed: the kept files, or what the board has of them, and following them as they grow."""

from __future__ import annotations

import time
from codecs import getincrementaldecoder
from collections.abc import Iterator
from glob import escape
from pathlib import Path

from dreamos_tasks.errors import NotFound
from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.output import Output
from dreamos_tasks.interfaces.cli.printed import Printed
from dreamos_tasks.interfaces.cli.waiting import watch_for_reader
from dreamos_tasks.model.plan import StepResult
from dreamos_tasks.model.task import Task

LOOK_SECONDS = 0.2  # of a file that grows, the board does not tell
READ_BYTES = 65_536


def recorded_logs(runs: Path, task: Task, *, step: str | None) -> Iterator[tuple[str, str]]:
    """The name and output of each step that printed something. Raises NotFound when there is no such step."""
    from dreamos_tasks.app.step_logs import printed_steps

    records = printed_steps(runs, task)
    names = [record.name for record in records]
    planned = [each.name for each in task.plan.steps] if task.plan is not None else []
    if step is not None and step not in names and step not in planned:
        raise NotFound(
            f"{task.task_id} has no step {step!r}",
            cause="its steps are: " + (", ".join(dict.fromkeys([*planned, *names])) or "none"),
            fix=f"dt show {task.task_id}",
        )
    for record in records:
        if step in (None, record.name):
            output = _output_of(runs, record)
            if output:
                yield record.name, output


def as_printed(out: Output, output: str) -> str:
    """All that one step printed, as it is to be shown here."""
    if not out.stdout_is_terminal:
        return output.rstrip("\n")
    printed = Printed(in_colour=out.stdout_shows_colours)
    return printed.feed(output.rstrip("\r\n")) + printed.rest()


def follow_logs(call: Call, task_id: str, *, step: str | None) -> None:
    """Print what the task's attempts print, as it comes, until the task is over."""
    followed: dict[Path, Followed] = {}
    token: int | None = (
        None  # of the attempt that was followed last: it may have printed more before the next one began
    )
    is_told = False
    with watch_for_reader(call) as watch:
        while True:
            mark = watch.mark()
            task = call.nexus.get_task_by_id(task_id)
            for attempt in range(task.last_token if token is None else token, task.last_token + 1):
                files = (call.home.runs / task.task_id / str(attempt)).glob(f"{escape(step) if step else '*'}.*log")
                for file in sorted(files, key=lambda path: path.stat().st_mtime_ns):
                    followed.setdefault(file, Followed(file)).print_new(call.out)
            token = task.last_token
            if task.is_final:
                for each in followed.values():
                    each.print_rest(call.out)
                return
            if task.claim is None and not is_told:
                is_told = True
                call.out.note(
                    f"{task.task_id} is {task.status.value.replace('_', ' ')}: its output follows when it runs"
                )
            watch.wait(mark, until=time.monotonic() + LOOK_SECONDS if task.claim is not None else None)


class Followed:
    """A file that grows, and how far it has been printed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read_bytes = 0
        self._decoder = getincrementaldecoder("utf-8")("replace")  # a character may come in two parts
        self._printed: Printed | None = None

    def print_new(self, out: Output) -> None:
        """Print what has come since the last time."""
        with self._file.open("rb") as stream:
            stream.seek(self._read_bytes)
            while chunk := stream.read(READ_BYTES):
                self._read_bytes += len(chunk)
                words = self._decoder.decode(chunk)
                out.text(self._terminal(out).feed(words) if out.stdout_is_terminal else words)

    def print_rest(self, out: Output) -> None:
        """Print what was held back for what might have followed it."""
        if out.stdout_is_terminal:
            out.text(self._terminal(out).rest())

    def _terminal(self, out: Output) -> Printed:
        if self._printed is None:
            self._printed = Printed(in_colour=out.stdout_shows_colours)
        return self._printed


def _output_of(runs: Path, record: StepResult) -> str:
    if record.output_path is not None:
        try:
            return (runs / record.output_path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            pass  # it was tidied away: the board has its head and tail
    if not record.output_tail:
        return record.output_head
    return f"{record.output_head}\n[...]\n{record.output_tail}"
