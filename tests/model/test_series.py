"""What the events of a day tell, minute by minute."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.series import MOST_SAMPLES, Series
from tests.fakes import START

MINUTE = timedelta(minutes=1)
NOW = START.replace(second=0, microsecond=0) + 10 * MINUTE + timedelta(seconds=30)


def event(type_: EventType, *, back: int = 0, changes: dict[str, Any] | None = None, **detail: Any) -> Event:
    return Event(type=type_, task_id="t", at=NOW - back * MINUTE, by="somebody", changes=changes or {}, detail=detail)


def columns(*events: Event, open_now: int = 0, running_now: int = 0, minutes: int = 5, bucket: int = 60) -> Any:
    series = Series()
    for one in events:
        series.add(one)
    return series.columns(
        now=NOW, window_seconds=minutes * 60, bucket_seconds=bucket, open_now=open_now, running_now=running_now
    )


def test_each_minute_has_its_place_and_older_ones_are_left_out() -> None:
    told = columns(*(event(EventType.TASK_ADDED, back=back) for back in (0, 0, 2, 9)))
    assert told["added"] == [0, 0, 1, 0, 2]
    assert [later - earlier for earlier, later in zip(told["at"], told["at"][1:], strict=False)] == [60] * 4
    assert told["at"][-1] - 60 <= NOW.timestamp() < told["at"][-1]


def test_how_many_were_open_and_running_is_counted_back_from_now() -> None:
    events = (
        event(EventType.TASK_ADDED, back=3),
        event(EventType.TASK_ADDED, back=3),
        event(EventType.TASK_CLAIMED, back=2, changes={"claim": {"token": 1}}),
        event(EventType.TASK_COMPLETED, back=1, changes={"claim": None, "finished_at": "x", "status": "completed"}),
    )
    told = columns(*events, open_now=1)
    assert told["open"] == [0, 2, 2, 1, 1]
    assert told["running"] == [0, 0, 1, 0, 0]


def test_a_failed_task_that_is_tried_anew_is_open_again() -> None:
    events = (
        event(EventType.TASK_FAILED, back=2, changes={"finished_at": "x"}),
        event(EventType.TASK_RETRIED, back=1, changes={"finished_at": None, "status": "pending"}),
    )
    assert columns(*events, open_now=1)["open"] == [1, 1, 0, 1, 1]


def test_steps_tell_how_long_they_took_and_how_long_their_tasks_waited() -> None:
    ends = [event(EventType.STEP_COMPLETED, seconds=float(n), waited_seconds=10.0) for n in (1, 2, 3)]
    told = columns(*ends, event(EventType.STEP_FAILED, seconds=99.0))
    assert (told["steps"][-1], told["steps_failed"][-1]) == (4, 1)
    assert (told["step_p50_seconds"][-1], told["waited_p50_seconds"][-1]) == (2.0, 10.0)
    assert told["step_p50_seconds"][0] is None, "no step ended then"


def test_longer_buckets_hold_the_minutes_within_them() -> None:
    told = columns(*(event(EventType.TASK_ADDED, back=back) for back in range(10)), minutes=15, bucket=300)
    assert (len(told["at"]), sum(told["added"])) == (3, 10)


def test_a_busy_minute_keeps_so_many_durations_and_counts_all_steps() -> None:
    series = Series()
    for _ in range(MOST_SAMPLES + 5):
        series.add(event(EventType.STEP_COMPLETED, seconds=1.0))
    told = series.columns(now=NOW, window_seconds=60, bucket_seconds=60, open_now=0, running_now=0)
    assert told["steps"] == [MOST_SAMPLES + 5]
    series.forget_before(NOW + MINUTE)
    assert series.columns(now=NOW, window_seconds=60, bucket_seconds=60, open_now=0, running_now=0)["steps"] == [0]
