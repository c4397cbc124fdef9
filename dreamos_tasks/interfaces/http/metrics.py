"""GET /metrics: how the board and the daemon stand, and what happened since the daemon started, for Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from dreamos_tasks import __version__
from dreamos_tasks.app.meters import Meters
from dreamos_tasks.interfaces.http.tokens import Scope
from dreamos_tasks.model.breaker import Position
from dreamos_tasks.model.query import Order, TaskQuery
from dreamos_tasks.model.task import Priority, Status
from dreamos_tasks.model.value import frozen_value

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from dreamos_tasks.board.nexus import TaskNexus
    from dreamos_tasks.interfaces.http.context import WebContext

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"
PREFIX = "dreamos_tasks_"


@frozen_value
class Standing:
    """How things stand at one scrape. Ages in seconds, None where there is nothing to be old."""

    tasks: Mapping[str, int]  # by state
    agents: Mapping[str, int]  # how many tasks each holds
    oldest_ready_seconds: float | None
    incidents: Mapping[str, int]
    open_breakers: Sequence[str]
    last_seq: int
    report: Mapping[str, Any]
    followers: int


def metrics_routes(context: WebContext) -> list[Route]:
    """The route, at the place where scrapers look and beside the other routes of the API."""
    meters = Meters()
    context.listen(meters.happened)

    async def metrics(request: Request) -> Response:
        """In the text format of Prometheus."""
        context.sign_in.who(request.scope["headers"]).require(Scope.READ)
        standing = await _standing(context)
        text = await asyncio.to_thread(written, standing, meters)
        return Response(text, media_type=CONTENT_TYPE, headers={"cache-control": "no-store"})

    return [Route(path, metrics, methods=["GET"]) for path in ("/metrics", "/api/v1/metrics")]


def written(standing: Standing, meters: Meters) -> bytes:
    """All of it as text."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Found(Collector):
        def collect(self) -> Iterator[Metric]:
            yield from _gauges(standing)
            yield from _counters(meters)

    registry = CollectorRegistry()
    registry.register(Found())
    text: bytes = generate_latest(registry)
    return text


async def _standing(context: WebContext) -> Standing:
    def look(nexus: TaskNexus) -> Standing:
        now = nexus.clock.now()
        ready = nexus.find_tasks(TaskQuery(statuses=frozenset({"ready"}), order=Order.AGE, limit=1))
        since = ready[0].pending_since if ready else None
        incidents: dict[str, int] = {}
        for incident in nexus.incidents.all():
            incidents[incident.severity.value] = incidents.get(incident.severity.value, 0) + 1
        return Standing(
            tasks=nexus.store.count("status", now=now),
            agents=nexus.store.count("agent", now=now),
            oldest_ready_seconds=(now - since).total_seconds() if since is not None else None,
            incidents=incidents,
            open_breakers=[gate.key for gate in nexus.gates() if gate.breaker is not Position.CLOSED],
            last_seq=nexus.store.last_seq(),
            report=context.report(),
            followers=context.live.clients,
        )

    return await context.desk.read(look)


def _gauges(standing: Standing) -> Iterator[Metric]:
    """How things stand."""
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily(PREFIX + "build", "Which release this is.", value={"version": __version__})
    tasks = GaugeMetricFamily(PREFIX + "tasks", "Tasks on the board, by state.", labels=["status"])
    for status in Status:
        tasks.add_metric([status.value], standing.tasks.get(status.value, 0))
    yield tasks
    held = GaugeMetricFamily(PREFIX + "agent_tasks", "Tasks that an agent holds.", labels=["agent"])
    for agent, number in sorted(standing.agents.items()):
        held.add_metric([agent], number)
    yield held
    incidents = GaugeMetricFamily(
        PREFIX + "incidents", "Incidents whose cause lasts, by severity.", labels=["severity"]
    )
    for severity in Priority:
        incidents.add_metric([severity.value], standing.incidents.get(severity.value, 0))
    yield incidents
    breakers = GaugeMetricFamily(PREFIX + "breaker_open", "Circuit breakers that are not closed.", labels=["key"])
    for key in standing.open_breakers:
        breakers.add_metric([key], 1)
    yield breakers
    report = standing.report
    for name, said, value in (
        (
            "oldest_ready_seconds",
            "How long the oldest ready task has been pending.",
            standing.oldest_ready_seconds or 0.0,
        ),
        ("last_seq", "The number of the board's newest event.", standing.last_seq),
        ("places", "How many tasks the daemon runs at once.", report["capacity"]),
        ("places_taken", "How many it runs now.", len(report["running"])),
        ("trouble", "What keeps the daemon from its work: how many things.", len(report["trouble"])),
        ("draining", "1 while it stops.", float(report["draining"])),
        ("followers", "Connections that follow the board live.", standing.followers),
    ):
        yield GaugeMetricFamily(PREFIX + name, said, value=value)


def _counters(meters: Meters) -> Iterator[Metric]:
    """What has happened since the daemon started."""
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    events = CounterMetricFamily(PREFIX + "events", "Events of the board, by type.", labels=["type"])
    for kind, number in sorted(meters.events.items()):
        events.add_metric([kind], number)
    yield events
    ended = CounterMetricFamily(
        PREFIX + "tasks_ended", "Tasks that ended, by the state they ended in.", labels=["status"]
    )
    for status, number in sorted(meters.ended.items()):
        ended.add_metric([status], number)
    yield ended
    steps = CounterMetricFamily(PREFIX + "steps", "Steps that ended, by tool and how.", labels=["tool", "outcome"])
    for (tool, outcome), number in sorted(meters.steps.items()):
        steps.add_metric([tool, outcome], number)
    yield steps
    durations = HistogramMetricFamily(PREFIX + "step_seconds", "How long steps took, by tool.", labels=["tool"])
    for tool, histogram in sorted(meters.step_seconds.items()):
        durations.add_metric([tool], histogram.buckets(), histogram.sum_seconds)
    yield durations
    yield HistogramMetricFamily(
        PREFIX + "queue_wait_seconds",
        "How long tasks had been pending when they were claimed.",
        buckets=meters.waited_seconds.buckets(),
        sum_value=meters.waited_seconds.sum_seconds,
    )
