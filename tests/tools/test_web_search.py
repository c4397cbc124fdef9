"""The tool `web_search`, with servers that answer as SearXNG and Brave Search do."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema
import pytest

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.testing import context_in
from dreamos_tasks.tools.search_engines import SearchEngine
from dreamos_tasks.tools.web_search import WebSearchOptions, WebSearchTool
from tests.tools.adapter_suite import AdapterSuite
from tests.tools.local_server import Answer, LocalServer, endless, redirect, serving, silent, text
from tests.waiting import until

ANSWERS = Path(__file__).parent / "engine_answers"
TOKEN = "BSA0123456789abcdef"
Params = Mapping[str, object]


def answer(name: str, *, status: int = 200, **headers: str) -> Answer:
    """What an engine answered, as it stands in a file."""
    return text((ANSWERS / f"{name}.json").read_bytes(), status=status, content_type="application/json", **headers)


class Clock:
    """The instant that the tool is told."""

    def __init__(self) -> None:
        self.instant = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.instant


@pytest.fixture
def server() -> Iterator[LocalServer]:
    answers = {"/search": answer("searxng"), "/res/v1/web/search": answer("brave")}
    with serving(answers) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Desk:
    """Somebody who searches: engines are named in their order, of one server or several."""

    def __init__(self, server: LocalServer, folder: Path, clock: Clock) -> None:
        self.server = server
        self.folder = folder
        self.clock = clock
        self.cache = folder / "runtime" / "cache"

    def engine(self, kind: str, server: LocalServer | None = None) -> SearchEngine:
        token = TOKEN if kind == "brave" else ""
        return SearchEngine(kind=kind, url=(server or self.server).url(""), token=token)  # type: ignore[arg-type]

    def tool(self, engines: Sequence[SearchEngine | str] = ("searxng",), **options: object) -> WebSearchTool:
        chosen = tuple(self.engine(one) if isinstance(one, str) else one for one in engines)
        known = {"cache_folder": str(self.cache), **options}
        return WebSearchTool(WebSearchOptions(engines=chosen, **known), now=self.clock.now)  # type: ignore[arg-type]

    async def search(
        self, query: str = "fencing token", /, *, tool: WebSearchTool | None = None, **params: object
    ) -> ToolResult:
        return await (tool or self.tool()).execute({"query": query, **params}, context_in(self.folder))

    @property
    def asked(self) -> list[dict[str, str]]:
        """The queries that the server was asked, decoded."""
        return [
            {name: ",".join(found) for name, found in parse_qs(urlsplit(path).query).items()}
            for path in self.server.paths
        ]


@pytest.fixture
def desk(server: LocalServer, tmp_path: Path, clock: Clock) -> Desk:
    return Desk(server, tmp_path, clock)


async def test_searxng_is_asked_for_json_and_understood(desk: Desk) -> None:
    result = await desk.search("fencing   token", language="de", freshness="month")

    assert result.category is None
    assert result.value == {
        "query": "fencing token",
        "engine": "searxng",
        "cached": False,
        "results": [
            {
                "title": "How to do distributed locking — a blog",
                "url": "https://martin.example.org/2016/02/08/how-to-do-distributed-locking.html",
                "snippet": "The fix for this problem is actually pretty simple: you need to include a fencing token with "
                "every write request to the storage service.",
            },
            {
                "title": "Lease (computer science)",
                "url": "https://en.example.org/wiki/Lease_(computer_science)",
                "snippet": "Leases & fencing: a lease is a contract that gives its holder specified rights for a limited "
                "period.",
            },
            {"title": "https://docs.example.org/locks", "url": "https://docs.example.org/locks", "snippet": ""},
        ],
    }
    assert desk.asked == [{"q": "fencing token", "format": "json", "language": "de", "time_range": "month"}]
    assert result.output_head.startswith(
        "1. How to do distributed locking — a blog\n   https://martin.example.org/2016/"
    )


async def test_brave_is_asked_with_its_token_and_understood(desk: Desk) -> None:
    result = await desk.search(tool=desk.tool(["brave"]), language="pt-BR", freshness="week")

    assert result.category is None
    assert result.value["engine"] == "brave"
    assert result.value["results"] == [
        {
            "title": "How to do distributed locking — a blog",
            "url": "https://martin.example.org/2016/02/08/how-to-do-distributed-locking.html",
            "snippet": "You need to include a fencing token with every write request; 1 < 2 & so on.",
        },
        {"title": 'Leases "explained"', "url": "https://docs.example.org/leases", "snippet": ""},
    ]
    (asked,) = desk.asked
    assert asked["q"] == "fencing token"
    assert (asked["search_lang"], asked["country"], asked["freshness"], asked["count"]) == ("pt-br", "BR", "pw", "20")
    assert desk.server.seen[0].headers["x-subscription-token"] == TOKEN


@pytest.mark.parametrize(
    ("language", "asked"),
    [
        ("de", ("de", None)),
        ("de-AT", ("de", "AT")),
        ("en-GB", ("en-gb", "GB")),
        ("zh-CN", ("zh-hans", None)),
        ("zh-Hant", ("zh-hant", None)),
    ],
)
async def test_brave_has_its_own_names_for_languages(desk: Desk, language: str, asked: tuple[str, str | None]) -> None:
    await desk.search(tool=desk.tool(["brave"]), language=language)

    assert (desk.asked[0]["search_lang"], desk.asked[0].get("country")) == asked


async def test_brave_finds_nothing_where_there_is_nothing(desk: Desk) -> None:
    desk.server.answers["/res/v1/web/search"] = answer("brave_nothing")

    result = await desk.search("xyzzy", tool=desk.tool(["brave"]))

    assert (result.category, result.value["results"], result.output_head) == (None, [], "")


async def test_no_more_results_are_given_than_wanted(desk: Desk) -> None:
    result = await desk.search(count=1)

    assert len(result.value["results"]) == 1
    assert "2. " not in result.output_head


@pytest.mark.parametrize("path", ["/searxng", "/searxng/", "/searxng/search"])
async def test_an_engine_may_live_below_a_path(desk: Desk, path: str) -> None:
    desk.server.answers["/searxng/search"] = answer("searxng")

    result = await desk.search(tool=desk.tool([SearchEngine(kind="searxng", url=desk.server.url(path))]))

    assert result.category is None


async def test_the_same_search_is_answered_from_memory(desk: Desk, clock: Clock) -> None:
    first = await desk.search("fencing token", count=1)
    clock.instant += timedelta(minutes=59)
    again = await desk.search("  fencing token ", count=20)  # by another process, as it were

    assert again.value["cached"] is True
    assert again.value["results"][:1] == first.value["results"]
    assert len(again.value["results"]) == 3
    assert len(desk.server.seen) == 1


@pytest.mark.parametrize("change", [{"language": "de"}, {"freshness": "day"}, {"query": "fencing tokens"}])
async def test_another_search_is_not_answered_from_memory(desk: Desk, change: dict[str, Any]) -> None:
    await desk.search()

    other = await desk.search(change.pop("query", "fencing token"), **change)

    assert other.value["cached"] is False
    assert len(desk.server.seen) == 2


async def test_what_one_engine_found_is_not_taken_for_anothers(desk: Desk) -> None:
    await desk.search()

    other = await desk.search(tool=desk.tool(["brave"]))

    assert (other.value["engine"], other.value["cached"]) == ("brave", False)


async def test_memory_fades(desk: Desk, clock: Clock) -> None:
    await desk.search()
    clock.instant += timedelta(hours=1)
    assert (await desk.search()).value["cached"] is False

    clock.instant -= timedelta(hours=10)  # a clock that was set back
    assert (await desk.search()).value["cached"] is False


async def test_a_step_may_want_to_know_anew(desk: Desk) -> None:
    await desk.search()
    assert (await desk.search(anew=True)).value["cached"] is False
    assert (await desk.search()).value["cached"] is True

    assert len(desk.server.seen) == 2


async def test_without_a_folder_nothing_is_remembered(desk: Desk) -> None:
    tool = desk.tool(cache_folder="")
    await desk.search(tool=tool)

    assert (await desk.search(tool=tool)).value["cached"] is False


async def test_memory_is_bounded_and_the_oldest_goes_first(desk: Desk) -> None:
    tool = desk.tool(cache_bytes=3000)  # an answer of SearXNG above takes a good 800 bytes
    for number in range(10):
        await desk.search(f"search {number}", tool=tool)
        for age, path in enumerate(sorted(desk.cache.iterdir(), key=lambda path: path.stat().st_mtime_ns)):
            os.utime(path, ns=(age, age + number * 100))

    assert sum(path.stat().st_size for path in desk.cache.iterdir()) <= 3000
    assert (await desk.search("search 9", tool=tool)).value["cached"] is True
    assert (await desk.search("search 0", tool=tool)).value["cached"] is False


async def test_what_is_remembered_is_for_us_alone_and_names_no_query(desk: Desk) -> None:
    await desk.search("a private matter")

    (kept,) = desk.cache.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(desk.cache.stat().st_mode) == 0o700
    assert "private" not in kept.name + kept.read_text()


async def test_a_search_for_a_secret_is_not_remembered(desk: Desk) -> None:
    context = context_in(desk.folder, secrets=("hunter2-hunter2",))

    result = await desk.tool().execute({"query": "who leaked hunter2-hunter2"}, context)

    assert result.value["query"] == "who leaked [secret]"
    assert not desk.cache.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 1}', b"\xff", b"[" * 100_000, b'{"stored_at": 5}'])
async def test_a_file_that_cannot_be_used_is_as_good_as_none(desk: Desk, content: bytes) -> None:
    await desk.search()
    (kept,) = desk.cache.iterdir()
    kept.write_bytes(content)

    assert (await desk.search()).value["cached"] is False
    assert (await desk.search()).value["cached"] is True


async def test_a_folder_that_cannot_be_written_does_not_end_a_search(desk: Desk) -> None:
    desk.cache.parent.mkdir(parents=True)
    desk.cache.write_text("a file in its place")

    assert (await desk.search()).category is None


async def test_without_an_engine_it_says_how_to_set_one_up(desk: Desk) -> None:
    tool = desk.tool([])

    result = await desk.search(tool=tool)
    health = await tool.health()

    assert (result.category, result.message) == (ErrorCategory.CONFIGURATION, "no search engine is set up")
    assert "config.yaml" in result.suggestions[0]
    assert "kind: searxng, url: http://localhost:8080" in result.suggestions[0]
    assert not health.ok
    assert health.fix == result.suggestions[0]


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (SearchEngine(kind="searxng", url="localhost:8080"), "must begin with http:// or https://"),
        (SearchEngine(kind="brave", url="https://api.search.brave.com"), "has no token"),
    ],
)
async def test_an_engine_that_is_set_up_wrong_is_not_asked(desk: Desk, engine: SearchEngine, message: str) -> None:
    tool = desk.tool([engine])

    result = await desk.search(tool=tool)

    assert result.category is ErrorCategory.CONFIGURATION
    assert message in result.message
    assert message in (await tool.health()).detail


async def test_a_searxng_that_gives_no_json_is_known_by_its_403(desk: Desk) -> None:
    desk.server.answers["/search"] = text(
        "<!doctype html><title>403 Forbidden</title>", status=403, content_type="text/html"
    )

    result = await desk.search()

    assert result.category is ErrorCategory.PERMISSION
    assert "add json to search.formats in its settings.yml" in result.suggestions[0]


async def test_a_searxng_whose_engines_are_all_silent_may_do_better_later(desk: Desk) -> None:
    found = {"query": "x", "results": [], "unresponsive_engines": [["google", "timeout"], ["qwant", "access denied"]]}
    desk.server.answers["/search"] = text(json.dumps(found), content_type="application/json")

    result = await desk.search()

    assert result.category is ErrorCategory.TRANSIENT
    assert "google: timeout, qwant: access denied" in result.message
    assert not desk.cache.exists()


async def test_brave_says_when_it_may_be_asked_again(desk: Desk) -> None:
    limits = {"x_ratelimit_limit": "1, 2000", "x_ratelimit_remaining": "0, 812", "x_ratelimit_reset": "1, 1419704"}
    desk.server.answers["/res/v1/web/search"] = answer("brave_rate_limited", status=429, **limits)

    result = await desk.search(tool=desk.tool(["brave"]))

    assert result.category is ErrorCategory.RESOURCE
    assert result.retry_after_seconds == 1.0
    assert TOKEN not in repr(result)


async def test_a_used_up_month_is_not_waited_for_in_one_piece(desk: Desk) -> None:
    limits = {"x_ratelimit_remaining": "0, 0", "x_ratelimit_reset": "1, 1419704"}
    desk.server.answers["/res/v1/web/search"] = answer("brave_rate_limited", status=429, **limits)

    assert (await desk.search(tool=desk.tool(["brave"]))).retry_after_seconds == 86_400.0


@pytest.mark.parametrize("kind", ["searxng", "brave"])
async def test_retry_after_is_heard_from_any_engine(desk: Desk, kind: str) -> None:
    for path in desk.server.answers:
        desk.server.answers[path] = text("too many", status=429, retry_after="30")

    assert (await desk.search(tool=desk.tool([kind]))).retry_after_seconds == 30.0


async def test_a_wrong_token_is_named(desk: Desk) -> None:
    desk.server.answers["/res/v1/web/search"] = answer("brave_wrong_token", status=422)

    result = await desk.search(tool=desk.tool(["brave"]))

    assert result.category is ErrorCategory.CONFIGURATION
    assert result.suggestions[0].startswith("correct the token of http://127.0.0.1:")


@pytest.mark.parametrize("kind", ["searxng", "brave"])
@pytest.mark.parametrize(
    "content", ["<html>hello</html>", "[]", "{}", '{"type": "search", "results": 5, "web": {}}', "[" * 9999]
)
async def test_what_is_no_such_engine_is_said_to_be_none(desk: Desk, kind: str, content: str) -> None:
    for path in desk.server.answers:
        desk.server.answers[path] = text(content)

    result = await desk.search(tool=desk.tool([kind]))

    assert result.category is ErrorCategory.CONFIGURATION
    assert "this is no answer of such an engine" in result.message


async def test_the_next_engine_is_asked_when_one_fails(desk: Desk) -> None:
    desk.server.answers["/search"] = text("", status=502)

    result = await desk.search(tool=desk.tool(["searxng", "brave"]))

    assert (result.category, result.value["engine"]) == (None, "brave")


async def test_when_all_fail_each_is_named_and_what_may_pass_decides(desk: Desk) -> None:
    desk.server.answers |= {
        "/search": text("", status=404),
        "/res/v1/web/search": text("", status=503, retry_after="5"),
    }

    result = await desk.search(tool=desk.tool(["searxng", "brave"]))

    assert (result.category, result.retry_after_seconds) == (ErrorCategory.TRANSIENT, 5.0)
    assert "searxng at" in result.message
    assert "brave at" in result.message


async def test_a_token_is_not_taken_to_another_host(desk: Desk) -> None:
    with serving({"/": answer("brave")}) as other:
        desk.server.answers["/res/v1/web/search"] = redirect(other.url())
        await desk.search(tool=desk.tool(["brave"]))

        assert len(other.seen) == 1
        assert "x-subscription-token" not in other.seen[0].headers


async def test_an_answer_without_end_is_not_read(desk: Desk) -> None:
    desk.server.answers["/search"] = endless

    result = await desk.search(tool=desk.tool(max_bytes=10_000))

    assert result.category is ErrorCategory.CONFIGURATION
    assert "the body is longer" in result.message


async def test_a_search_is_over_at_its_timeout(desk: Desk) -> None:
    desk.server.answers["/slow/search"] = silent
    tool = desk.tool([SearchEngine(kind="searxng", url=desk.server.url("/slow"))])

    result = await tool.execute({"query": "x"}, context_in(desk.folder, timeout_seconds=0.3))

    assert result.category is not None
    assert result.message == "web search: timed out after 0.3 s"
    if desk.server.seen:
        await until(desk.server.closed.is_set, what="the end of the connection")


async def test_what_pages_say_is_plain_text_of_bounded_length(desk: Desk) -> None:
    entries = [
        {
            "url": "https://a.example/",
            "title": "<b>bold</b>\x1b[31m red\r\n\0 \ud800 List<String>",
            "content": "word " * 10_000,
        },
        {"url": "javascript:alert(1)", "title": "no page"},
        {"url": "https://b.example/" + "x" * 5000, "title": "too long"},
        {"url": "https://c.example/\n", "title": "two lines"},
        {"url": 5},
        "nothing",
    ]
    desk.server.answers["/search"] = text(json.dumps({"results": entries}), content_type="application/json")

    result = await desk.search()

    (only,) = result.value["results"]
    assert only["title"] == "bold [31m red List<String>"
    assert len(only["snippet"]) == 1000
    assert (await desk.search()).value["results"] == [only]


def test_what_calls_share_is_the_first_engines_host(desk: Desk) -> None:
    assert desk.tool().resource_of({"query": "x"}) == f"127.0.0.1:{desk.server.port}"
    assert desk.tool([]).resource_of({"query": "x"}) is None


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({}, "/query"),
        ({"query": " "}, "/query"),
        ({"query": "x" * 401}, "/query"),
        ({"query": "x", "count": 0}, "/count"),
        ({"query": "x", "count": 21}, "/count"),
        ({"query": "x", "language": "German"}, "/language"),
        ({"query": "x", "freshness": "hour"}, "/freshness"),
        ({"query": "x", "limit": 5}, "/limit"),
        ({"query": "x", "anew": "yes"}, "/anew"),
    ],
)
def test_a_wrong_parameter_is_named(desk: Desk, params: Params, pointer: str) -> None:
    (problem,) = desk.tool().validate(params)

    assert problem.pointer == pointer
    assert problem.message
    assert problem.fix


def test_the_schema_says_what_can_be_given(desk: Desk) -> None:
    params = {"query": "x", "count": 20, "language": "zh-Hant", "freshness": "year", "anew": True}

    assert desk.tool().validate(params) == ()
    jsonschema.validate(params, desk.tool().params_schema(), cls=jsonschema.Draft202012Validator)


class TestWebSearch(AdapterSuite):
    server: LocalServer

    @pytest.fixture(autouse=True)
    def serve(self, tmp_path: Path) -> Iterator[None]:
        self.cache = tmp_path / "cache"
        with serving({"/search": answer("searxng"), "/trouble": text("", status=500)}) as self.server:
            yield

    def make_tool(self) -> ToolAdapter:
        engine = SearchEngine(kind="searxng", url=self.server.url(""))
        return WebSearchTool(WebSearchOptions(engines=(engine,), cache_folder=str(self.cache)), now=Clock().now)

    def good_params(self) -> Sequence[Params]:
        return [
            {"query": "fencing token"},
            {"query": "größe\tund\nmehr", "count": 2, "language": "de-AT", "freshness": "year", "anew": True},
        ]

    def bad_params(self) -> Sequence[Params]:
        return [{}, {"query": ""}, {"query": "x", "count": 100}, {"query": "x", "freshness": "soon"}, {"quary": "x"}]

    def secret_params(self, secret: str) -> Params | None:
        return {"query": f"who knows {secret}"}


class TestWebSearchOfAnEngineInTrouble(AdapterSuite):
    server: LocalServer

    @pytest.fixture(autouse=True)
    def serve(self) -> Iterator[None]:
        def by_query(handler: object) -> None:
            silent(handler) if "slow" in handler.path else text("", status=500)(handler)  # type: ignore[attr-defined,arg-type]

        with serving({"/search": by_query, "/res/v1/web/search": answer("brave")}) as self.server:
            yield

    def make_tool(self) -> ToolAdapter:
        engine = SearchEngine(kind="searxng", url=self.server.url(""))
        return WebSearchTool(WebSearchOptions(engines=(engine,)), now=Clock().now)

    def good_params(self) -> Sequence[Params]:
        return []

    def bad_params(self) -> Sequence[Params]:
        return [{}]

    def failing_params(self) -> Sequence[Params]:
        return [{"query": "anything"}]

    def slow_params(self) -> Params | None:
        return {"query": "slow"}

    def slow_call_is_under_way(self, workspace: Path) -> bool:
        return bool(self.server.seen)
