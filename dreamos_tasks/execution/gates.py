"""StepGates: what a step shares with others, by its tool and its parameters; and whether its tool is well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from loguru import logger

from dreamos_tasks.model.breaker import BreakerRule
from dreamos_tasks.model.gate import Gate
from dreamos_tasks.model.plan import Step
from dreamos_tasks.model.tool import Health
from dreamos_tasks.model.value import frozen_value
from dreamos_tasks.protocols import ToolAdapter

HEALTH_SECONDS = 30.0  # how long an answer holds: asking may mean a call over the network


class Tools(Protocol):
    """Where tools are looked up."""

    def get(self, name: str) -> ToolAdapter: ...


@frozen_value
class SharedLimits:
    """What holds for the calls of one tool together, and for those of them that call the same host. None: no limit.

    A tool that says what its calls share has a breaker for each of these, any other one for all its calls.
    """

    most: int | None = None
    per_minute: int | None = None
    most_per_host: int | None = None
    per_minute_per_host: int | None = None
    breaker: BreakerRule | None = None


class StepGates:
    """`limits` by the name of the tool; `others` holds for the rest."""

    def __init__(
        self,
        tools: Tools,
        *,
        now: Callable[[], datetime],
        limits: Mapping[str, SharedLimits] | None = None,
        others: SharedLimits | None = None,
    ) -> None:
        self._tools = tools
        self._now = now
        self._limits = {name: _or_none(shared) for name, shared in (limits or {}).items()}
        self._others = _or_none(others or SharedLimits())
        self._health: dict[str, tuple[datetime, Health]] = {}

    def of(self, step: Step) -> tuple[Gate, ...]:
        """What the step has to pass before it starts; empty for most."""
        limits = self._limits.get(step.tool, self._others)
        if limits is None:
            return ()
        whole = Gate(key=step.tool, most=limits.most, per_minute=limits.per_minute)
        resource = self._resource_of(step)
        if resource is None:
            gates = [replace(whole, breaker=limits.breaker)]
        else:
            host = Gate(
                key=f"{step.tool} {resource}",
                most=limits.most_per_host,
                per_minute=limits.per_minute_per_host,
                breaker=limits.breaker,
            )
            gates = [host, whole]
        return tuple(gate for gate in gates if gate != Gate(key=gate.key))

    async def trouble_of(self, tool: str) -> str:
        """Why the tool cannot be used now, by its own word; "" when it can. An answer holds for a while."""
        known = self._health.get(tool)
        now = self._now()
        if known is None or now - known[0] > timedelta(seconds=HEALTH_SECONDS):
            known = self._health[tool] = (now, await self._ask_health(tool))
        return "" if known[1].ok else f"{tool} is not well: {known[1].detail}"

    async def _ask_health(self, tool: str) -> Health:
        try:
            return await self._tools.get(tool).health()
        except Exception as error:  # noqa: BLE001  a tool may raise anything
            logger.opt(exception=True).warning("the tool {} cannot say how it is", tool)
            return Health(ok=False, detail=str(error) or type(error).__name__)

    def _resource_of(self, step: Step) -> str | None:
        try:
            resource_of = getattr(self._tools.get(step.tool), "resource_of", None)
            resource = None if resource_of is None else resource_of(step.params)
        except Exception:  # noqa: BLE001  a tool may raise anything; the call itself will say what is wrong
            logger.opt(exception=True).debug("the tool {} cannot say what its call shares", step.tool)
            return None
        return str(resource) if resource is not None else None


NO_LIMITS = SharedLimits()


def _or_none(limits: SharedLimits) -> SharedLimits | None:
    return None if limits == NO_LIMITS else limits
