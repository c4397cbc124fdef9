"""What `dt stats --tools` and `dt stats --eta` show: how steps went, and how often what was expected of them held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.text import count, harmless
from dreamos_tasks.interfaces.documents import MOST_ENDS, estimates_document, step_ends, tools_document
from dreamos_tasks.model.metrics import Calibration, StepMetrics, calibration_of, metrics_of

if TYPE_CHECKING:
    from dreamos_tasks.model.event import Event

MOST_ROWS = 50
NONE_YET = "no step has ended on this board{since}: the daemon runs what has a plan (dt up)"


def show_tools(call: Call, *, since_seconds: float | None) -> None:
    """Each tool and each of its steps: how many, how well, how long."""
    ends = step_ends(call.nexus, since_seconds)
    if call.out.as_json:
        call.out.document(tools_document(ends))
        return
    rows = metrics_of(ends)
    if not rows:
        call.out.note(NONE_YET.format(since=" in this time" if since_seconds is not None else ""))
        return
    header = ("TOOL", "STEP", "RUNS", "OK", "P50", "P95", "SLOWEST", "WAITED P50", "WAITED P95", "SLOWEST TASK")
    call.out.table(header, [_row(row) for row in rows[:MOST_ROWS]])
    if len(rows) > MOST_ROWS:
        call.out.hint(f"truncated: {len(rows) - MOST_ROWS} more with --json")
    _say_window(call, ends)


def show_calibration(call: Call, *, since_seconds: float | None) -> None:
    """How often steps took as long as was expected when they began."""
    ends = step_ends(call.nexus, since_seconds)
    if call.out.as_json:
        call.out.document(estimates_document(ends))
        return
    rows = calibration_of(ends)
    if not rows[0].finished and not rows[0].rough:
        call.out.note("no step has ended yet of which was known what to expect: it takes a few runs of the same step")
        return
    header = ("TOOL", "STEPS", "AS EXPECTED", "EARLIER", "LATER", "ROUGH ONES")
    call.out.table(header, [_calibration_row(row) for row in rows])
    call.out.note(
        "as expected: within the 80 % interval that was told when they began, so 80 % is what it should be; "
        "rough ones rested on one or two earlier runs and are not counted"
    )
    _say_window(call, ends)


def _say_window(call: Call, ends: Sequence[Event]) -> None:
    if len(ends) == MOST_ENDS:
        call.out.hint(f"truncated: of the latest {count(MOST_ENDS, 'step')}; --since 24h looks at less")


def _row(row: StepMetrics) -> tuple[str, ...]:
    return (
        harmless(row.tool) if row.step is None else "",
        "(all)" if row.step is None else harmless(row.step),
        str(row.runs),
        f"{100 * row.success_rate:.0f} %",
        _time(row.p50_seconds),
        _time(row.p95_seconds),
        _time(row.slowest_seconds),
        _time(row.waited_p50_seconds),
        _time(row.waited_p95_seconds),
        row.slowest_task_id or "-",
    )


def _calibration_row(row: Calibration) -> tuple[str, ...]:
    return (
        "(all)" if row.tool is None else harmless(row.tool),
        str(row.finished),
        _share(row.inside, row.finished),
        _share(row.early, row.finished),
        _share(row.late, row.finished),
        str(row.rough),
    )


def _share(number: int, whole: int) -> str:
    return f"{number} ({100 * number / whole:.0f} %)" if whole else "-"


def _time(seconds: float | None) -> str:
    """A time that is to be compared with others of its column: more exact than `duration`."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
