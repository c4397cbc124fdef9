"""Metrics: what the ends of steps tell of each tool and step: how many, how well, how long; and whether estimates held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.value import frozen_value


@frozen_value
class StepMetrics:
    """Of one tool, or of one step of it (`step` None: of all its steps). Times in seconds; None where none is known.

    Durations are those of completed steps. `waited` is how long tasks waited in the queue before the claim under which the
    steps ran: each claim counts once.
    """

    tool: str
    step: str | None = None
    runs: int = 0
    completed: int = 0
    failed: int = 0
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    slowest_seconds: float | None = None
    slowest_task_id: str | None = None
    waited_p50_seconds: float | None = None
    waited_p95_seconds: float | None = None

    @property
    def success_rate(self) -> float:
        """The share that was completed."""
        return self.completed / self.runs if self.runs else 0.0


@frozen_value
class Calibration:
    """How often a step took as long as was expected when it began: within an 80 % interval it should be 8 of 10.

    Rough estimates, which rest on one or two earlier runs, are counted apart. `tool` None: all tools.
    """

    tool: str | None
    finished: int = 0
    inside: int = 0
    early: int = 0
    late: int = 0
    rough: int = 0

    @property
    def share_inside(self) -> float | None:
        """0.8 is what it should be; None when nothing can be said."""
        return self.inside / self.finished if self.finished else None


@dataclass(slots=True)
class _Tally:
    runs: int = 0
    seconds: list[tuple[float, str]] = field(default_factory=list)
    waited: dict[tuple[str, float], float] = field(default_factory=dict)
    completed: int = 0

    def add(self, end: Event) -> None:
        self.runs += 1
        waited = end.detail.get("waited_seconds")
        if waited is not None:
            self.waited[end.task_id, waited] = waited
        if end.type is EventType.STEP_COMPLETED:
            self.completed += 1
            if "seconds" in end.detail:
                self.seconds.append((end.detail["seconds"], end.task_id))


def _name_of(end: Event) -> str:
    """The step's name; with the first words of its command where it has no name of its own."""
    name, like = str(end.detail.get("step")), end.detail.get("like")
    return name if like is None else f"{name}: {like}"


def metrics_of(ends: Iterable[Event]) -> Sequence[StepMetrics]:
    """Each tool, most used first, and behind it each of its steps."""
    tools: dict[str, _Tally] = {}
    steps: dict[str, dict[str, _Tally]] = {}
    for end in ends:
        tool = str(end.detail.get("tool") or "?")
        tools.setdefault(tool, _Tally()).add(end)
        steps.setdefault(tool, {}).setdefault(_name_of(end), _Tally()).add(end)
    rows = []
    for tool, tally in _by_runs(tools):
        rows.append(_metrics(tally, tool=tool, step=None))
        rows += [_metrics(each, tool=tool, step=step) for step, each in _by_runs(steps[tool])]
    return rows


def calibration_of(ends: Iterable[Event]) -> Sequence[Calibration]:
    """All tools together, and each; only steps of which something was expected."""
    tallies: dict[str | None, list[int]] = {None: [0] * 5}
    for end in ends:
        told, seconds = end.detail.get("estimate"), end.detail.get("seconds")
        if end.type is not EventType.STEP_COMPLETED or told is None or seconds is None:
            continue
        place = 4 if told.get("is_rough") else 2 if seconds < told["low_seconds"] else _late_or_inside(seconds, told)
        for key in (None, str(end.detail.get("tool"))):
            tally = tallies.setdefault(key, [0] * 5)
            tally[place] += 1
            tally[0] += place != 4
    order = sorted(tallies, key=lambda key: (key is not None, -tallies[key][0], key or ""))
    return [
        Calibration(tool=key, finished=finished, inside=inside, early=early, late=late, rough=rough)
        for key in order
        for finished, inside, early, late, rough in (tallies[key],)
    ]


def quantile(ordered: Sequence[float], place: float) -> float | None:
    """The quantile at (n + 1) p of ordered samples, within what was seen."""
    if not ordered:
        return None
    position = min(max((len(ordered) + 1) * place, 1.0), float(len(ordered)))
    index, share = int(position), position % 1
    below = ordered[index - 1]
    return below + share * (ordered[index] - below) if share else below


def _late_or_inside(seconds: float, told: Mapping[str, float]) -> int:
    return 3 if seconds > told["high_seconds"] else 1


def _by_runs(tallies: Mapping[str, _Tally]) -> Sequence[tuple[str, _Tally]]:
    return sorted(tallies.items(), key=lambda pair: (-pair[1].runs, pair[0]))


def _metrics(tally: _Tally, *, tool: str, step: str | None) -> StepMetrics:
    seconds = sorted(each for each, _ in tally.seconds)
    waited = sorted(tally.waited.values())
    slowest = max(tally.seconds, default=(None, None))
    return StepMetrics(
        tool=tool,
        step=step,
        runs=tally.runs,
        completed=tally.completed,
        failed=tally.runs - tally.completed,
        p50_seconds=quantile(seconds, 0.5),
        p95_seconds=quantile(seconds, 0.95),
        slowest_seconds=slowest[0],
        slowest_task_id=slowest[1],
        waited_p50_seconds=quantile(waited, 0.5),
        waited_p95_seconds=quantile(waited, 0.95),
    )
