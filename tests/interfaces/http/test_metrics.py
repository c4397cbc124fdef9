"""GET /metrics: what Prometheus reads is what the board and the daemon say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client.parser import text_string_to_metric_families

from dreamos_tasks.app.meters import BOUNDS_SECONDS, MOST_TOOLS, OTHER_TOOL, Histogram, Meters
from dreamos_tasks.interfaces.http.tokens import Scope
from dreamos_tasks.model.event import Event, EventType
from dreamos_tasks.model.plan import Plan, Step
from dreamos_tasks.model.task import TaskDraft
from tests.fakes import START
from tests.interfaces.http.serving import Served

if TYPE_CHECKING:
    from collections.abc import Mapping

DASHBOARD = Path(__file__).resolve().parents[3] / "docs" / "grafana-dashboard.json"


async def scraped(served: Served) -> Mapping[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = await served.client.get("/metrics")
    assert answer.status_code == 200, answer.text
    families = text_string_to_metric_families(answer.text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(found: Mapping[Any, float], name: str, **labels: str) -> float:
    return found[f"dreamos_tasks_{name}", frozenset(labels.items())]


async def test_tasks_and_steps_are_counted_as_they_end(served: Served) -> None:
    good = TaskDraft(title="good", plan=Plan(steps=(Step(name="run", params={"command": ["true"]}),)))
    bad = TaskDraft(title="bad", plan=Plan(steps=(Step(name="run", params={"command": ["false"]}),)))
    await served.daemon.desk.write(
        lambda nexus: [nexus.add_task(good), nexus.add_task(bad), nexus.add_task(TaskDraft(title="x"))]
    )
    found: Mapping[Any, float] = {}

    async def over() -> bool:
        nonlocal found
        found = await scraped(served)
        return value(found, "tasks", status="completed") + value(found, "tasks", status="failed") == 2

    while not await over():
        continue
    assert value(found, "tasks", status="pending") == 1
    assert value(found, "tasks_ended_total", status="completed") == 1
    assert value(found, "tasks_ended_total", status="failed") == 1
    assert value(found, "steps_total", tool="shell", outcome="completed") == 1
    assert value(found, "steps_total", tool="shell", outcome="failed") == 1
    assert value(found, "step_seconds_count", tool="shell") == 2
    assert value(found, "step_seconds_bucket", tool="shell", le="+Inf") == 2
    assert value(found, "queue_wait_seconds_count") == 2
    assert value(found, "oldest_ready_seconds") > 0
    assert value(found, "places") == 4
    assert value(found, "trouble") == 0
    assert value(found, "events_total", type="task_added") == 3


async def test_metrics_are_for_those_who_may_read(served: Served) -> None:
    nobody = await served.client.get("/metrics", headers={"Authorization": "Bearer wrong"})
    assert (nobody.status_code, nobody.json()["code"]) == (401, "not_signed_in")
    reader = await served.client.get("/api/v1/metrics", headers=served.bearer(Scope.READ))
    assert reader.status_code == 200
    assert reader.headers["content-type"].startswith("text/plain; version=")


async def test_whether_the_daemon_is_well_is_told_to_everybody_at_both_places(served: Served) -> None:
    for path in ("/healthz", "/api/v1/healthz"):
        assert (await served.client.get(path, headers={"Authorization": ""})).json()["status"] == "ok"


async def test_the_grafana_dashboard_asks_for_metrics_that_there_are(served: Served) -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    asked = {
        name
        for panel in dashboard["panels"]
        for target in panel["targets"]
        for name in re.findall(r"dreamos_tasks_\w+", target["expr"])
    }
    text = (await served.client.get("/metrics")).text
    families = {family.name: family.type for family in text_string_to_metric_families(text)}
    ends = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",)}
    there = {f"{name}{end}" for name, kind in families.items() for end in ends.get(kind, ("",))}
    assert asked <= there
    assert len(asked) > 10


def test_buckets_hold_all_that_are_no_larger() -> None:
    histogram = Histogram()
    for seconds in (0.01, 0.02, 7.0, 1_000_000.0):
        histogram.add(seconds)
    found = dict(histogram.buckets())
    assert (found["0.01"], found["0.05"], found["15.0"], found["+Inf"]) == (1, 2, 3, 4)
    assert len(found) == len(BOUNDS_SECONDS) + 1


def test_names_of_tools_that_a_plan_makes_up_are_bounded() -> None:
    meters = Meters()
    for number in range(MOST_TOOLS + 50):
        meters.happened(
            Event(type=EventType.STEP_FAILED, task_id="a", at=START, by="x", detail={"tool": f"made-up-{number}"})
        )
    assert len({tool for tool, _ in meters.steps}) == MOST_TOOLS + 1
    assert meters.steps[OTHER_TOOL, "failed"] == 50
