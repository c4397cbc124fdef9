"""Durations: how long something may take, as what is known of its kind tells: a distribution, not a mean.

With ten samples or more the samples themselves are it (quantiles at (n + 1) p); with three to nine a lognormal is put through
them, as wide as so few allow; with fewer there is a rough guess. An 80 % interval then holds 80 % of what comes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import atan2, cos, erf, exp, log, pi, sin, sqrt

from dreamos_tasks.model.value import frozen_value

LOW, LIKELY, HIGH = 0.1, 0.5, 0.9
ENOUGH_SAMPLES = 10  # they speak for themselves
FEW_SAMPLES = 3  # fewer tell nothing of the spread
SHORTEST_SECONDS = 1e-3  # a logarithm is taken of it
LEAST_SPREAD = 0.05  # of a logarithm: three equal samples do not make a fourth certain
FARTHEST_SPREAD = log(100)  # three samples far apart must not tell of years
SPREAD_OF_ONE = 1.0  # what one or two samples leave open: about a third to three times as long
SPREAD_OF_NONE = 1.5  # a seventh to seven times
UNKNOWN_SECONDS = 10.0  # how long something takes of which nothing at all is known
LIGHTEST_TAIL, HEAVIEST_TAIL = 50.0, 1.5  # exponents of what is longer than all that was seen
_PLACES = (0.005, 0.01, 0.025, 0.05, *(number / 20 for number in range(2, 19)), 0.95, 0.975, 0.99, 0.995)


@frozen_value
class DurationRange:
    """How long it takes: in 8 of 10 cases from `low_seconds` to `high_seconds`, half of all no longer than `likely_seconds`.

    `samples` is how many earlier ones that rests on; `is_rough`: too few, or none that took so long.
    """

    low_seconds: float
    likely_seconds: float
    high_seconds: float
    samples: int = 0
    is_rough: bool = False


@frozen_value
class Durations:
    """A distribution of durations: `seconds[i]` is reached with probability `places[i]`; straight lines between them."""

    seconds: tuple[float, ...]
    places: tuple[float, ...]
    head: float  # the exponent by which what is shorter than the first of them is rare
    tail: float  # and by which what is longer than the last of them is
    samples: int = 0
    is_rough: bool = False

    def quantile(self, place: float) -> float:
        """The duration that is not exceeded with this probability (below 1)."""
        places, seconds = self.places, self.seconds
        if place <= places[0]:
            return float(seconds[0] * (place / places[0]) ** (1 / self.head))
        if place >= places[-1]:
            return float(seconds[-1] * ((1 - places[-1]) / (1 - place)) ** (1 / self.tail))
        index = bisect_right(places, place)
        share = (place - places[index - 1]) / (places[index] - places[index - 1])
        return seconds[index - 1] + share * (seconds[index] - seconds[index - 1])

    def probability(self, seconds: float) -> float:
        """How likely it is over by then."""
        if seconds >= self.seconds[-1]:
            return float(1 - (1 - self.places[-1]) * (self.seconds[-1] / seconds) ** self.tail)
        if seconds < self.seconds[0]:
            return float(self.places[0] * (max(seconds, 0.0) / self.seconds[0]) ** self.head)
        index = bisect_right(self.seconds, seconds)
        before, after = self.seconds[index - 1], self.seconds[index]
        share = (seconds - before) / (after - before)
        return self.places[index - 1] + share * (self.places[index] - self.places[index - 1])

    @property
    def mean(self) -> float:
        """The mean, what lies beyond the first and the last of them left at these."""
        known = pairwise(zip(self.places, self.seconds, strict=True))
        between = sum((after - before) * (low + high) / 2 for (before, low), (after, high) in known)
        return between + self.seconds[0] * self.places[0] + self.seconds[-1] * (1 - self.places[-1])

    def left(self, elapsed_seconds: float, place: float) -> float:
        """What is not exceeded with this probability of the time that is left, when it has gone on for so long already."""
        if elapsed_seconds <= 0:
            return self.quantile(place)
        if elapsed_seconds >= self.seconds[-1]:  # longer than any: the longer it has gone on, the longer it may
            overdue = log(elapsed_seconds / self.seconds[-1])
            tail = min(self.tail, 1 + 1 / overdue) if overdue else self.tail
            return float(elapsed_seconds * ((1 - place) ** (-1 / tail) - 1))
        over = self.probability(elapsed_seconds)
        return max(0.0, self.quantile(over + place * (1 - over)) - elapsed_seconds)

    def range_after(self, elapsed_seconds: float = 0.0) -> DurationRange:
        """The time that is left, when it has gone on for so long already."""
        low, likely, high = (self.left(elapsed_seconds, place) for place in (LOW, LIKELY, HIGH))
        unseen = elapsed_seconds >= self.seconds[-1]
        return DurationRange(
            low_seconds=low,
            likely_seconds=likely,
            high_seconds=high,
            samples=self.samples,
            is_rough=self.is_rough or unseen,
        )


def durations_from(samples: Sequence[float], *, unknown_seconds: float = UNKNOWN_SECONDS) -> Durations:
    """What these samples tell. `unknown_seconds`: what is likely when there is none."""
    count = len(samples)
    if count >= ENOUGH_SAMPLES:
        ordered = sorted(max(sample, SHORTEST_SECONDS) for sample in samples)
        places = tuple((number + 1) / (count + 1) for number in range(count))
        head, tail = _ends_of(ordered)
        return Durations(seconds=tuple(ordered), places=places, head=head, tail=tail, samples=count)
    centre, spread = _lognormal(samples, unknown_seconds)
    freedom = count - 1 if count >= FEW_SAMPLES else None
    seconds = tuple(exp(centre + max(-FARTHEST_SPREAD, min(FARTHEST_SPREAD, spread * z))) for z in _scores(freedom))
    head, tail = _ends_of(seconds)
    return Durations(seconds=seconds, places=_PLACES, head=head, tail=tail, samples=count, is_rough=count < FEW_SAMPLES)


def durations_within(told: DurationRange) -> Durations:
    """A distribution of which this is the range: what was told of one is to be told of several together."""
    low, likely, high = (log(max(each, SHORTEST_SECONDS)) for each in _in_order(told))
    score = score_at(HIGH, None)
    below, above = (likely - low) / score, (high - likely) / score
    seconds = tuple(exp(likely + (below if z < 0 else above) * z) for z in _scores(None))
    head, tail = _ends_of(seconds)
    return Durations(
        seconds=seconds, places=_PLACES, head=head, tail=tail, samples=told.samples, is_rough=told.is_rough
    )


def range_from(samples: Sequence[float]) -> DurationRange:
    """The range that these samples (one at least) tell: as `durations_from`, for who needs no more. Takes microseconds."""
    count = len(samples)
    if count >= ENOUGH_SAMPLES:
        ordered = sorted(samples)
        low, likely, high = (_at(ordered, place) for place in (LOW, LIKELY, HIGH))
        return DurationRange(low_seconds=low, likely_seconds=likely, high_seconds=high, samples=count)
    centre, spread = _lognormal(samples, UNKNOWN_SECONDS)
    score = score_at(HIGH, count - 1 if count >= FEW_SAMPLES else None)
    reach = min(FARTHEST_SPREAD, spread * score)
    return DurationRange(
        low_seconds=exp(centre - reach),
        likely_seconds=exp(centre),
        high_seconds=exp(centre + reach),
        samples=count,
        is_rough=count < FEW_SAMPLES,
    )


@lru_cache(maxsize=256)
def score_at(place: float, freedom: int | None) -> float:
    """The quantile of Student's t with so many degrees of freedom; None: of the normal distribution."""
    low, high = -1e4, 1e4
    while high - low > 1e-9 * max(1.0, abs(low)):
        middle = (low + high) / 2
        if _probability_of_score(middle, freedom) < place:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _in_order(told: DurationRange) -> tuple[float, float, float]:
    return told.low_seconds, told.likely_seconds, told.high_seconds


