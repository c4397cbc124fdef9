"""Findings: what a reader collects on its way through a value, so that everything wrong with it is told at once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from dreamos_tasks.intake.problems import Notice, Problem, nearest, nearly_is, shown

MOST_KEPT = 1000  # a file can be wrong in a million places; what is kept of them is bounded


@dataclass(slots=True)
class Findings:
    """Problems refuse the whole; notices let it pass."""

    problems: list[Problem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def refuse(
        self,
        pointer: str,
        message: str,
        *,
        expected: str = "",
        found: str = "",
        nearest_field: str | None = None,
        fix: str = "",
    ) -> None:
        """Something is wrong. The same is told once."""
        told = any(problem.pointer == pointer and problem.message == message for problem in self.problems[-20:])
        if len(self.problems) < MOST_KEPT and not told:
            self.problems.append(
                Problem(
                    pointer=pointer,
                    message=message,
                    expected=expected,
                    found=found,
                    nearest_field=nearest_field,
                    fix=fix,
                )
            )

    def refuse_type(self, pointer: str, value: object, *, expected: str, fix: str = "") -> None:
        """A value of another kind than can stand there."""
        self.refuse(pointer, f"{shown(value)} does not fit here", expected=expected, found=shown(value), fix=fix)

    def note(self, pointer: str, message: str, *, nearest_field: str | None = None) -> None:
        """Something its author may want to know."""
        if len(self.notices) < MOST_KEPT:
            self.notices.append(Notice(pointer=pointer, message=message, nearest_field=nearest_field))

    def note_unknown(
        self, pointer: str, key: str, known: Collection[str], *, of: str, never_misspelt: Collection[str] = ()
    ) -> None:
        """A key that is no field: it is kept, and its author hears which one is near.

        One that can only mean a field of `never_misspelt` is refused: kept, it would let happen what that field holds back.
        """
        near = nearest(key, known)
        hint = f"; did you mean {near!r}?" if near else ""
        if near is not None and near in never_misspelt and nearly_is(key, near):
            self.refuse(
                pointer,
                f"{shown(key)} is no field of {of}{hint}",
                expected=near,
                found=shown(key),
                nearest_field=near,
                fix=f'write {shown(near)}, or put {shown(key)} into "extra" if it is meant',
            )
        else:
            self.note(pointer, f"{shown(key)} is no field of {of}; it is kept in extra{hint}", nearest_field=near)
