"""Builds the parts that do the work, from Settings: tools, steps, inbox, monitoring."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from dreamos_tasks.app.boards import rules_of
from dreamos_tasks.app.call_checks import call_check
from dreamos_tasks.app.identity import is_alive
from dreamos_tasks.app.shared_limits import build_gates
from dreamos_tasks.app.telling import build_teller, time_of_day
from dreamos_tasks.board.clock import SteadyClock
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.secrets import read_secrets
from dreamos_tasks.config.settings import ApprovalSettings, Settings
from dreamos_tasks.execution.attempt import Desk
from dreamos_tasks.execution.executor import TaskExecutor
from dreamos_tasks.execution.permits import ApprovalRules
from dreamos_tasks.execution.step_executor import StepExecutor
from dreamos_tasks.execution.surroundings import Surroundings
from dreamos_tasks.execution.verification import Verifier
from dreamos_tasks.intake.claiming import IntakeRules
from dreamos_tasks.intake.inbox import InboxRules, InboxWatcher
from dreamos_tasks.model.limits import LIMIT_NAMES, Limits
from dreamos_tasks.model.request import Risk
from dreamos_tasks.model.risk import DESTRUCTIVE, Pattern
from dreamos_tasks.monitoring.monitor import monitors_of
from dreamos_tasks.monitoring.pressure import Pressure, PressureGauge, slots_under
from dreamos_tasks.monitoring.service import TaskMonitoringService
from dreamos_tasks.tools.registry import ToolRegistry


def workspace_of(home: Home) -> Path:
    """Where relative folders of tasks begin: the project, not the hidden folder in it."""
    return home.path.parent if home.path.name == ".dreamos" else home.path


def surroundings_of(home: Home, settings: Settings, environ: Mapping[str, str] | None = None) -> Surroundings:
    """What all steps of this home's tasks have in common."""
    own = os.environ if environ is None else environ
    wall = settings.limits.wall_seconds
    return Surroundings(
        workspace=workspace_of(home),
        runs=home.runs,
        environment={name: value for name, value in own.items() if settings.daemon.passes(name)},
        output_limit_bytes=settings.limits.output_bytes,
        limits=Limits(**{name: getattr(settings.limits, name) for name in LIMIT_NAMES}),
        timeouts_seconds={name: tool.timeout_seconds for name, tool in settings.tools.items() if tool.timeout_seconds},
        default_timeout_seconds=wall,
    )


def build_steps(tools: ToolRegistry, *, home: Home, settings: Settings) -> StepExecutor:
    """What runs the steps of this home's tasks."""
    now = SteadyClock().now
    return StepExecutor(
        tools,
        surroundings_of(home, settings),
        now=now,
        gates=build_gates(tools, settings=settings, now=now),
        approvals=approval_rules_of(settings.approvals),
        secrets=lambda: read_secrets(home.path / settings.secrets.path),
    )


def build_executor(desk: Desk, steps: StepExecutor, *, settings: Settings) -> TaskExecutor:
    """What runs whole tasks."""
    return TaskExecutor(
        desk,
        steps,
        Verifier(steps),
        retry=rules_of(settings).retry,
        most_steps=settings.daemon.max_concurrent_steps,
    )


def room_on(home: Home, settings: Settings) -> Callable[[int], tuple[int, str]]:
    """How many of so many tasks this machine can bear at once now, and why not all of them."""
    gauge = PressureGauge(home.runtime)
    least = settings.limits.disk_free_bytes
    eases = settings.daemon.under_pressure == "fewer"

    def room(capacity: int) -> tuple[int, str]:
        found = gauge.read()
        counted = found if eases else Pressure(disk_free_bytes=found.disk_free_bytes)
        return slots_under(counted, capacity, disk_free_bytes=least)

    return room


def approval_rules_of(settings: ApprovalSettings) -> ApprovalRules:
    """When people are asked before a step runs: by this program's own table, as the settings lengthen or shorten it."""
    known = (pattern for pattern in DESTRUCTIVE if pattern.name not in settings.without)
    return ApprovalRules(
        asks_destructive=settings.destructive == "ask",
        expires_seconds=settings.expires_seconds,
        patterns=(*known, *map(_own_pattern, settings.patterns)),
        also=settings.also_judged,
    )


def _own_pattern(line: str) -> Pattern:
    risk, _, expression = line.partition(":")
    return Pattern(
        name="approvals.patterns",
        kind="own",
        expression=expression.strip(),
        risk=Risk(risk),
        reason=f"the settings say so of {expression.strip()!r}",
    )


def build_monitoring(
    desk: BoardDesk, *, home: Home, settings: Settings, tools: Callable[[], ToolRegistry]
) -> TaskMonitoringService:
    """The monitors of a board, on their schedule, and who tells people of what they find."""
    return TaskMonitoringService(
        desk,
        monitors_of(settings, is_alive=is_alive, time_of_day=time_of_day),
        interval_seconds=settings.monitoring.check_interval_seconds,
        teller=build_teller(desk, home=home, settings=settings, tools=tools),
    )


def build_inbox(desk: BoardDesk, tools: ToolRegistry, *, home: Home, settings: Settings) -> InboxWatcher:
    """The inbox of a home."""
    intake = IntakeRules(
        max_bytes=settings.inbox.max_bytes,
        max_tasks_per_file=settings.inbox.max_tasks_per_file,
        settle_seconds=settings.inbox.settle_seconds,
        check_call=call_check(tools),
    )
    return InboxWatcher(
        InboxRules(
            inbox=home.inbox(settings.inbox),
            outbox=home.outbox,
            intake=intake,
            rescan_seconds=settings.inbox.rescan_seconds,
        ),
        desk,
    )
