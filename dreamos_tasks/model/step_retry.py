"""What a step says of its retries: as much of a RetryPolicy as it wants to change, checked at the door, read when it fails.

Imported only where a step says something: most say nothing, and a command is not to wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from dreamos_tasks.errors import InvalidTask
from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.retry import RetryPolicy

YEAR_SECONDS = 31_536_000  # longer is a slip of the hand


def retry_of(said: Mapping[str, Any], *, otherwise: RetryPolicy) -> RetryPolicy:
    """The policy of a step that says this much of it; for the rest it keeps to the task's, or the board's.

    What breaks a rule is passed over: `check_retry` has refused it at the door, unless somebody wrote to the board by hand.
    """
    known = {}
    for key, value in said.items():
        rule = STEP_RETRY_RULES.get(key)
        if rule is not None and rule.fits(value):
            known[key] = rule.read(value)
    return replace(otherwise, **known) if known else otherwise


def check_retry(said: Mapping[str, Any], *, pointer: str) -> None:
    """Refuse what a step says of its retries if it breaks a rule. Raises InvalidTask."""
    for key, value in said.items():
        rule = STEP_RETRY_RULES.get(key)
        if rule is None:
            raise InvalidTask(
                f"{key!r} is no field of a retry policy",
                pointer=f"{pointer}/{key}",
                cause="its fields are " + ", ".join(STEP_RETRY_RULES),
                fix="correct it, or leave it out",
            )
        if not rule.fits(value):
            raise InvalidTask(
                f"{key} of a retry policy cannot be {value!r}",
                pointer=f"{pointer}/{key}",
                cause=f"expected {rule.expected}",
                fix="correct it, or leave it out",
            )


class _Rule(NamedTuple):
    expected: str
    fits: Callable[[Any], bool]
    read: Callable[[Any], Any] = lambda value: value


def _whole(least: int, most: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _number(least: float, most: float) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _are_categories(value: Any) -> bool:
    words = [str(category) for category in ErrorCategory]
    return value is None or (isinstance(value, list | tuple) and all(word in words for word in value))


def _categories(value: Any) -> tuple[ErrorCategory, ...] | None:
    return None if value is None else tuple(map(ErrorCategory, value))


_SECONDS = _Rule(f"a number of seconds from 0 to {YEAR_SECONDS:,}", _number(0, YEAR_SECONDS))
STEP_RETRY_RULES: Mapping[str, _Rule] = {
    "max_attempts": _Rule("a whole number from 1 to 1,000", _whole(1, 1000)),
    "base_seconds": _SECONDS,
    "factor": _Rule("a number from 1 to 100", _number(1, 100)),
    "max_seconds": _SECONDS,
    "jitter": _Rule("full or none", lambda value: value in ("full", "none")),
    "max_deferrals": _Rule("a whole number of 0 or more", _whole(0, float("inf"))),
    "categories": _Rule("a list of " + ", ".join(ErrorCategory), _are_categories, _categories),
    "refresh": _Rule("a shell line", lambda value: isinstance(value, str)),
    "after_crash": _Rule("true or false", lambda value: value is None or isinstance(value, bool)),
}
