"""Search results: what any engine finds, brought into one form: title, url and snippet, as plain text."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

LONGEST_TITLE = 300  # characters
LONGEST_SNIPPET = 1000
LONGEST_URL = 2000

_TAG = re.compile(
    r"</?(?:strong|b|em|i|mark|span|u|wbr|br|p)\b[^<>]{0,200}>"
)  # others may be what a page is about: List<T>
_UNPRINTABLE = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]+")
_SPACE = re.compile(r"\s+")
_WEB = re.compile(r"https?://[^\s/]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One page that was found."""

    title: str
    url: str
    snippet: str

    def as_json(self) -> dict[str, str]:
        """As a step's value and the cache hold it."""
        return asdict(self)


def results_from(entries: object, *, snippet: str) -> tuple[SearchResult, ...]:
    """The pages among an engine's entries, each once, in its order; `snippet` is the key it keeps that text under.

    Raises ValueError when this is no list of entries.
    """
    if not isinstance(entries, list):
        raise ValueError("no list of results")
    found: dict[str, SearchResult] = {}
    for entry in entries:
        url = entry.get("url") if isinstance(entry, Mapping) else None
        if isinstance(url, str) and _WEB.match(url) and len(url) <= LONGEST_URL and not _UNPRINTABLE.search(url):
            title = _plain(entry.get("title"), LONGEST_TITLE) or url
            found.setdefault(url, SearchResult(title, url, _plain(entry.get(snippet), LONGEST_SNIPPET)))
    return tuple(found.values())


def as_text(results: Iterable[SearchResult]) -> str:
    """For people: numbered, one under the other."""
    return "\n".join(
        f"{number}. {result.title}\n   {result.url}\n" + (f"   {result.snippet}\n" if result.snippet else "")
        for number, result in enumerate(results, start=1)
    )


def _plain(text: object, longest: int) -> str:
    """Without markup: engines put what was searched for in bold."""
    if not isinstance(text, str):
        return ""
    plain = html.unescape(_TAG.sub("", text[: 4 * longest]))
    plain = _SPACE.sub(" ", _UNPRINTABLE.sub(" ", plain)).strip()
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"
