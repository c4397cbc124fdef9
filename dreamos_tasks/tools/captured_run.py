"""A run whose output is captured: what every tool has in common that starts a program for its call."""

from __future__ import annotations

from dataclasses import replace

from dreamos_tasks.model.tool import ToolContext, ToolResult
from dreamos_tasks.tools.capture import Capture, Captured
from dreamos_tasks.tools.children import Children, RunEnd
from dreamos_tasks.tools.exit_status import with_notes
from dreamos_tasks.tools.process import Command
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.tools.run_tag import RunTag


async def run_captured(
    children: Children, command: Command, *, context: ToolContext, redactor: Redactor
) -> tuple[RunEnd, Captured]:
    """Run it within the context's limits, to its end. Raises OSError and ValueError as `Children.run` does."""
    capture = Capture(context.run_dir, context.step, limit_bytes=context.output_limit_bytes, redactor=redactor)
    try:
        end = await children.run(
            command,
            tag=RunTag(context.task_id, context.token, context.step),
            on_output=capture.feed,
            grace_seconds=context.grace_seconds,
            timeout_seconds=context.timeout_seconds,
            limits=context.limits,
        )
    finally:
        captured = capture.finish()
    return end, captured


def with_output(result: ToolResult, captured: Captured) -> ToolResult:
    """The result, with what was printed."""
    return replace(
        with_notes(result, captured.trouble),
        output_head=captured.head,
        output_tail=captured.tail,
        output_bytes=captured.total_bytes,
        output_path=captured.path,
        output_sha256=captured.sha256,
    )
