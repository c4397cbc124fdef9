"""Path patterns: `*`, `?` and `[abc]` within a name, `**` for any number of folders. Never slow, whatever the pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate

_ANY_FOLDERS = "**"


class PathPattern:
    """A pattern, asked about paths below the folder it begins at."""

    def __init__(self, pattern: str) -> None:
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        self._parts: list[re.Pattern[str] | None] = [
            None if part == _ANY_FOLDERS else re.compile(translate(part)) for part in parts
        ]

    def fits(self, path: str) -> bool:
        """Whether the whole path fits."""
        return len(self._parts) in self._reached(path.split("/"))

    def may_fit_below(self, path: str) -> bool:
        """Whether anything in this folder could fit."""
        return any(place < len(self._parts) for place in self._reached(path.split("/")))

    def _reached(self, names: Sequence[str]) -> set[int]:
        """How many parts of the pattern may be used up after these names: all possibilities at once, so none is retried."""
        reached = self._passing({0})
        for name in names:
            following = set()
            for place in reached:
                if place == len(self._parts):
                    continue
                part = self._parts[place]
                if part is None:
                    following.add(place)
                elif part.match(name):
                    following.add(place + 1)
            reached = self._passing(following)
        return reached

    def _passing(self, reached: set[int]) -> set[int]:
        """`**` may stand for no folder at all."""
        for place in sorted(reached):
            while place < len(self._parts) and self._parts[place] is None:
                place += 1
                reached.add(place)
        return reached
