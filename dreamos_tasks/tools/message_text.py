"""Message: what is to be said to somebody, under an id that stays the same however often it is sent."""

from __future__ import annotations

import hashlib
import json
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from dreamos_tasks.model.failure import Diagnosis
from dreamos_tasks.model.tool import ToolResult

ID_BYTES = 15  # as good as unique; 24 characters
LONGEST_TITLE = 100  # characters of a subject that is taken from the body


class Level(StrEnum):
    """How urgent a message is."""

    INFO = "info"
    SUCCESS = "success"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What is said, and for which step of which task."""

    message_id: str
    task_id: str
    step: str
    subject: str
    body: str
    level: Level

    @property
    def title(self) -> str:
        """The subject; without one the beginning of the body."""
        first = next((line.strip() for line in self.body.splitlines() if line.strip()), self.task_id)
        return self.subject or (first if len(first) <= LONGEST_TITLE else first[: LONGEST_TITLE - 1] + "…")


class NotDelivered(Exception):
    """A message that its target did not take: what the step comes to."""

    def __init__(self, result: ToolResult) -> None:
        super().__init__(result.message)
        self.result = result

    @classmethod
    def because(cls, message: str, diagnosis: Diagnosis, *, retry_after_seconds: float | None = None) -> NotDelivered:
        """What happened, and what it is."""
        return cls(
            ToolResult(
                category=diagnosis.category,
                message=message,
                cause=diagnosis.cause,
                suggestions=diagnosis.suggestions,
                try_later=diagnosis.try_later,
                retry_after_seconds=retry_after_seconds,
            )
        )


def message_id_of(*parts: Mapping[str, object] | str) -> str:
    """An id that says the same for the same parts, on every machine: receivers know by it what they had before."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:ID_BYTES]
    return "msg_" + b32encode(digest).decode("ascii").lower()
