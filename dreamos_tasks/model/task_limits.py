"""What a task may say of its limits: which there are, and what each may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dreamos_tasks.errors import InvalidTask

WHOLE_LIMITS = ("memory_bytes", "processes", "open_files", "written_bytes", "output_bytes")
SECONDS_LIMITS = ("cpu_seconds", "wall_seconds")
TASK_LIMITS = (*WHOLE_LIMITS, *SECONDS_LIMITS)
MOST = 2**50


def check_limits(said: Mapping[str, Any], *, pointer: str = "/limits") -> None:
    """Refuse limits that break a rule; null is as good as left out. Raises InvalidTask."""
    for name, value in said.items():
        if name not in TASK_LIMITS:
            raise InvalidTask(
                f"{name!r} is no limit of a task",
                pointer=f"{pointer}/{name}",
                cause="the limits are " + ", ".join(TASK_LIMITS),
                fix="correct it, or leave it out",
            )
        if value is not None and not _fits(name, value):
            raise InvalidTask(
                f"the limit {name} cannot be {value!r}",
                pointer=f"{pointer}/{name}",
                cause=f"expected {expected(name)}",
                fix="correct it, or leave it out",
            )


def expected(name: str) -> str:
    """What the limit may be."""
    return "a whole number of at least 1" if name in WHOLE_LIMITS else "a number greater than 0"


def lesser(name: str, most: float | None, said: Mapping[str, Any]) -> Any:
    """A limit where the task asks for less; what it asks for beyond `most` is not granted."""
    wish = said.get(name)
    if wish is None or not _fits(name, wish):
        return most
    granted = wish if most is None else min(most, wish)
    return int(granted) if name in WHOLE_LIMITS else granted


def not_granted(said: Mapping[str, Any], most: Mapping[str, float | None]) -> Mapping[str, tuple[float, float]]:
    """What a task asks for beyond what it may have, by name: its wish, and what it has instead."""
    wishes = ((name, said[name], most.get(name)) for name in TASK_LIMITS if _fits(name, said.get(name)))
    return {name: (wish, limit) for name, wish, limit in wishes if limit is not None and wish > limit}


def _fits(name: str, value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= MOST:
        return False
    return name in SECONDS_LIMITS or (value >= 1 and value == int(value))
