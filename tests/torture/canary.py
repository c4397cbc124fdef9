"""Canary: a made-up secret, and the search for it in everything that was written (I8)."""

from __future__ import annotations

import base64
import secrets
import urllib.parse
from collections.abc import Iterable
from pathlib import Path

from dreamos_tasks.app.race.auditor import Violation


def new_canary() -> str:
    """A secret that nobody writes by chance, and that differs from itself when quoted for a URL."""
    return f"canary/{secrets.token_hex(12)}+{secrets.token_hex(4)}"


def leaks(canary: str, folders: Iterable[Path], texts: Iterable[bytes] = ()) -> list[Violation]:
    """Every file below the folders, and every text (of a command line, an answer), that holds it plainly or encoded."""
    forms = {
        canary.encode(),
        base64.b64encode(canary.encode()).rstrip(b"="),
        urllib.parse.quote(canary, safe="").encode(),
        canary[::-1].encode(),
    }
    found = []
    for file in (file for folder in folders for file in folder.rglob("*") if file.is_file()):
        if any(form in file.read_bytes() for form in forms):
            found.append(Violation("I8", "", f"the secret stands in {file}"))
    for text in texts:
        if any(form in text for form in forms):
            found.append(Violation("I8", "", f"the secret stands in {text[:60]!r}..."))
    return found
