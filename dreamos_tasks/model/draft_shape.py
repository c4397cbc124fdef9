"""What a draft's values must be where a program makes one: instants with a zone, lists that are no text, steps that are steps.

The doors that read JSON hold this by themselves. A draft made in Python comes past none of them, and what it slipped in would
stop every claim of the board.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from dreamos_tasks.errors import InvalidTask


def instant_in(value: Any, *, field: str) -> datetime | None:
    """The instant in UTC, of an aware datetime or of its text. Raises InvalidTask."""
    if value is None or (value.__class__ is datetime and value.tzinfo is UTC):
        return value
    if isinstance(value, str):
        from dreamos_tasks.model.instants import read_instant

        try:
            return read_instant(value)
        except ValueError:
            raise _misfit(field, value, '"2030-01-31T08:00:00Z", or an aware datetime') from None
    if isinstance(value, datetime) and value.utcoffset() is not None:
        return value.astimezone(UTC)
    raise _misfit(field, value, "an aware datetime: datetime(2030, 1, 31, 8, tzinfo=UTC)")


def listed(words: Any, *, field: str) -> tuple[Any, ...]:
    """The words, without those that stand twice. A text is not taken for its letters. Raises InvalidTask."""
    if isinstance(words, str):
        raise _misfit(field, words, f'a list: ("{words}",)')
    return tuple(dict.fromkeys(words))


def check_kind(value: Any, kind: type, *, field: str) -> None:
    """Raises InvalidTask for a value that is no `kind`."""
    if not isinstance(value, kind):
        raise _misfit(field, value, f"a {kind.__name__}(...) of dreamos_tasks")


def check_steps(steps: Iterable[Any], *, field: str) -> None:
    """Raises InvalidTask for what is no Step, for two steps of one name, and for needs that can never be met."""
    from dreamos_tasks.model.plan import Step

    needs: dict[str, tuple[str, ...]] = {}
    for index, step in enumerate(steps):
        check_kind(step, Step, field=field)
        if step.name in needs:
            raise InvalidTask(
                f"two steps are called {step.name!r}", pointer=f"/{field}/{index}/name", fix="give each its own name"
            )
        needs[step.name] = step.needs
    for index, (name, needed) in enumerate(needs.items()):
        strange = next((other for other in needed if other not in needs), None)
        if strange is not None:
            raise InvalidTask(
                f"step {name!r} needs {strange!r}, and there is no such step",
                pointer=f"/{field}/{index}/needs",
                fix="name a step of the same list",
            )
    if any(needs.values()):
        from dreamos_tasks.model.dependencies import ring_closers

        if closers := ring_closers(needs):
            raise InvalidTask(
                f"the steps {', '.join(closers)} need each other in a ring",
                pointer=f"/{field}",
                fix="take one need out",
            )


def _misfit(field: str, value: Any, expected: str) -> InvalidTask:
    shown = repr(value)
    return InvalidTask(
        f"{shown if len(shown) <= 60 else shown[:59] + '…'} does not fit as {field}",
        pointer=f"/{field}",
        cause=f"expected {expected}",
        fix=f"give {field} so, or leave it out",
    )
