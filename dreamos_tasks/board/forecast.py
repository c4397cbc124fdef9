"""Forecast: how far the tasks of a board are, and when they will be done, by how long such steps took before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from dreamos_tasks.board.nexus import TaskNexus
from dreamos_tasks.board.past_steps import range_form, seconds_of
from dreamos_tasks.model.durations import UNKNOWN_SECONDS, DurationRange, Durations, durations_from
from dreamos_tasks.model.estimate import FEWEST_PLAYS, MOST_PLAYS, Course, course_range, queue_range
from dreamos_tasks.model.plan import Step, likeness_of
from dreamos_tasks.model.plan_order import DEFAULT_CONCURRENT_STEPS
from dreamos_tasks.model.progress import course_of, current_steps, percent_of
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Status, Task
from dreamos_tasks.model.value import frozen_value

FARTHEST = 200  # tasks of the queue whose plans are looked at; those behind are taken to be like them
LATEST_ENDS = 50  # of a tool, for a step of a name that was never seen


@frozen_value
class Eta:
    """How far a task is, and when it will be done; the verification of its result is not in it.

    `percent` counts each step by the time that it takes. `remaining` is the time that its steps still take; `until_start`
    how long before that it has to wait for its turn (None: it runs, or it waits for something else than its turn).
    """

    percent: float
    current_steps: tuple[str, ...] = ()
    remaining: DurationRange | None = None
    until_start: DurationRange | None = None


class Forecast:
    """Looks ahead, from one instant. Each kind of step is looked up once."""

    def __init__(
        self,
        nexus: TaskNexus,
        *,
        now: datetime,
        places: int,
        most_steps: int = DEFAULT_CONCURRENT_STEPS,
        is_quick: bool = False,
    ) -> None:
        """`places`: how many tasks the daemon runs at once; `most_steps`: how many steps of one.

        `is_quick`: for many tasks at once; their ranges are less exact.
        """
        self._most_plays = FEWEST_PLAYS if is_quick else MOST_PLAYS
        self._nexus = nexus
        self._now = now
        self._places = places
        self._most_steps = most_steps
        self._durations: dict[tuple[str, str, str | None], Durations] = {}
        self._likely_seconds: dict[str, float] = {}
        self._running: Sequence[Task] | None = None
        self._queue: Sequence[Task] | None = None

    def eta(self, task: Task, *, is_ready: bool = False) -> Eta | None:
        """How far it is and how long it will take; None for a task without a plan, or that is over."""
        if task.plan is None or (task.is_final and task.status is not Status.COMPLETED):
            return None
        course = self._course(task)
        percent = percent_of(task, course, self.durations_of)
        assert percent is not None, "it has a plan"
        if task.is_final:
            return Eta(percent=percent)
        return Eta(
            percent=percent,
            current_steps=tuple(current_steps(task)),
            remaining=course_range(course, most_plays=self._most_plays),
            until_start=self._until_start(task) if is_ready else None,
        )

    def percent(self, task: Task) -> float | None:
        """How far it is."""
        return percent_of(task, self._course(task), self.durations_of)

    def expected(self, step: Step) -> DurationRange:
        """How long this step takes as a whole."""
        return self.durations_of(step).range_after()

    def durations_of(self, step: Step) -> Durations:
        """What such steps took before."""
        key = (step.tool, step.name, likeness_of(step))
        if key not in self._durations:
            samples = self._nexus.past_steps.samples_of(*key)
            unknown = UNKNOWN_SECONDS if samples else self._likely(step.tool)
            self._durations[key] = durations_from(samples, unknown_seconds=unknown)
        return self._durations[key]

    def _likely(self, tool: str) -> float:
        """How long steps of a tool take, whatever their names."""
        if tool not in self._likely_seconds:
            seconds = sorted(seconds_of(self._nexus.store.step_ends(tool=tool, limit=LATEST_ENDS)))
            self._likely_seconds[tool] = seconds[len(seconds) // 2] if seconds else UNKNOWN_SECONDS
        return self._likely_seconds[tool]

    def _course(self, task: Task) -> Course:
        return course_of(task, self.durations_of, now=self._now, most_steps=self._most_steps)

    def _until_start(self, task: Task) -> DurationRange | None:
        """How long until a place is free for it, once those before it in the queue have had theirs."""
        if self._queue is None or self._running is None:
            find = self._nexus.find_tasks
            ready = find(TaskQuery(statuses=frozenset({"ready"}), order=Order.QUEUE, limit=1000))
            self._queue = [other for other in ready if other.plan is not None]
            self._running = [
                other for other in find(TaskQuery(statuses=frozenset({"in_progress"}))) if other.plan is not None
            ]
        ahead = []
        for other in self._queue:
            if other.task_id == task.task_id:
                break
            ahead.append(other)
        return queue_range(
            [self._course(other) for other in self._running],
            [self._course(other) for other in ahead[:FARTHEST]],
            places=self._places,
            left_out=max(0, len(ahead) - FARTHEST),
        )


def eta_form(eta: Eta | None) -> dict[str, Any] | None:
    """The document of an Eta."""
    if eta is None:
        return None
    return {
        "percent": eta.percent,
        "current_steps": list(eta.current_steps),
        "remaining": range_form(eta.remaining) if eta.remaining is not None else None,
        "until_start": range_form(eta.until_start) if eta.until_start is not None else None,
    }
