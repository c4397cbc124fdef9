"""RunView: how a run in the foreground is shown. Plain lines; on a terminal, a bar below them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from dreamos_tasks.interfaces.cli.eta import basis_words, range_words
from dreamos_tasks.interfaces.cli.output import Output
from dreamos_tasks.interfaces.cli.text import duration, harmless, harmless_block
from dreamos_tasks.model.durations import DurationRange
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.instants import read_instant
from dreamos_tasks.model.task import Task

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

STEP_ENDS = {
    EventType.STEP_COMPLETED: "completed",
    EventType.STEP_FAILED: "failed",
    EventType.STEP_SKIPPED: "skipped",
}


class RunView:
    """Shows the events of one task as they come. All of it is talk, on stderr: stdout has the result alone."""

    def __init__(self, out: Output, task: Task) -> None:
        self._out = out
        self._total = len(task.plan.steps) if task.plan is not None else 0
        self._done = {record.name for record in task.steps if record.status.value == "completed"}
        self._bar: Progress | None = None
        self._row: TaskID | None = None
        self._title = harmless(task.title)
        if self._done:
            out.note(f"{task.task_id}  goes on: {len(self._done)} of {self._total} steps are completed")
        else:
            out.note(f"{task.task_id}  {self._title}")

    def __enter__(self) -> Self:
        if not self._out.as_json and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}"),
            )
            self._bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)
            self._row = self._bar.add_task("starting", total=self._total, completed=len(self._done))
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def show(self, event: Event) -> None:
        """One event."""
        if event.type is EventType.STEP_STARTED:
            name = str(_step_of(event).get("name", ""))
            self._say(f"  {harmless(name)}: started{_expected(event)}")
            self._move(harmless(name))
        elif event.type in STEP_ENDS:
            self._show_end(_step_of(event), STEP_ENDS[event.type], event.detail)
        elif event.type in (EventType.TASK_RETRY_SCHEDULED, EventType.TASK_DEFERRED):
            error = event.changes.get("error") or {}
            at = event.changes.get("not_before")
            wait = f"; the next try in {duration((read_instant(at) - event.at).total_seconds())}" if at else ""
            self._say(f"  {harmless(str(error.get('message', 'not now')))}{wait}")

    def _show_end(self, step: Mapping[str, Any], word: str, detail: Mapping[str, Any]) -> None:
        name = str(step.get("name", ""))
        early = ", earlier than expected" if detail.get("finished_early") else ""
        self._say(f"  {harmless(name)}: {word}{_took(step)}{early}")
        printed = step.get("output_tail") or step.get("output_head") or ""
        for line in harmless_block(str(printed)).rstrip("\n").splitlines():
            self._say(f"    | {line}")
        if word == "completed":
            self._done.add(name)
            self._move("")

    def _say(self, words: str) -> None:
        if self._bar is not None:
            self._bar.console.print(words, markup=False, highlight=False, soft_wrap=True)
        else:
            self._out.note(words)

    def _move(self, name: str) -> None:
        if self._bar is not None and self._row is not None:
            self._bar.update(self._row, description=name or self._title, completed=len(self._done), total=self._total)


def _step_of(event: Event) -> Mapping[str, Any]:
    """The record of the step that the event is about."""
    records = event.changes.get("steps") or ()
    named = event.detail.get("step")
    found = [record for record in records if named is None or record.get("name") == named]
    step: Mapping[str, Any] = found[-1] if found else {"name": named or ""}
    return step


def _expected(event: Event) -> str:
    """What such a step took before, as its start tells."""
    told = event.detail.get("estimate")
    if not told:
        return ""
    expected = DurationRange(**told)
    return f", {range_words(expected)} expected, {basis_words(expected)}"


def _took(step: Mapping[str, Any]) -> str:
    if not (step.get("started_at") and step.get("finished_at")):
        return ""
    seconds = (read_instant(step["finished_at"]) - read_instant(step["started_at"])).total_seconds()
    return f" after {duration(seconds)}"
