"""Builds the parts that do the work, from Settings: tools, steps, inbox, monitoring."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dreamos_tasks.config.home import Home
from dreamos_tasks.config.settings import Settings
from dreamos_tasks.execution.surroundings import Surroundings


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
        timeouts_seconds={name: tool.timeout_seconds for name, tool in settings.tools.items() if tool.timeout_seconds},
        default_timeout_seconds=wall,
    )
