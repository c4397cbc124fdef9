"""Detours: steps of an attempt whose tool is unwell or left alone, and that go another way: a fallback tool, or not at all."""

from __future__ import annotations

from collections.abc import Iterable

from loguru import logger

from dreamos_tasks.execution.gates import StepGates
from dreamos_tasks.model.gate import Refusal
from dreamos_tasks.model.hold import WaitKind
from dreamos_tasks.model.plan import Step


class Detours:
    """What one attempt knows of them. A step goes back to its own tool in the next attempt."""

    def __init__(self, gates: StepGates) -> None:
        self._gates = gates
        self._asked: set[str] = set()
        self._by_fallback: dict[str, str] = {}  # name of the step -> why
        self._left_out: dict[str, str] = {}

    def tool_of(self, step: Step) -> str:
        """The tool that the step is to run through."""
        return step.fallback if step.fallback is not None and step.name in self._by_fallback else step.tool

    def left_out(self, step: Step) -> str:
        """Why the step is to be skipped; "" when it is not."""
        return self._left_out.get(step.name, "")

    async def seek(self, steps: Iterable[Step]) -> bool:
        """Ask how the tools of these steps are, of those that could do otherwise; whether one now does."""
        found = False
        for step in steps:
            if may_detour(step) and step.name not in self._asked:
                self._asked.add(step.name)
                trouble = await self._gates.trouble_of(step.tool)
                found = (bool(trouble) and self._turn(step, trouble)) or found
        return found

    def take(self, step: Step, refusal: Refusal) -> bool:
        """Whether a step that was refused goes another way instead of waiting: only where something fails."""
        return refusal.kind is WaitKind.BREAKER and self._turn(step, refusal.reason)

    def _turn(self, step: Step, reason: str) -> bool:
        if step.fallback is not None and step.name not in self._by_fallback:
            self._by_fallback[step.name] = reason
            logger.info("step {} runs through {} instead: {}", step.name, step.fallback, reason)
            return True
        if step.optional:
            self._left_out[step.name] = reason
            return True
        return False


def may_detour(step: Step) -> bool:
    """Whether the step could be done otherwise when its tool fails."""
    return step.fallback is not None or step.optional
