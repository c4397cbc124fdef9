"""Estimate: how long a task, or a queue of them, will still take: by playing it through many times. Pure, and seeded.

Ranges do not add up: the sum of ten high ends is far higher than the high end of the sum, and of steps side by side the slowest
counts. So every duration is drawn anew in each play, and the range is what the plays say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from heapq import heapify, heappop, heappush, heapreplace
from random import Random

from dreamos_tasks.model.durations import HIGH, LIKELY, LOW, DurationRange, Durations
from dreamos_tasks.model.value import frozen_value

SEED = 20  # the same question is answered alike each time
MOST_DRAWS = 20_000  # of one question: some tens of milliseconds
FEWEST_PLAYS, MOST_PLAYS = 100, 400

Draw = Callable[[Random], float]


@frozen_value
class Work:
    """A step that is to be done: how long it takes, and how long it has run already (None: not begun)."""

    durations: Durations
    elapsed_seconds: float | None = None
    needs: tuple[str, ...] = ()

    def draw(self, random: Random) -> float:
        """One possible time that is left of it."""
        return self.durations.left(self.elapsed_seconds or 0.0, random.random())

    @property
    def left(self) -> DurationRange:
        """The time that is left of it."""
        return self.durations.range_after(self.elapsed_seconds or 0.0)


@frozen_value
class Course:
    """What is left of a plan: its steps by name in the order in which they may start, so many at once."""

    steps: Mapping[str, Work] = field(default_factory=dict)
    at_once: int = 1

    def draw(self, random: Random) -> float:
        """One possible time until the last step has ended."""
        if self.at_once == 1:
            return sum(work.draw(random) for work in self.steps.values())
        return self._played(random)

    def _played(self, random: Random) -> float:
        """Each step starts as soon as what it needs has ended and there is room; those that run have their room."""
        running: list[tuple[float, str]] = []
        waiting: list[str] = []
        for name, work in self.steps.items():
            if work.elapsed_seconds is None:
                waiting.append(name)
            else:
                running.append((work.draw(random), name))
        heapify(running)
        pending, now = set(self.steps), 0.0
        while waiting or running:
            for name in [name for name in waiting if not pending.intersection(self.steps[name].needs)]:
                if len(running) < self.at_once:
                    heappush(running, (now + self.steps[name].draw(random), name))
                    waiting.remove(name)
            if not running:
                break  # they need one another: such a plan is refused at the door
            now, ended = heappop(running)
            pending.discard(ended)
        return now


def course_range(course: Course, *, most_plays: int = MOST_PLAYS) -> DurationRange:
    """How long a plan will still take."""
    works = tuple(course.steps.values())
    if not works:
        return DurationRange(low_seconds=0.0, likely_seconds=0.0, high_seconds=0.0)
    if len(works) == 1:
        return works[0].left
    return _range(_plays(course.draw, draws=len(works), most=most_plays), works)


def queue_range(running: Sequence[Course], ahead: Sequence[Course], *, places: int, left_out: int = 0) -> DurationRange:
    """How long until the task behind those `ahead` is begun, where `places` tasks run at once, these `running` among them.

    `left_out`: so many more are ahead, of which nothing is known: they are taken to be like the others.
    """
    courses = (*running, *ahead)
    works = [work for course in courses for work in course.steps.values()]
    times = 1 + left_out / len(ahead) if ahead else 1.0

    def begin(random: Random) -> float:
        free = [course.draw(random) for course in running][:places]
        free += [0.0] * (places - len(free))
        heapify(free)
        for course in ahead:
            heapreplace(free, free[0] + course.draw(random) * times)
        return free[0]

    return _range(_plays(begin, draws=len(works)), works)


def _plays(draw: Draw, *, draws: int, most: int = MOST_PLAYS) -> list[float]:
    """What came of playing it through, in order. `draws`: how many it takes to do so once."""
    random = Random(SEED)
    plays = max(FEWEST_PLAYS, min(most, MOST_DRAWS // max(draws, 1)))
    return sorted(draw(random) for _ in range(plays))


def _range(plays: Sequence[float], works: Sequence[Work]) -> DurationRange:
    low, likely, high = (plays[min(len(plays) - 1, int(place * len(plays)))] for place in (LOW, LIKELY, HIGH))
    return DurationRange(
        low_seconds=low,
        likely_seconds=likely,
        high_seconds=high,
        samples=min((work.durations.samples for work in works), default=0),
        is_rough=any(work.left.is_rough for work in works),
    )
