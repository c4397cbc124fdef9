"""How far tasks are and how long they will take, as words: `43 %, ~12 min (8-25) left`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dreamos_tasks.interfaces import documents
from dreamos_tasks.interfaces.cli.text import DAY, HOUR, MINUTE, count, duration, harmless
from dreamos_tasks.model.task import Status, Task

if TYPE_CHECKING:
    from dreamos_tasks.board.forecast import Eta, Forecast
    from dreamos_tasks.board.nexus import TaskNexus
    from dreamos_tasks.interfaces.cli.call import Call
    from dreamos_tasks.model.durations import DurationRange

UNITS = ((90, 1, "s"), (90 * MINUTE, MINUTE, "min"), (2 * DAY, HOUR, "h"), (float("inf"), DAY, "days"))
MOST_ETAS = 20  # in a list: each takes a millisecond or more


def forecast_of(call: Call, *, is_quick: bool = False) -> Forecast:
    """Looks ahead on this board, from now on. `is_quick`: at many tasks."""
    return documents.forecast(call.nexus, call.settings, is_quick=is_quick)


def eta_document(call: Call, task: Task) -> dict[str, Any] | None:
    """The block `eta` of a task's document."""
    return documents.eta_document(call.nexus, task, call.settings)


def is_ready(nexus: TaskNexus, task: Task) -> bool:
    """Whether it waits for nothing but its turn."""
    return task.status is Status.PENDING and not nexus.waiting_for(task)


def range_words(told: DurationRange) -> str:
    """`~12 min (8-25)`: the likely time, and the one that holds in 8 of 10 cases; in one unit."""
    _, unit, name = next(row for row in UNITS if told.likely_seconds < row[0])
    low, likely, high = (
        _number(seconds / unit) for seconds in (told.low_seconds, told.likely_seconds, told.high_seconds)
    )
    return f"~{likely} {name}" + (f" ({low}-{high})" if low != high else "")


def basis_words(told: DurationRange) -> str:
    """On what it rests: `from 34 earlier runs`, or that it is a guess."""
    if told.samples == 0:
        return "a guess: some of its steps were never run before"
    rough = "roughly, " if told.is_rough else ""
    return f"{rough}from {count(told.samples, 'earlier run')}"


def eta_facts(eta: Eta, task: Task) -> Iterator[tuple[str, str]]:
    """The lines about it on the page of a task that is not over: a label, and the words."""
    if eta.remaining is None:
        return
    if task.claim is not None:
        now = f"; now: {', '.join(map(harmless, eta.current_steps))}" if eta.current_steps else ""
        yield "eta", f"{eta.percent:g} % done, {range_words(eta.remaining)} left, {basis_words(eta.remaining)}{now}"
        return
    done = f"{eta.percent:g} % done; " if eta.percent else ""
    start = ""
    if eta.until_start is not None and eta.until_start.high_seconds >= 1:
        start = f", starts in {range_words(eta.until_start)}"
    yield "eta", f"{done}it takes {range_words(eta.remaining)}{start}; {basis_words(eta.remaining)}"


def short_eta(eta: Eta) -> str:
    """For a line among others: `43 %, ~12 min (8-25) left`; a mere guess of the time is not told there."""
    left = f", {range_words(eta.remaining)} left" if eta.remaining is not None and eta.remaining.samples else ""
    return f"{eta.percent:.0f} %{left}"


def progress_cells(call: Call, tasks: Sequence[Task]) -> Mapping[str, str]:
    """By task id, how far those are that somebody works on; empty when there is none."""
    cells: dict[str, str] = {}
    forecast: Forecast | None = None
    for task in tasks:
        if task.claim is None:
            continue
        if task.progress is not None and task.progress.percent is not None:
            cells[task.task_id] = f"{task.progress.percent:.0f} %"
        elif task.plan is not None and len(cells) < MOST_ETAS:
            forecast = forecast or forecast_of(call, is_quick=True)
            eta = forecast.eta(task)
            if eta is not None:
                cells[task.task_id] = short_eta(eta)
    return cells


@dataclass(slots=True)
class Hindsight:
    """What was expected of a task's steps when they last began, and of which of them it was too much."""

    expected: dict[str, DurationRange] = field(default_factory=dict)
    early: dict[str, str] = field(default_factory=dict)

    def facts(self, task: Task) -> Iterator[tuple[str, str]]:
        """The line about it on the page of a task that is completed."""
        from dreamos_tasks.model.progress import expected_whole, seconds_taken

        seconds, whole = seconds_taken(task), expected_whole(task, self.expected)
        if seconds is not None and whole is not None and not whole.is_rough:
            early = ": finished early" if seconds < whole.low_seconds else ""
            yield "took", f"{duration(seconds)}; {range_words(whole)} was expected{early}"


def hindsight(nexus: TaskNexus, task: Task) -> Hindsight:
    """What its events tell."""
    from dreamos_tasks.model.durations import DurationRange

    found = Hindsight()
    for event in nexus.events(task_id=task.task_id, limit=10_000):
        step, told = str(event.detail.get("step")), event.detail.get("estimate")
        if told:
            found.expected[step] = DurationRange(**told)
        found.early.pop(step, None)
        if told and event.detail.get("finished_early"):
            found.early[step] = f"finished early: {range_words(found.expected[step])} was expected"
    return found


def running_words(elapsed_seconds: float, expected: DurationRange) -> str:
    """Of a step that runs: `2 min so far of ~5 min (4-8)`."""
    return f"{duration(elapsed_seconds)} so far of {range_words(expected)}"


def _number(amount: float) -> str:
    return f"{amount:.0f}" if amount >= 10 else f"{amount:.1f}".removesuffix(".0")
