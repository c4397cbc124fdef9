"""What the ends of steps tell: how many, how well, how long, how long queued; and whether estimates held."""

from __future__ import annotations

from typing import Any

from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.metrics import calibration_of, metrics_of, quantile
from tests.fakes import START


def end(step: str = "build", *, ok: bool = True, task_id: str = "t", tool: str = "shell", **detail: Any) -> Event:
    type_ = EventType.STEP_COMPLETED if ok else EventType.STEP_FAILED
    return Event(type=type_, task_id=task_id, at=START, by="daemon", detail={"tool": tool, "step": step, **detail})


def test_each_tool_is_followed_by_its_steps_most_used_first() -> None:
    ends = [end("test"), end("build"), end("build"), end("get", tool="http")]
    rows = [(row.tool, row.step, row.runs) for row in metrics_of(ends)]
    assert rows == [
        ("shell", None, 3),
        ("shell", "build", 2),
        ("shell", "test", 1),
        ("http", None, 1),
        ("http", "get", 1),
    ]


def test_durations_are_those_of_what_was_completed_and_failures_count_for_the_rate() -> None:
    ends = [end(seconds=float(n), task_id=f"t{n}") for n in range(1, 4)] + [end(ok=False, seconds=99.0, task_id="bad")]
    row = metrics_of(ends)[0]
    assert (row.completed, row.failed, row.success_rate) == (3, 1, 0.75)
    assert (row.p50_seconds, row.p95_seconds) == (2.0, 3.0)
    assert (row.slowest_seconds, row.slowest_task_id) == (3.0, "t3")


def test_a_wait_in_the_queue_counts_once_a_claim() -> None:
    ends = [
        end("a", waited_seconds=10.0),
        end("b", waited_seconds=10.0),
        end("a", waited_seconds=2.0, task_id="u"),
        end("a", waited_seconds=4.0, task_id="v"),
    ]
    assert metrics_of(ends)[0].waited_p50_seconds == 4.0


def test_nothing_tells_nothing() -> None:
    assert list(metrics_of([])) == []
    assert quantile([], 0.5) is None
    row = metrics_of([end(ok=False)])[0]
    assert (row.p50_seconds, row.slowest_task_id, row.waited_p95_seconds) == (None, None, None)


def estimate(low: float, high: float, *, is_rough: bool = False) -> dict[str, Any]:
    return {"low_seconds": low, "likely_seconds": low, "high_seconds": high, "samples": 9, "is_rough": is_rough}


def test_calibration_counts_how_often_it_came_as_expected() -> None:
    told = estimate(5, 10)
    ends = [
        end(seconds=5.0, estimate=told),
        end(seconds=10.0, estimate=told),
        end(seconds=1.0, estimate=told, tool="http"),
        end(seconds=11.0, estimate=told),
        end(seconds=7.0, estimate=estimate(1, 99, is_rough=True)),
        end(seconds=7.0),
        end(seconds=7.0, estimate=told, ok=False),
    ]
    everything, shell, http = calibration_of(ends)
    assert (everything.tool, everything.finished, everything.inside) == (None, 4, 2)
    assert (everything.early, everything.late, everything.rough) == (1, 1, 1)
    assert everything.share_inside == 0.5
    assert (shell.tool, shell.finished, http.tool, http.early) == ("shell", 3, "http", 1)
    assert calibration_of([])[0].share_inside is None
