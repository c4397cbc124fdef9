"""What one source, a file or the environment, says about settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dreamos_tasks.config.problems import Problem

KeyPath = tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Layer:
    """Plain values, where each of them stands, and what could not even be read."""

    data: dict[str, Any] = field(default_factory=dict)
    where: dict[KeyPath, str] = field(default_factory=dict)  # of settings and of sections
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: KeyPath) -> str | None:
        """Where the value at `path` was said: its own place, else that of the section around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.where:
                return self.where[path[:length]]
        return None

    def says(self, path: KeyPath) -> bool:
        """Whether there is a value at `path`."""
        inner: Any = self.data
        for name in path:
            if not isinstance(inner, dict) or name not in inner:
                return False
            inner = inner[name]
        return True
