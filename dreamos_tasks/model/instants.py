"""Instants as people and other programs write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_DOUBLY_ZONED = re.compile(r"(?<=[+-]\d\d:\d\d)Z$")  # `2026-01-01T10:00:00+00:00Z`, as isoformat() + "Z" gives


def read_instant(text: str) -> datetime:
    """An aware UTC instant from RFC 3339 or ISO 8601 text. Raises ValueError.

    Any offset, any number of digits in the fraction (cut at microseconds), and `+00:00Z` are read; without a zone it is UTC.
    """
    instant = datetime.fromisoformat(_DOUBLY_ZONED.sub("", text.strip().upper()))
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
