"""What `dt stats --tools` and `dt stats --eta` show: how steps went, and how often what was expected of them held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dreamos_tasks.interfaces.cli.call import Call
from dreamos_tasks.interfaces.cli.text import count, harmless
from dreamos_tasks.model.metrics import Calibration, StepMetrics, calibration_of, metrics_of

if TYPE_CHECKING:
    from dreamos_tasks.model.event import Event

MOST_ENDS = 20_000  # the latest: so many are read in half a second
MOST_ROWS = 50
NONE_YET = "no step has ended on this board{since}: the daemon runs what has a plan (dt up)"


def show_tools(call: Call, *, since_seconds: float | None) -> None:
    """Each tool and each of its steps: how many, how well, how long."""
    ends = _ends(call, since_seconds)
    rows = metrics_of(ends)
    if call.out.as_json:
        call.out.document({"steps": len(ends), **_window(ends), "tools": _tool_documents(rows)})
        return
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
    ends = _ends(call, since_seconds)
    rows = calibration_of(ends)
    if call.out.as_json:
        document = _calibration_document(rows[0])
        tools = {row.tool: _calibration_document(row) for row in rows[1:]}
        call.out.document({"steps": len(ends), **_window(ends), "all": document, "tools": tools})
        return
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


def _ends(call: Call, since_seconds: float | None) -> Sequence[Event]:
    since = None if since_seconds is None else call.nexus.clock.now() - timedelta(seconds=since_seconds)
    return call.nexus.store.step_ends(since=since, limit=MOST_ENDS)


def _window(ends: Sequence[Event]) -> dict[str, Any]:
    from dreamos_tasks.model.json_form import instant_to_text

    return {
        "first_at": instant_to_text(ends[-1].at) if ends else None,
        "last_at": instant_to_text(ends[0].at) if ends else None,
        "truncated": len(ends) == MOST_ENDS,
    }


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


def _tool_documents(rows: Sequence[StepMetrics]) -> list[dict[str, Any]]:
    """Each tool with its steps."""
    tools: list[dict[str, Any]] = []
    for row in rows:
        form = {
            "runs": row.runs,
            "completed": row.completed,
            "failed": row.failed,
            "success_rate": round(row.success_rate, 4),
            "p50_seconds": row.p50_seconds,
            "p95_seconds": row.p95_seconds,
            "slowest_seconds": row.slowest_seconds,
            "slowest_task_id": row.slowest_task_id,
            "waited_p50_seconds": row.waited_p50_seconds,
            "waited_p95_seconds": row.waited_p95_seconds,
        }
        if row.step is None:
            tools.append({"tool": row.tool, **form, "steps": []})
        else:
            tools[-1]["steps"].append({"step": row.step, **form})
    return tools


def _calibration_row(row: Calibration) -> tuple[str, ...]:
    return (
        "(all)" if row.tool is None else harmless(row.tool),
        str(row.finished),
        _share(row.inside, row.finished),
        _share(row.early, row.finished),
        _share(row.late, row.finished),
        str(row.rough),
    )


def _calibration_document(row: Calibration) -> dict[str, Any]:
    return {
        "finished": row.finished,
        "inside": row.inside,
        "early": row.early,
        "late": row.late,
        "rough": row.rough,
        "share_inside": None if row.share_inside is None else round(row.share_inside, 4),
        "expected_share": 0.8,
    }


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
