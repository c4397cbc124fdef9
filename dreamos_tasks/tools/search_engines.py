"""Search engines: how each kind is asked, and where in its answer the results are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import urlencode

from dreamos_tasks.tools.http_url import read_url
from dreamos_tasks.tools.search_results import SearchResult, results_from

MOST_RESULTS = 20  # a page of every engine; so many are asked for, so that one answer serves all who want fewer

Freshness = Literal["day", "week", "month", "year"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEngine:
    """An engine as it is set up: its kind, the address of its server, and the token by which it knows who asks."""

    kind: Literal["searxng", "brave"]
    url: str
    token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for: `language` as `de` or `pt-BR`; `freshness`, how old a page may be."""

    query: str
    language: str | None = None
    freshness: Freshness | None = None


class EngineKind(Protocol):
    """How engines of one kind are asked."""

    path: str

    def query(self, search: Search) -> Mapping[str, str]: ...
    def headers(self, engine: SearchEngine) -> Mapping[str, str]: ...

    def results(self, answer: Mapping[str, Any]) -> tuple[SearchResult, ...]:
        """Raises ValueError when this is no answer of such an engine."""
        ...

    def trouble(self, answer: Mapping[str, Any]) -> str:
        """Why it found nothing, when it could not look everywhere."""
        ...

    def wait_seconds(self, headers: Mapping[str, str]) -> float | None:
        """How long it asks to be left alone, where it has a way of its own to say so."""
        ...

    def fix(self, engine: SearchEngine, status: int, text: str) -> str:
        """What to do about an answer with this status and text; empty when it means the same as everywhere."""
        ...


class Searxng:
    """SearXNG, https://docs.searxng.org/dev/search_api.html, with the format `json` switched on."""

    path = "/search"

    def query(self, search: Search) -> Mapping[str, str]:
        """See EngineKind."""
        found = {"q": search.query, "format": "json"}
        if search.language:
            found["language"] = search.language
        if search.freshness:
            found["time_range"] = search.freshness
        return found

    def headers(self, engine: SearchEngine) -> Mapping[str, str]:
        """A token is for the proxy that stands before many instances."""
        return {"Authorization": f"Bearer {engine.token}"} if engine.token else {}

    def results(self, answer: Mapping[str, Any]) -> tuple[SearchResult, ...]:
        """See EngineKind."""
        return results_from(answer.get("results"), snippet="content")

    def trouble(self, answer: Mapping[str, Any]) -> str:
        """The engines behind it that did not answer: pairs of a name and a reason."""
        silent = answer.get("unresponsive_engines")
        if answer.get("results") or not isinstance(silent, list):
            return ""
        return ", ".join(": ".join(map(str, one)) if isinstance(one, list) else str(one) for one in silent)[:500]

    def wait_seconds(self, headers: Mapping[str, str]) -> float | None:
        """It has none."""
        return None

    def fix(self, engine: SearchEngine, status: int, text: str) -> str:
        """See EngineKind."""
        if status == 403:
            return f"let the SearXNG at {engine.url} answer in JSON: add json to search.formats in its settings.yml"
        if status == 429:
            return f"let the limiter of the SearXNG at {engine.url} pass this machine (limiter.toml, pass_ip)"
        return ""


class Brave:
    """Brave Search, and what answers like it: https://api-dashboard.search.brave.com/app/documentation."""

    path = "/res/v1/web/search"

    _FRESHNESS: Mapping[str, str] = {"day": "pd", "week": "pw", "month": "pm", "year": "py"}
    _LANGUAGES: Mapping[str, str] = {"zh-cn": "zh-hans", "zh-sg": "zh-hans", "zh-tw": "zh-hant", "zh-hk": "zh-hant"}
    _WITH_REGION = frozenset({"en-gb", "pt-br", "pt-pt", "zh-hans", "zh-hant"})

    def query(self, search: Search) -> Mapping[str, str]:
        """See EngineKind. A region is a country of its own to it, except in a few languages."""
        found = {"q": search.query, "count": str(MOST_RESULTS), "result_filter": "web", "text_decorations": "false"}
        if search.language:
            wanted = self._LANGUAGES.get(search.language.lower(), search.language.lower())
            language, _, region = wanted.partition("-")
            found["search_lang"] = wanted if wanted in self._WITH_REGION else language
            if len(region) == 2:
                found["country"] = region.upper()
        if search.freshness:
            found["freshness"] = self._FRESHNESS[search.freshness]
        return found

    def headers(self, engine: SearchEngine) -> Mapping[str, str]:
        """See EngineKind."""
        return {"X-Subscription-Token": engine.token, "Accept": "application/json"}

    def results(self, answer: Mapping[str, Any]) -> tuple[SearchResult, ...]:
        """Where nothing was found there is no `web`."""
        if answer.get("type") != "search":
            raise ValueError("no answer of the type search")
        web = answer.get("web")
        return results_from(web.get("results") if isinstance(web, Mapping) else [], snippet="description")

    def trouble(self, answer: Mapping[str, Any]) -> str:
        """It has none: an answer is whole."""
        return ""

    def wait_seconds(self, headers: Mapping[str, str]) -> float | None:
        """Its limits stand side by side: `X-RateLimit-Remaining: 0, 812` with `X-RateLimit-Reset: 1, 1419704`."""
        remaining = headers.get("x-ratelimit-remaining", "").split(",")
        resets = headers.get("x-ratelimit-reset", "").split(",")
        waits = [
            float(reset)
            for left, reset in zip(remaining, resets, strict=False)
            if left.strip() == "0" and reset.strip().isdecimal()
        ]
        return max(waits, default=None)

    def fix(self, engine: SearchEngine, status: int, text: str) -> str:
        """See EngineKind."""
        if status in (401, 403) or "SUBSCRIPTION_TOKEN" in text:
            return f"correct the token of {engine.url}: https://api-dashboard.search.brave.com shows it"
        return ""


KINDS: Mapping[str, EngineKind] = {"searxng": Searxng(), "brave": Brave()}


def url_of(engine: SearchEngine, search: Search) -> str:
    """Where to ask. The engine's address may end in the path of its kind, or before it."""
    kind = KINDS[engine.kind]
    base = str(read_url(engine.url).copy_with(query=None, fragment=None)).rstrip("/")
    return f"{base.removesuffix(kind.path)}{kind.path}?{urlencode(kind.query(search))}"


def problem_of(engine: SearchEngine) -> str:
    """Why this engine cannot be asked as it is set up; empty when it can."""
    try:
        read_url(engine.url)
    except ValueError as error:
        return f"the url {engine.url!r} of the engine {engine.kind} {error}"
    if engine.kind == "brave" and not engine.token:
        return f"the engine brave at {engine.url} has no token"
    return ""
