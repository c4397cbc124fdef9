"""Builds the parts that do the work, from Settings: tools, steps, inbox, monitoring."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dreamos_tasks.app.call_checks import call_check
from dreamos_tasks.app.identity import is_alive
from dreamos_tasks.board.clock import SteadyClock
from dreamos_tasks.board.desk import BoardDesk
from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.execution.step_executor import StepExecutor
from dreamos_tasks.execution.surroundings import Surroundings
from dreamos_tasks.intake.claiming import IntakeRules
from dreamos_tasks.intake.inbox import InboxRules, InboxWatcher
from dreamos_tasks.model.limits import LIMIT_NAMES, Limits
from dreamos_tasks.monitoring.monitor import monitors_of
from dreamos_tasks.monitoring.service import TaskMonitoringService
from dreamos_tasks.tools.children import Children
from dreamos_tasks.tools.registry import ToolRegistry
from dreamos_tasks.tools.shell import ShellTool


def home_id(home: Home) -> str:
    """What marks processes as started for this home."""
    return str(home.path)


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


def build_tools(*, instance: str, home: Home) -> ToolRegistry:
    """The tools of this program and of other packages. `instance` marks what they start as this process's."""
    return ToolRegistry((ShellTool(Children(home_id=home_id(home), instance=instance)),))


def build_steps(tools: ToolRegistry, *, home: Home, settings: Settings) -> StepExecutor:
    """What runs the steps of this home's tasks."""
    return StepExecutor(tools, surroundings_of(home, settings), now=SteadyClock().now)


def build_monitoring(desk: BoardDesk, *, settings: Settings) -> TaskMonitoringService:
    """The monitors of a board, on their schedule."""
    return TaskMonitoringService(
        desk,
        monitors_of(settings.monitoring, is_alive=is_alive),
        interval_seconds=settings.monitoring.check_interval_seconds,
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
