"""Tracing: an attempt at a task is a span, and its steps are spans below it, told to whoever the environment names."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from dreamos_tasks import TaskNexus
from dreamos_tasks.app.daemon import Daemon
from dreamos_tasks.app.tracing import Tracing, provider_of, tracing_from
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.model.plan import Plan, Step, StepResult, StepStatus
from dreamos_tasks.model.task import TaskDraft
from tests.waiting import until

PLAN = Plan(
    steps=(Step(name="good", params={"command": ["true"]}), Step(name="bad", params={"command": ["false"]})),
)


@pytest.fixture
def collector() -> Iterator[ThreadingHTTPServer]:
    """A server that speaks OTLP; what it was told lies in its `told`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            request = ExportTraceServiceRequest.FromString(body)
            server.told.extend(  # type: ignore[attr-defined]
                span for found in request.resource_spans for scope in found.scope_spans for span in scope.spans
            )
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.told = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_daemon_tells_its_collector_of_tasks_and_their_steps(
    tmp_path: Path, collector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    daemon = Daemon(Home(path=tmp_path, found_by="--home"), Settings())
    daemon.take()
    await daemon.start()
    try:
        task = await daemon.desk.write(lambda nexus: nexus.add_task(TaskDraft(title="two steps", plan=PLAN)))

        async def over() -> bool:
            return (await daemon.desk.read(lambda nexus: nexus.get_task_by_id(task.task_id))).is_over

        while not await over():
            continue
    finally:
        await daemon.stop()
    await until(lambda: len(collector.told) == 3, what=f"{collector.told}")
    spans = {span.name: span for span in collector.told}
    whole = spans[f"task {task.task_id}"]
    assert {name for name in spans if name.startswith("step")} == {"step good", "step bad"}
    assert all(spans[name].parent_span_id == whole.span_id for name in ("step good", "step bad"))
    assert (whole.status.code, spans["step good"].status.code, spans["step bad"].status.code) == (2, 1, 2)
    assert whole.start_time_unix_nano <= spans["step good"].start_time_unix_nano
    assert whole.end_time_unix_nano >= spans["step bad"].end_time_unix_nano


def test_an_attempt_that_loses_its_claim_ends_there_and_the_next_is_another_span(tmp_path: Path) -> None:
    told = InMemorySpanExporter()
    provider = provider_of({})
    provider.add_span_processor(SimpleSpanProcessor(told))
    tracing = Tracing(provider)
    with TaskNexus.open(tmp_path / "nexus.db") as nexus:
        task = nexus.add_task(TaskDraft(title="x", plan=PLAN))
        claimed = nexus.claim_task(task.task_id, "ada")
        assert claimed.claim is not None
        nexus.record_step(task.task_id, StepResult(name="good", status=StepStatus.RUNNING), token=claimed.claim.token)
        nexus.release_task(task.task_id, "ada")
        nexus.claim_task(task.task_id, "bob")
        for event in nexus.events():
            tracing.happened(event)
    tracing.stop()
    spans = told.get_finished_spans()
    assert [(span.name.split()[0], (span.attributes or {}).get("dreamos_tasks.agent.id")) for span in spans] == [
        ("step", None),
        ("task", "ada"),
        ("task", "bob"),
    ]
    assert spans[1].status.status_code is StatusCode.OK


def test_nothing_is_told_unless_the_environment_says_where() -> None:
    assert tracing_from({}) is None
    assert tracing_from({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"}) is None
