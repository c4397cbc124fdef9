"""What is wrong with the name of an incident."""

from __future__ import annotations

from collections.abc import Sequence

from dreamos_tasks.errors.families import NotFound, Refused


class IncidentNotFound(NotFound):
    """No incident has this id, or is about this task or agent."""

    code = "incident_not_found"

    def __init__(self, word: str) -> None:
        self.word = word
        super().__init__(
            f"no incident {word!r} on this board", fix="dt incidents lists them, dt incidents --past what is over"
        )


class AmbiguousIncident(Refused):
    """Several incidents are meant; lists them."""

    code = "ambiguous_incident"

    def __init__(self, word: str, *, candidates: Sequence[str]) -> None:
        self.word = word
        self.candidates = tuple(candidates)
        super().__init__(
            f"{word!r} means several incidents",
            cause="candidates: " + ", ".join(candidates),
            fix="name one of them by its whole id",
        )
