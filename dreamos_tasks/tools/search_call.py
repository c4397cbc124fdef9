"""Searcher: asks search engines, one after the other, until one answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from httpx2 import HTTPError

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.tools.address_guard import CallRefused
from dreamos_tasks.tools.http_body import LONGEST_WAIT_SECONDS, BodyTooLarge, Excerpt, read_body
from dreamos_tasks.tools.http_exchange import HttpAnswer, HttpExchange, HttpRequest
from dreamos_tasks.tools.http_failure import result_of_error, result_of_status, result_of_timeout, result_of_trouble
from dreamos_tasks.tools.http_url import read_url, shown
from dreamos_tasks.tools.search_cache import SearchCache
from dreamos_tasks.tools.search_engines import KINDS, Search, SearchEngine, problem_of, url_of
from dreamos_tasks.tools.search_results import SearchResult

MAX_REDIRECTS = 3
SET_UP_FIX = "correct kind, url and token of the engine in the options of the tool web_search in config.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an engine found, now or lately; or the failure in its place."""

    engine: SearchEngine
    results: tuple[SearchResult, ...] = ()
    is_cached: bool = False
    failure: ToolResult | None = None


class Searcher:
    """Asks engines, in their order until one answers. `max_bytes` is the longest answer that is read."""

    def __init__(
        self,
        engines: Sequence[SearchEngine],
        exchange: HttpExchange,
        *,
        now: Callable[[], datetime],
        max_bytes: int,
    ) -> None:
        self._engines = engines
        self._exchange = exchange
        self._now = now
        self._max_bytes = max_bytes

    async def search(
        self, search: Search, *, cache: SearchCache | None, anew: bool, timeout_seconds: float | None
    ) -> Found:
        """The first answer; else what is to be said of all failures. `anew`: not what the cache remembers."""
        limit = asyncio.timeout(timeout_seconds)
        try:
            async with limit:
                return await self._first(search, cache, anew=anew)
        except TimeoutError:
            failure = result_of_timeout(timeout_seconds or 0, "web search")
            return Found(engine=self._engines[0], failure=failure)

    async def _first(self, search: Search, cache: SearchCache | None, *, anew: bool) -> Found:
        failures = []
        for engine in self._engines:
            remembered = cache.get(engine, search, now=self._now()) if cache and not anew else None
            if remembered is not None:
                return Found(engine=engine, results=remembered, is_cached=True)
            found = await self._ask(engine, search)
            if found.failure is None:
                if cache is not None:
                    cache.put(engine, search, found.results, now=self._now())
                return found
            failures.append(found.failure)
        return Found(engine=self._engines[0], failure=_of_all(failures))

    async def _ask(self, engine: SearchEngine, search: Search) -> Found:
        problem = problem_of(engine)
        if problem:
            return Found(engine=engine, failure=_misconfigured(problem))
        url = read_url(url_of(engine, search))
        request = HttpRequest(url=url, headers=KINDS[engine.kind].headers(engine), max_redirects=MAX_REDIRECTS)
        call = f"{engine.kind} at {shown(url)}"
        excerpt = Excerpt(self._max_bytes)
        try:
            async with self._exchange.open(request) as answer:
                await read_body(answer, excerpt.feed, max_bytes=self._max_bytes)
        except (CallRefused, BodyTooLarge, HTTPError, OSError) as error:
            return Found(engine=engine, failure=result_of_error(error, call))
        content = bytes(excerpt.content)
        if answer.response.status_code != 200:
            return Found(engine=engine, failure=self._refusal(engine, answer, call, content.decode("utf-8", "replace")))
        return _read(engine, content, call)

    def _refusal(self, engine: SearchEngine, answer: HttpAnswer, call: str, text: str) -> ToolResult:
        kind = KINDS[engine.kind]
        result = result_of_status(answer, call, text=text, now=self._now())
        wait = kind.wait_seconds(answer.response.headers) if result.retry_after_seconds is None else None
        if wait is not None:
            result = replace(result, retry_after_seconds=min(wait, LONGEST_WAIT_SECONDS))
        fix = kind.fix(engine, answer.response.status_code, text)
        return replace(result, suggestions=(fix,)) if fix else result


def _read(engine: SearchEngine, content: bytes, call: str) -> Found:
    kind = KINDS[engine.kind]
    try:
        answer = json.loads(content)
        if not isinstance(answer, dict):
            raise ValueError("no JSON object")
        results = kind.results(answer)
    except (ValueError, RecursionError) as error:
        return Found(engine=engine, failure=_misconfigured(f"{call}: this is no answer of such an engine ({error})"))
    trouble = kind.trouble(answer) if not results else ""
    if trouble:
        return Found(engine=engine, failure=result_of_trouble(f"{call}: no engine behind it answered", trouble))
    return Found(engine=engine, results=results)


def _of_all(failures: Sequence[ToolResult]) -> ToolResult:
    """One for all: the first that may pass by itself, else the first; with what each engine said."""
    passing = [one for one in failures if one.category in (ErrorCategory.TRANSIENT, ErrorCategory.RESOURCE)]
    waits = [one.retry_after_seconds for one in passing if one.retry_after_seconds is not None]
    return replace(
        (passing or failures)[0],
        message="; ".join(one.message for one in failures),
        suggestions=tuple(dict.fromkeys(suggestion for one in failures for suggestion in one.suggestions)),
        retry_after_seconds=min(waits) if len(waits) == len(passing) and waits else None,
    )


def _misconfigured(message: str) -> ToolResult:
    return ToolResult(category=ErrorCategory.CONFIGURATION, message=message, suggestions=(SET_UP_FIX,))
