"""Task ids: short, easy to say and type, never mistaken for one another."""

from __future__ import annotations

import os

ID_PREFIX = "dt-"
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
SHORTEST = 4
_LETTERS = bytes(ord(ALPHABET[byte & 31]) for byte in range(256))


def id_length(task_count: int) -> int:
    """How many characters keep the chance that a fresh id is taken below 1 in 32 on a board of this many tasks."""
    length = SHORTEST
    while task_count * 32 > 32**length:
        length += 1
    return length


def fresh_id(length: int) -> str:
    """A random id with `length` characters after the prefix."""
    return ID_PREFIX + os.urandom(length).translate(_LETTERS).decode("ascii")


def child_id(parent_id: str, number: int) -> str:
    """The id of a parent's `number`-th child, counted from 1: `dt-7k2m.1`."""
    return f"{parent_id}.{number}"