def _at(ordered: Sequence[float], place: float) -> float:
    """The quantile at (n + 1) p of ordered samples."""
    index, share = divmod((len(ordered) + 1) * place, 1)
    below = ordered[int(index) - 1]
    return below + share * (ordered[min(int(index), len(ordered) - 1)] - below)


def _lognormal(samples: Sequence[float], unknown_seconds: float) -> tuple[float, float]:
    """The centre and the spread of the logarithm of one more sample."""
    if not samples:
        return log(max(unknown_seconds, SHORTEST_SECONDS)), SPREAD_OF_NONE
    logs = [log(max(sample, SHORTEST_SECONDS)) for sample in samples]
    count = len(logs)
    centre = sum(logs) / count
    if count < FEW_SAMPLES:
        return centre, SPREAD_OF_ONE
    variance = sum((each - centre) ** 2 for each in logs) / (count - 1)
    return centre, max(LEAST_SPREAD, sqrt(variance)) * sqrt(1 + 1 / count)


def _ends_of(ordered: Sequence[float]) -> tuple[float, float]:
    """How fast durations grow rare below the shortest and beyond the longest: as the outer fifths do (Hill's estimate)."""
    count = max(2, len(ordered) // 5)
    logs = [log(max(each, SHORTEST_SECONDS)) for each in (*ordered[:count], *ordered[-count:])]
    below = logs[count - 1] - sum(logs[:count]) / count
    beyond = sum(logs[count:]) / count - logs[count]
    head, tail = (min(LIGHTEST_TAIL, 1 / mean) if mean > 0 else LIGHTEST_TAIL for mean in (below, beyond))
    return max(1.0, head), max(HEAVIEST_TAIL, tail)


@lru_cache(maxsize=16)
def _scores(freedom: int | None) -> tuple[float, ...]:
    return tuple(score_at(place, freedom) for place in _PLACES)


def _probability_of_score(score: float, freedom: int | None) -> float:
    if freedom is None:
        return (1 + erf(score / sqrt(2))) / 2
    angle = atan2(score, sqrt(freedom))  # the series of Abramowitz and Stegun, 26.7.3 and 26.7.4
    total, term = 0.0, cos(angle) if freedom % 2 else 1.0
    for number in range(freedom % 2, freedom - 1, 2):
        total += term
        term *= cos(angle) ** 2 * (number + 1) / (number + 2)
    inside = 2 / pi * (angle + sin(angle) * total) if freedom % 2 else sin(angle) * total
    return (1 + inside) / 2
