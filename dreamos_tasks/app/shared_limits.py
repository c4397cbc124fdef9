"""Builds what the calls of tools share, from Settings: how many at once, how many a minute, when a tool is left alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from dreamos_tasks.config.settings import BreakerSettings, Settings, ToolSettings
from dreamos_tasks.execution.gates import SharedLimits, StepGates, Tools
from dreamos_tasks.model.breaker import BreakerRule

# What these call is each call's own: one command that fails says nothing of the next. They have a breaker if one is set.
OF_THIS_MACHINE = frozenset({"shell", "python", "files"})


def build_gates(tools: Tools, *, settings: Settings, now: Callable[[], datetime]) -> StepGates:
    """What steps have to pass before they start."""
    named = {*settings.tools, *OF_THIS_MACHINE}
    return StepGates(
        tools,
        now=now,
        limits={name: shared_limits(name, settings.tool(name)) for name in named},
        others=shared_limits("", ToolSettings()),
    )


def shared_limits(name: str, tool: ToolSettings) -> SharedLimits:
    """What holds for all calls of the tool."""
    breaks = name not in OF_THIS_MACHINE or tool.breaker != BreakerSettings()
    rule = BreakerRule(
        failures=tool.breaker.failures,
        window_seconds=tool.breaker.window_seconds,
        open_seconds=tool.breaker.open_seconds,
    )
    return SharedLimits(
        most=tool.max_concurrent,
        per_minute=tool.rate_per_minute,
        most_per_host=tool.max_concurrent_per_host,
        per_minute_per_host=tool.rate_per_minute_per_host,
        breaker=rule if breaks else None,
    )
