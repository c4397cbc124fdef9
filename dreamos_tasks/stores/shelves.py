"""Shelves: what a board keeps beside its tasks, by shelf and key. A value, so that going back to an earlier one is free."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Form = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Shelves:
    """Forms by shelf and key; a shelf without any is none."""

    by_name: Mapping[str, Mapping[str, Form]] = field(default_factory=dict)

    def get(self, shelf: str, key: str) -> Form | None:
        """What is kept under the key."""
        forms = self.by_name.get(shelf)
        return None if forms is None else forms.get(key)

    def put(self, shelf: str, key: str, form: Form | None) -> Shelves:
        """These shelves with that form in its place, or, with None, without any; themselves when nothing differs."""
        forms = dict(self.by_name.get(shelf, {}))
        if forms.get(key) == form:
            return self
        if form is None:
            del forms[key]
        else:
            forms[key] = form
        others = {name: kept for name, kept in self.by_name.items() if name != shelf}
        return Shelves({**others, shelf: forms} if forms else others)

    def filled(self, forms: Iterable[tuple[str, str, Form]]) -> Shelves:
        """These shelves with all these forms put in."""
        by_name = {name: dict(kept) for name, kept in self.by_name.items()}
        for shelf, key, form in forms:
            by_name.setdefault(shelf, {})[key] = form
        return Shelves(by_name)

    def scan(self, shelf: str, *, prefix: str, after: str, limit: int) -> Mapping[str, Form]:
        """The first forms of a shelf behind the key `after` whose keys start so, in the order of their keys."""
        forms = self.by_name.get(shelf, {})
        keys = sorted(key for key in forms if key > after and key.startswith(prefix))
        return {key: forms[key] for key in keys[:limit]}

    def names(self) -> Sequence[str]:
        """The shelves on which there is something, in their order."""
        return sorted(self.by_name)


NOTHING_KEPT = Shelves()
