"""Runs the workloads: python -m benchmarks [W1 W2 ...] [--quick]."""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import board_workloads, daemon_workloads, dashboard_workload, doors_workload, live_workloads
from benchmarks.measuring import Results

WORKLOADS = {
    "W1": board_workloads.w1,
    "W2": board_workloads.w2,
    "W3": board_workloads.w3,
    "W4": daemon_workloads.w4,
    "W5": daemon_workloads.w5,
    "W6": daemon_workloads.w6,
    "W7": daemon_workloads.w7,
    "W8": board_workloads.w8,
    "W9": live_workloads.w9,
    "W10": dashboard_workload.w10,
    "W11": doors_workload.w11,
}


def main() -> None:
    """Run what was asked for, and write RESULTS.md when that was everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="*", choices=[*WORKLOADS, []], metavar="W")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, one repetition")
    parser.add_argument("--repetitions", type=int, help="3 unless --quick")
    asked = parser.parse_args()
    results = Results()
    target = Path(__file__).with_name("RESULTS.md") if not asked.workloads else Path("benchmark-results.md")
    for name in asked.workloads or WORKLOADS:
        WORKLOADS[name](results, repetitions=asked.repetitions or (1 if asked.quick else 3), quick=asked.quick)
        results.write(target, quick=asked.quick)  # a run that is broken off leaves what it has
    print(f"\n{target}")


if __name__ == "__main__":
    main()
