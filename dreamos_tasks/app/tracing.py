"""Tracing: one OpenTelemetry span an attempt at a task, and one a step below it, told from the board's events.

On when the extra `otel` is installed and the environment says where spans go (OTEL_EXPORTER_OTLP_ENDPOINT, or that of traces);
the SDK's own variables (OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER ...) hold as they do everywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from loguru import logger

from dreamos_tasks import __version__
from dreamos_tasks.model.event import Event, EventType

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
SERVICE_NAME = "dreamos-tasks"
MOST_OPEN = 10_000  # attempts at once; beyond, the oldest is let go without its end
STEP_BEGINS = EventType.STEP_STARTED
STEP_ENDS = frozenset({EventType.STEP_COMPLETED, EventType.STEP_FAILED, EventType.STEP_PAUSED})
FAILURES = frozenset({"failed", "cancelled"})


def tracing_from(environ: Mapping[str, str] = os.environ) -> Tracing | None:
    """The tracing that the environment asks for; None when it asks for none, or the extra is missing (which is logged)."""
    if not any(environ.get(name) for name in ENDPOINTS) or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        logger.warning(
            "no spans are told: {} asks for them, and pip install 'dreamos-tasks[otel]' is missing", ENDPOINTS[1]
        )
        return None
    provider = provider_of(environ)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider)


def provider_of(environ: Mapping[str, str]) -> TracerProvider:
    """Makes spans of this service; it has nobody to tell them to yet."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    name = environ.get("OTEL_SERVICE_NAME") or SERVICE_NAME
    return TracerProvider(resource=Resource.create({"service.name": name, "service.version": __version__}))


class Tracing:
    """Give it every event of the board, in order: `happened`. `stop` tells what is left."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("dreamos_tasks", __version__)
        self._attempts: dict[str, Span] = {}
        self._steps: dict[str, dict[str, Span]] = {}

    def happened(self, event: Event) -> None:
        """One event."""
        if event.type is EventType.TASK_CLAIMED:
            self._begin(event)
        elif event.task_id in self._attempts:
            if event.type is STEP_BEGINS:
                self._begin_step(event)
            elif event.type in STEP_ENDS:
                self._end_step(event)
            if "claim" in event.changes and event.changes["claim"] is None:
                self._end(event)

    def stop(self) -> None:
        """Tell what is left. Attempts that go on are told without their end. May be called twice."""
        for task_id in tuple(self._attempts):
            self._let_go(task_id)
        self._provider.shutdown()

    def _begin(self, event: Event) -> None:
        if event.task_id in self._attempts:
            self._let_go(event.task_id)
        if len(self._attempts) >= MOST_OPEN:
            self._let_go(next(iter(self._attempts)))
        claim = event.changes.get("claim") or {}
        self._attempts[event.task_id] = self._tracer.start_span(
            f"task {event.task_id}",
            start_time=_nanoseconds(event.at),
            attributes={
                "dreamos_tasks.task.id": event.task_id,
                "dreamos_tasks.agent.id": str(claim.get("agent_id", event.by)),
                "dreamos_tasks.claim.token": int(claim.get("token", 0)),
                "dreamos_tasks.task.attempt": int(event.changes.get("attempt", 0)),
            },
        )
        self._steps[event.task_id] = {}

    def _begin_step(self, event: Event) -> None:
        from opentelemetry.trace import set_span_in_context

        name = str(event.detail.get("step", ""))
        self._steps[event.task_id][name] = self._tracer.start_span(
            f"step {name}",
            context=set_span_in_context(self._attempts[event.task_id]),
            start_time=_nanoseconds(event.at),
            attributes={
                "dreamos_tasks.task.id": event.task_id,
                "dreamos_tasks.step.name": name,
                "dreamos_tasks.tool": str(event.detail.get("tool", "")),
            },
        )

    def _end_step(self, event: Event) -> None:
        span = self._steps[event.task_id].pop(str(event.detail.get("step", "")), None)
        if span is not None:
            _close(span, event, failed=event.type is EventType.STEP_FAILED)

    def _end(self, event: Event) -> None:
        for span in self._steps.pop(event.task_id, {}).values():
            span.end(_nanoseconds(event.at))  # cut off with the attempt
        span = self._attempts.pop(event.task_id)
        status = str(event.changes.get("status", "pending"))
        span.set_attribute("dreamos_tasks.task.status", status)
        span.set_attribute("dreamos_tasks.event", event.type.value)
        _close(span, event, failed=status in FAILURES or event.type is EventType.TASK_RETRY_SCHEDULED)

    def _let_go(self, task_id: str) -> None:
        for span in self._steps.pop(task_id, {}).values():
            span.end()
        self._attempts.pop(task_id).end()


def _close(span: Span, event: Event, *, failed: bool) -> None:
    from opentelemetry.trace import Status, StatusCode

    error: Any = event.changes.get("error") or {}
    message = str(error.get("message", "")) if isinstance(error, Mapping) else ""
    span.set_status(Status(StatusCode.ERROR, message) if failed else Status(StatusCode.OK))
    span.end(_nanoseconds(event.at))


def _nanoseconds(instant: datetime) -> int:
    return int(instant.timestamp() * 1_000_000) * 1000
