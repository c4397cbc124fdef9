"""RunBars: a run on a terminal: below what is said a bar for the task, and one for each step that runs."""

from __future__ import annotations

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn
from rich.text import Text

from dreamos_tasks.interfaces.cli.eta import range_words, running_words
from dreamos_tasks.interfaces.cli.text import cut, duration
from dreamos_tasks.model.durations import DurationRange

BAR_COLUMNS = 24
NAME_COLUMNS = 32
LOOK_SECONDS = 2.0  # how often it is looked ahead anew: each time takes some milliseconds
NEARLY = 0.98  # of its bar, for a step that takes longer than expected

Ahead = Callable[[], tuple[float, DurationRange | None] | None]


class RunBars:
    """The bars of one run. `ahead` gives the percent that is done and the time that is left."""

    def __init__(self, title: str, *, total: int, ahead: Ahead) -> None:
        self._total = total
        self._ahead = ahead
        self._look_at = 0.0
        self._console = Console(stderr=True, highlight=False)
        self._name_columns = min(NAME_COLUMNS, max(10, self._console.width // 4))
        self._progress = Progress(
            SpinnerColumn(finished_text=" "),
            TextColumn("{task.description}", markup=False),
            BarColumn(min(BAR_COLUMNS, max(6, self._console.width // 6))),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._whole = self._progress.add_task(cut(title, self._name_columns), total=100, note="")
        self._running: dict[str, tuple[TaskID, float, DurationRange | None]] = {}

    def start(self) -> None:
        """Show them."""
        self._progress.start()

    def stop(self) -> None:
        """Take them away, and give the terminal back. May be called twice."""
        self._progress.stop()

    def say(self, words: str, *, prefix: str = "", colour: str = "") -> None:
        """A line above the bars."""
        self._console.print(Text.assemble((prefix, colour or "none"), words), soft_wrap=True)

    def begin(self, step: str, expected: DurationRange | None) -> None:
        """A step runs."""
        self.finish(step)
        likely = expected.likely_seconds if expected is not None else None
        row = self._progress.add_task(f"  {cut(step, self._name_columns - 2)}", total=likely or None, note="")
        self._running[step] = (row, time.monotonic(), expected)
        self._look_at = 0.0

    def finish(self, step: str) -> None:
        """It runs no more."""
        if step in self._running:
            self._progress.remove_task(self._running.pop(step)[0])
            self._look_at = 0.0

    def tick(self, *, done: int) -> None:
        """Move them on. `done`: how many steps have ended well."""
        for row, begun, expected in self._running.values():
            elapsed = time.monotonic() - begun
            note = running_words(elapsed, expected) if expected is not None else duration(elapsed)
            likely = expected.likely_seconds if expected is not None else 0.0
            self._progress.update(row, completed=min(elapsed, likely * NEARLY), note=note)
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        told = self._ahead()
        percent, left = told if told is not None else (0.0, None)
        words = f", {range_words(left)} left" if left is not None and left.samples else ""
        self._progress.update(self._whole, completed=percent, note=f"{done}/{self._total} steps{words}")
