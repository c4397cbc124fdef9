"""PastSteps: how long the latest steps of each tool and name took, kept in memory: asking costs a look-up, not a query.

What was expected when a step began is told by its first event, and kept with its end: so it can be seen how often it held.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamos_tasks.errors import BoardUnavailable
from dreamos_tasks.model.durations import DurationRange, range_from
from dreamos_tasks.model.event import STEP_ENDS, Change, Event, EventType
from dreamos_tasks.protocols import TaskStore

KEPT_SAMPLES = 50  # of a step: the latest, since what it does changes over time
KEPT_STEPS = 2000
FRESH_SECONDS = 300.0  # what other processes wrote meanwhile is then read too
READ_ENDS = 100  # of a step, failed ones among them
READ_UNNAMED = 1000  # of steps that have no name of their own: among them are those that are like one
MOST_BEGUN = 10_000  # steps that run, and those whose end was never told


_Kind = tuple[
    str, str, str | None
]  # tool, step, and what it is like if it has no name of its own: model.plan.likeness_of


@dataclass(slots=True)
class _Known:
    samples: deque[float]
    read_at: float
    range: DurationRange | None = None
    written: Mapping[str, Any] = field(default_factory=dict)  # the range, as events tell it
    news: int = 0  # samples that the range does not know


class PastSteps:
    """The recent past of the steps of one board. One thread at a time."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._known: OrderedDict[_Kind, _Known] = OrderedDict()
        self._begun: OrderedDict[tuple[str, str], tuple[str, Mapping[str, Any]]] = OrderedDict()

    def range_of(self, tool: str, step: str, like: str | None = None) -> DurationRange | None:
        """How long such a step will take; None when none was ever completed."""
        return self._expected((tool, step, like)).range

    def samples_of(self, tool: str, step: str, like: str | None = None) -> Sequence[float]:
        """How many seconds the latest completed ones took, oldest first."""
        return tuple(self._look_up((tool, step, like)).samples)

    def annotated(self, change: Change) -> Change:
        """The change; the events of steps that begin or end tell what was expected too."""
        events = tuple(map(self._annotated, change.events))
        return change._replace(events=events)

    def _annotated(self, event: Event) -> Event:
        tool, step = event.detail.get("tool"), event.detail.get("step")
        if tool is None or step is None:
            return event
        if event.type is EventType.STEP_STARTED:
            return self._begin(event, tool, step)
        return self._end(event, tool, step) if event.type in STEP_ENDS else event

    def _begin(self, event: Event, tool: str, step: str) -> Event:
        known = self._expected((tool, step, event.detail.get("like")))
        if known.range is None:
            return event
        self._begun[event.task_id, step] = (tool, known.written)
        if len(self._begun) > MOST_BEGUN:
            self._begun.popitem(last=False)
        return _with_detail(event, {**event.detail, "estimate": known.written})

    def _end(self, event: Event, tool: str, step: str) -> Event:
        begun_with, expected = self._begun.pop((event.task_id, step), ("", None))
        seconds = event.detail.get("seconds")
        if event.type is not EventType.STEP_COMPLETED or seconds is None:
            return event
        known = self._known.get((tool, step, event.detail.get("like")))
        if known is not None:
            known.samples.append(seconds)
            known.news += 1
        if expected is None or begun_with != tool:
            return event
        detail = {**event.detail, "estimate": expected}
        if seconds < expected["low_seconds"] and not expected["is_rough"]:
            detail["finished_early"] = True
        return _with_detail(event, detail)

    def _expected(self, kind: _Kind) -> _Known:
        """What is known of the step, with a range that knows nearly all samples: one more of fifty says nothing new."""
        known = self._look_up(kind)
        if known.samples and (known.range is None or known.news * 8 > known.range.samples):
            known.range = range_from(tuple(known.samples))
            known.written, known.news = range_form(known.range), 0
        return known

    def _look_up(self, kind: _Kind) -> _Known:
        now = time.monotonic()
        known = self._known.get(kind)
        if known is None or now - known.read_at > FRESH_SECONDS:
            samples = reversed(seconds_of(self._ends(*kind))[:KEPT_SAMPLES])
            known = self._known[kind] = _Known(samples=deque(samples, maxlen=KEPT_SAMPLES), read_at=now)
            if len(self._known) > KEPT_STEPS:
                self._known.popitem(last=False)
        return known

    def _ends(self, tool: str, step: str, like: str | None) -> Sequence[Event]:
        try:
            ends = self._store.step_ends(tool=tool, step=step, limit=READ_ENDS if like is None else READ_UNNAMED)
            return ends if like is None else [end for end in ends if end.detail.get("like") == like]
        except BoardUnavailable:
            return ()  # a log that cannot be read must not stop the work


def seconds_of(ends: Sequence[Event]) -> list[float]:
    """How long those took that were completed, in their order."""
    return [
        float(event.detail["seconds"])
        for event in ends
        if event.type is EventType.STEP_COMPLETED and "seconds" in event.detail
    ]


def _with_detail(event: Event, detail: Mapping[str, Any]) -> Event:
    """As `replace`, which takes as long as all the rest: this is done twice a step."""
    return Event(type=event.type, task_id=event.task_id, at=event.at, by=event.by, changes=event.changes, detail=detail)


def range_form(expected: DurationRange) -> dict[str, Any]:
    """The range as events and documents tell it."""
    return {
        "low_seconds": round(expected.low_seconds, 6),
        "likely_seconds": round(expected.likely_seconds, 6),
        "high_seconds": round(expected.high_seconds, 6),
        "samples": expected.samples,
        "is_rough": expected.is_rough,
    }
