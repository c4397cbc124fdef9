"""Steps from the command line: shell lines of `--run` and `--verify`."""

from __future__ import annotations

from collections.abc import Sequence

from dreamos_tasks.model.plan import Plan, Step, steps_from_run


def plan_of(lines: Sequence[str]) -> Plan | None:
    """One shell step a line; None without any."""
    return Plan(steps=steps_from_run(tuple(lines))) if lines else None


def verification_of(lines: Sequence[str]) -> tuple[Step, ...]:
    """One shell step a line, called `verify`, or `verify-1` and so on."""
    return tuple(
        Step(name="verify" if len(lines) == 1 else f"verify-{number}", params={"command": line})
        for number, line in enumerate(lines, start=1)
    )
