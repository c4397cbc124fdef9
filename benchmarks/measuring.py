"""Samples by workload, system and metric; interleaved repetitions; the table at the end."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

Key = tuple[str, str, str, str]  # workload, metric, unit, system


def percentile(values: Iterable[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def jain(counts: Iterable[int]) -> float:
    """Jain's fairness index: 1 when all got the same, 1/n when one got everything."""
    each = list(counts)
    total, squares = sum(each), sum(count * count for count in each)
    return total * total / (len(each) * squares) if squares else 0.0


@dataclass
class Results:
    """Every sample of one run."""

    samples: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))
    limits: dict[tuple[str, str], str] = field(default_factory=dict)  # by workload and metric
    loads: list[float] = field(default_factory=list)  # of the machine, as each sample was taken

    def add(self, workload: str, metric: str, unit: str, system: str, value: float) -> None:
        """Keep a sample and show it."""
        self.samples[workload, metric, unit, system].append(value)
        self.loads.append(os.getloadavg()[0])
        print(f"{workload}  {metric:34} {system:34} {shown(value):>10} {unit}", flush=True)

    def compare_with(self, workload: str, metric: str, system: str) -> None:
        """Ratios of this metric are taken to this system."""
        self.limits[workload, metric] = system

    def write(self, path: Path, *, quick: bool) -> None:
        """The tables, as Markdown."""
        lines = [
            "# Results",
            "",
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {platform.machine()}, "
            f"{'quick run' if quick else 'full run'}. Median (least - most); ratios are to the limit of the same run.",
            "",
            f"Load average of the {os.cpu_count()} cores while it ran: {shown(min(self.loads))} - {shown(max(self.loads))}, "
            f"median {shown(statistics.median(self.loads))}. What one workload brings itself is among it; where more was going "
            "on, figures of the same row were taken under different load, and only large differences mean something.",
        ]
        tables: dict[tuple[str, str, str], list[str]] = defaultdict(list)
        for workload, metric, unit, system in self.samples:
            tables[workload, metric, unit].append(system)
        for (workload, metric, unit), systems in sorted(tables.items(), key=_in_order):
            limit = self.limits.get((workload, metric))
            base = statistics.median(self.samples[workload, metric, unit, limit]) if limit in systems else None
            lines += [
                "",
                f"### {workload} {metric} ({unit})",
                "",
                "| system | median (least - most) | ratio |",
                "|---|---|---|",
            ]
            for system in systems:
                values = self.samples[workload, metric, unit, system]
                middle = statistics.median(values)
                ratio = f"{middle / base:.2f}" if base else ""
                lines.append(f"| {system} | {shown(middle)} ({shown(min(values))} - {shown(max(values))}) | {ratio} |")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def shown(value: float) -> str:
    """Three significant digits; thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def rate(count: int, act: Callable[[], object]) -> float:
    """How many a second, when `act` does `count`."""
    start = time.perf_counter()
    act()
    return count / (time.perf_counter() - start)


def _in_order(table: tuple[tuple[str, str, str], object]) -> tuple[int, str]:
    """W2 before W10."""
    (workload, metric, _), _ = table
    return int(workload[1:]), metric
