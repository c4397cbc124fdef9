"""WebSearchTool: asks the search engines that are set up, and remembers for a while what they found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import Estimate, Health, ParamProblem, ToolContext, ToolResult
from dreamos_tasks.tools.address_guard import AddressGuard, Resolve, system_addresses
from dreamos_tasks.tools.capture import Capture
from dreamos_tasks.tools.captured_run import with_output
from dreamos_tasks.tools.http_url import host_of
from dreamos_tasks.tools.params import Params
from dreamos_tasks.tools.redaction import Redactor
from dreamos_tasks.tools.search_cache import SearchCache
from dreamos_tasks.tools.search_engines import Search, SearchEngine, problem_of
from dreamos_tasks.tools.search_params import WebSearchParams
from dreamos_tasks.tools.search_results import as_text

if TYPE_CHECKING:  # it needs httpx2, which is imported with the first call
    from dreamos_tasks.tools.search_call import Searcher


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSearchOptions:
    """How the tool `web_search` is set up.

    `engines` are asked in their order until one answers. What was found is kept for `cache_seconds` in `cache_folder`,
    `cache_bytes` at most; without a folder nothing is kept. `max_bytes` is the longest answer that is read,
    `idle_seconds` how long an engine may be silent.
    """

    engines: tuple[SearchEngine, ...] = ()
    cache_folder: str = ""
    cache_seconds: float = 3600.0
    cache_bytes: int = 20 * 1024 * 1024
    max_bytes: int = 5 * 1024 * 1024
    idle_seconds: float = 20.0


DEFAULTS = WebSearchOptions()
NOT_SET_UP = "no search engine is set up"
NOT_SET_UP_FIX = (
    "name one in the options of the tool web_search in config.yaml, as engines: [{kind: searxng, url: http://localhost:8080}] "
    "or [{kind: brave, url: https://api.search.brave.com, token: ...}]"
)


class WebSearchTool:
    """The tool `web_search`: results are the step's value, and for people its output."""

    name = "web_search"

    def __init__(
        self,
        options: WebSearchOptions = DEFAULTS,
        *,
        now: Callable[[], datetime],
        resolve: Resolve = system_addresses,
    ) -> None:
        self._options = options
        self._now = now
        self._resolve = resolve
        self._params = Params(WebSearchParams)

    def params_schema(self) -> Mapping[str, object]:
        """See ToolAdapter."""
        return self._params.schema

    def validate(self, params: Mapping[str, object]) -> Sequence[ParamProblem]:
        """See ToolAdapter."""
        return self._params.problems(params)

    def estimate(self, params: Mapping[str, object]) -> Estimate:
        """A search changes nothing."""
        return Estimate(duration_seconds=2.0)

    def resource_of(self, params: Mapping[str, object]) -> str | None:
        """See SharesResource: the host of the engine that is asked first."""
        return host_of({"url": self._options.engines[0].url}) if self._options.engines else None

    async def health(self) -> Health:
        """Whether there is an engine that can be asked."""
        problems = [problem_of(engine) for engine in self._options.engines]
        if not problems:
            return Health(ok=False, detail=NOT_SET_UP, fix=NOT_SET_UP_FIX)
        if all(problems):
            return Health(ok=False, detail="; ".join(problems), fix=NOT_SET_UP_FIX)
        return Health(ok=True, detail=", ".join(f"{engine.kind} at {engine.url}" for engine in self._options.engines))

    async def execute(self, params: Mapping[str, object], context: ToolContext) -> ToolResult:
        """See ToolAdapter. `value` is {"query", "engine", "cached", "results": [{"title", "url", "snippet"}]}."""
        problems = self.validate(params)
        if problems:
            message = "; ".join(f"{problem.pointer}: {problem.message}" for problem in problems)
            return ToolResult(category=ErrorCategory.CONFIGURATION, message=message)
        if not self._options.engines:
            return ToolResult(category=ErrorCategory.CONFIGURATION, message=NOT_SET_UP, suggestions=(NOT_SET_UP_FIX,))
        return await self._searched(self._params.read(params), context)

    async def _searched(self, values: WebSearchParams, context: ToolContext) -> ToolResult:
        redactor = Redactor((*context.secrets, *(engine.token for engine in self._options.engines)))
        found = await self._searcher.search(
            Search(query=values.query, language=values.language, freshness=values.freshness),
            cache=None if redactor.text(values.query) != values.query else self._cache,
            anew=values.anew,
            timeout_seconds=context.timeout_seconds,
        )
        if found.failure is not None:
            return redactor.result(found.failure)
        results = found.results[: values.count]
        capture = Capture(context.run_dir, context.step, limit_bytes=context.output_limit_bytes, redactor=redactor)
        capture.feed(as_text(results).encode("utf-8"))
        value = {
            "query": values.query,
            "engine": found.engine.kind,
            "cached": found.is_cached,
            "results": [result.as_json() for result in results],
        }
        return redactor.result(with_output(ToolResult(value=value), capture.finish()))

    @cached_property
    def _searcher(self) -> Searcher:
        from dreamos_tasks.tools.http_exchange import HttpExchange
        from dreamos_tasks.tools.search_call import Searcher

        options = self._options
        exchange = HttpExchange(
            AddressGuard(resolve=self._resolve),  # who sets an engine up says where it is
            connect_seconds=options.idle_seconds,
            idle_seconds=options.idle_seconds,
        )
        return Searcher(options.engines, exchange, now=self._now, max_bytes=options.max_bytes)

    @cached_property
    def _cache(self) -> SearchCache | None:
        options = self._options
        if not options.cache_folder:
            return None
        return SearchCache(
            Path(options.cache_folder), keep_seconds=options.cache_seconds, max_bytes=options.cache_bytes
        )
