"""Checks of what steps use: each tool on this machine, and the file of secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from dreamos_tasks.app.checkup import Finding, Level, Place
from dreamos_tasks.errors import DreamosError
from dreamos_tasks.model.tool import Health
from dreamos_tasks.tools.registry import ToolRegistry

PATIENCE_SECONDS = 10.0  # for the answer of one tool


def tools(place: Place) -> Iterator[Finding]:
    """What each tool says of itself. That one cannot be used warns only those whose settings mention it."""
    from dreamos_tasks.app.tool_shop import tools_to_ask

    if place.settings_error is not None:
        return
    registry = tools_to_ask(place.home)
    well = []
    for name in registry.names():
        try:
            health = asyncio.run(_health(registry, name))
        except DreamosError as error:
            yield Finding(check="tools", level=Level.FAIL, detail=f"{name}: {error.message}", fix=error.fix)
            continue
        if health.ok:
            well.append(name)
        else:
            level = Level.WARN if name in place.settings.tools else Level.OK
            yield Finding(check="tools", level=level, detail=f"not {name}: {health.detail}", fix=health.fix)
    yield Finding(check="tools", level=Level.OK, detail=", ".join(well) or "none can be used")


def secrets(place: Place) -> Iterator[Finding]:
    """The file that ${secret:NAME} is read from: its names, never what they stand for."""
    from dreamos_tasks.config.secrets import read_secrets

    path = place.home.path / place.settings.secrets.path
    names = read_secrets(path)
    if names:
        yield Finding(check="secrets", level=Level.OK, detail=f"{len(names)} in {path}: {', '.join(sorted(names))}")


async def _health(registry: ToolRegistry, name: str) -> Health:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await registry.get(name).health()
    except TimeoutError:
        return Health(ok=False, detail=f"it gave no answer within {PATIENCE_SECONDS:g} s")
