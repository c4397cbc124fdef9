"""The tool `http`: what it sends, what it gives back, and what it says when a call fails."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.protocols import SharesResource
from dreamos_tasks.testing import context_in
from dreamos_tasks.tools.http import HttpOptions, HttpTool
from dreamos_tasks.tools.http_url import host_of
from tests.tools.listening import nobody_listening
from tests.tools.local_server import LocalServer, document, echo, raw, serving, silent, text
from tests.waiting import until

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
Params = Mapping[str, object]


@pytest.fixture
def server() -> Iterator[LocalServer]:
    answers = {
        "/": text("grüß dich"),
        "/document": document({"name": "ada", "sizes": [1, 2]}),
        "/echo": echo,
        "/slow": silent,
    }
    with serving(answers) as server:
        yield server


def tool_with(**options: object) -> HttpTool:
    return HttpTool(HttpOptions(**options), now=lambda: NOW)  # type: ignore[arg-type]


async def call(folder: Path, params: Params, *, tool: HttpTool | None = None, **context: object) -> ToolResult:
    return await (tool or tool_with()).execute(params, context_in(folder, **context))


async def test_a_text_is_the_steps_output_and_value(server: LocalServer, tmp_path: Path) -> None:
    result = await call(tmp_path, {"url": server.url()})

    assert (result.category, result.message) == (None, "")
    assert result.output_head == "grüß dich"
    assert result.output_path is not None
    assert result.output_path.read_text(encoding="utf-8") == "grüß dich"
    assert result.value["status"] == 200
    assert result.value["text"] == "grüß dich"
    assert result.value["bytes"] == len("grüß dich".encode())
    assert result.value["url"] == server.url()
    assert result.value["headers"]["content-type"] == "text/plain; charset=utf-8"


async def test_json_is_given_as_json(server: LocalServer, tmp_path: Path) -> None:
    result = await call(tmp_path, {"url": server.url("/document")})

    assert result.value["json"] == {"name": "ada", "sizes": [1, 2]}
    assert "text" not in result.value


async def test_the_request_is_as_the_step_says(server: LocalServer, tmp_path: Path) -> None:
    await call(
        tmp_path,
        {
            "url": server.url("/document?a=1"),
            "method": "post",
            "query": {"q": "größer & mehr", "tag": ["x", "y"], "all": True, "n": 5},
            "headers": {"X-Name": "Ådne", "Accept": "application/json"},
            "json": {"a": [None, "ö"]},
        },
    )

    (request,) = server.seen
    assert request.method == "POST"
    assert request.path == "/document?a=1&q=gr%C3%B6%C3%9Fer+%26+mehr&tag=x&tag=y&all=true&n=5"
    assert json.loads(request.body) == {"a": [None, "ö"]}
    assert request.headers["content-type"] == "application/json"
    assert request.headers["content-length"] == str(len(request.body))
    assert request.headers["accept"] == "application/json"
    assert request.headers["x-name"].encode("latin-1") == "Ådne".encode()
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


async def test_a_body_of_text_is_sent_as_it_stands(server: LocalServer, tmp_path: Path) -> None:
    params = {"url": server.url(), "method": "PUT", "body": "größe\n", "headers": {"Content-Type": "text/csv"}}

    await call(tmp_path, params)

    assert server.seen[0].body == "größe\n".encode()
    assert server.seen[0].headers["content-type"] == "text/csv"


async def test_a_user_name_and_a_password_are_sent_as_basic_authentication(server: LocalServer, tmp_path: Path) -> None:
    await call(tmp_path, {"url": server.url(), "auth": {"username": "Aladdin", "password": "open sesame"}})

    assert server.seen[0].headers["authorization"] == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="  # RFC 7617


async def test_nothing_is_taken_from_the_environment(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    result = await call(tmp_path, {"url": server.url()})

    assert result.category is None
    assert "authorization" not in server.seen[0].headers


async def test_an_answer_to_head_has_no_body(server: LocalServer, tmp_path: Path) -> None:
    result = await call(tmp_path, {"url": server.url(), "method": "HEAD", "max_bytes": 0})

    assert result.category is None
    assert result.value["headers"]["content-length"] == "11"
    assert result.output_bytes == 0


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (400, ErrorCategory.CONFIGURATION),
        (401, ErrorCategory.PERMISSION),
        (403, ErrorCategory.PERMISSION),
        (404, ErrorCategory.CONFIGURATION),
        (409, ErrorCategory.LOGIC),
        (429, ErrorCategory.RESOURCE),
        (500, ErrorCategory.TRANSIENT),
        (503, ErrorCategory.TRANSIENT),
    ],
)
async def test_another_status_than_2xx_is_a_failure_with_its_category(
    server: LocalServer, tmp_path: Path, status: int, category: ErrorCategory
) -> None:
    server.answers["/"] = document({"reason": "so it is"}, status=status)

    result = await call(tmp_path, {"url": server.url("/?password=1234")})

    assert result.category is category
    assert result.message.startswith(f"GET {server.url('/')}: answered {status} ")
    assert result.cause
    assert result.suggestions
    assert result.value["status"] == status
    assert result.value["json"] == {"reason": "so it is"}
    assert "so it is" in result.output_head
    assert "1234" not in repr(result)


@pytest.mark.parametrize(
    ("expected", "status", "succeeds"),
    [
        (404, 404, True),
        (404, 200, False),
        ("4xx", 418, True),
        ([200, "4xx"], 200, True),
        ([200, "4xx"], 404, True),
        ([200, "4xx"], 201, False),
        ("2xx", 299, True),
        (302, 302, True),
    ],
)
async def test_success_is_what_the_step_expects(
    server: LocalServer, tmp_path: Path, expected: object, status: int, succeeds: bool
) -> None:
    server.answers["/"] = text("", status=status, location="/elsewhere")

    result = await call(tmp_path, {"url": server.url(), "expect_status": expected})

    assert (result.category is None) == succeeds
    assert server.paths == ["/"]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("Sat, 21 Nov 2026 12:02:00 GMT", 120.0),
        ("Saturday, 21-Nov-26 12:02:00 GMT", 120.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("9" * 400, 86_400.0),
        ("Sat, 21 Nov 9999 12:00:00 GMT", 86_400.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_a_server_that_asks_to_be_left_alone_is_heard(
    server: LocalServer, tmp_path: Path, status: int, asked: str, seconds: float | None
) -> None:
    server.answers["/"] = raw(f"HTTP/1.1 {status} X\r\nretry-after: {asked}\r\ncontent-length: 0\r\n\r\n".encode())

    result = await call(tmp_path, {"url": server.url()})

    assert result.retry_after_seconds == seconds


async def test_when_to_come_back_is_told_by_the_servers_own_clock(server: LocalServer, tmp_path: Path) -> None:
    date = "date: Thu, 01 Jan 1970 00:00:00 GMT\r\nretry-after: Thu, 01 Jan 1970 00:00:30 GMT"
    server.answers["/"] = raw(f"HTTP/1.1 503 X\r\n{date}\r\ncontent-length: 0\r\n\r\n".encode())

    assert (await call(tmp_path, {"url": server.url()})).retry_after_seconds == 30.0


async def test_where_nobody_listens_the_call_may_pass_later(tmp_path: Path) -> None:
    with nobody_listening() as port:
        result = await call(tmp_path, {"url": f"http://127.0.0.1:{port}/"})

    assert (result.category, result.cause) == (ErrorCategory.TRANSIENT, "nothing listens at that address")
    assert "Connect call failed" in result.message


async def test_an_unknown_name_is_said_to_be_one(tmp_path: Path) -> None:
    result = await call(tmp_path, {"url": "http://no-such-host.invalid/"})

    assert result.category is not None
    assert result.message.startswith("GET http://no-such-host.invalid/: ")
    assert result.suggestions


@pytest.mark.parametrize(
    "wire",
    [
        b"garbage\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nplain",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: " + b"gzip, " * 50 + b"gzip\r\ncontent-length: 5\r\n\r\nplain",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 50_000 + b"\r\n",
    ],
)
async def test_an_answer_that_is_no_http_is_a_failure(server: LocalServer, tmp_path: Path, wire: bytes) -> None:
    server.answers["/"] = raw(wire)

    result = await call(tmp_path, {"url": server.url()})

    assert result.category is not None
    assert result.message.startswith(f"GET {server.url()}: ")


async def test_a_server_that_falls_silent_is_not_waited_for(server: LocalServer, tmp_path: Path) -> None:
    result = await call(tmp_path, {"url": server.url("/slow")}, tool=tool_with(idle_seconds=0.2))

    assert (result.category, result.cause) == (ErrorCategory.TRANSIENT, "no answer came in time")


async def test_a_call_is_over_at_its_timeout(server: LocalServer, tmp_path: Path) -> None:
    result = await call(tmp_path, {"url": server.url("/slow")}, timeout_seconds=0.2)

    assert result.category is not None
    assert result.message == f"GET {server.url('/slow')}: timed out after 0.2 s"
    if server.seen:  # a busy machine may not have come so far
        await until(server.closed.is_set, what="the end of the connection")


async def test_a_cancelled_call_closes_its_connection(server: LocalServer, tmp_path: Path) -> None:
    task = asyncio.ensure_future(call(tmp_path, {"url": server.url("/slow")}))
    await until(lambda: server.seen, what="the request")

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await until(server.closed.is_set, what="the end of the connection")


async def test_no_credential_of_a_request_is_shown(server: LocalServer, tmp_path: Path) -> None:
    params = {
        "url": server.url("/echo"),
        "headers": {"X-Api-Key": "key-0123456789", "Cookie": "session=abcdefgh", "X-Custom": "canary-1"},
        "auth": {"username": "ada", "password": "swordfish!"},
    }

    result = await call(tmp_path, params, secrets=("canary-1",))

    assert "x-api-key: [secret]" in result.output_head
    assert result.output_path is not None
    kept = result.output_path.read_text()
    for secret in ("key-0123456789", "abcdefgh", "swordfish!", "YWRhOnN3b3JkZmlzaCE", "canary-1"):
        assert secret in str(server.seen[0].headers) or secret == "swordfish!"
        assert secret not in kept
        assert secret not in repr(result)


async def test_cookies_that_a_server_sets_are_not_kept(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = text("hello", set_cookie="session=abcdefgh")

    result = await call(tmp_path, {"url": server.url()})

    assert result.value["headers"]["set-cookie"] == "[secret]"
    assert "abcdefgh" not in repr(result)


async def test_without_a_file_for_its_certificates_the_tool_is_not_in_good_health(tmp_path: Path) -> None:
    assert (await tool_with().health()).ok

    health = await tool_with(ca_file=str(tmp_path / "missing.pem")).health()
    assert not health.ok
    assert "ca_file" in health.fix


@pytest.mark.parametrize(
    ("params", "host"),
    [
        ({"url": "https://Example.COM/x?y"}, "example.com"),
        ({"url": "https://example.com:443/"}, "example.com"),
        ({"url": "http://localhost:3000"}, "localhost:3000"),
        ({"url": "http://[::1]:80/"}, "[::1]"),
        ({"url": "http://example.com./"}, "example.com"),
        ({"url": "http://example.com.:8080/"}, "example.com:8080"),
        ({"url": "http://größe.example/"}, "xn--gre-6ka8i.example"),
        ({"url": "${steps.find.value.url}"}, None),
        ({"url": "ftp://example.com/"}, None),
        ({"url": 5}, None),
        ({}, None),
    ],
)
def test_calls_of_one_host_share_its_name(params: Params, host: str | None) -> None:
    tool: SharesResource = tool_with()

    assert host_of(params) == tool.resource_of(params) == host


def test_a_program_that_makes_no_request_does_not_load_what_makes_them() -> None:
    line = "import sys, dreamos_tasks.tools.http, dreamos_tasks.tools.web_search; print('httpx2' in sys.modules)"

    said = subprocess.run([sys.executable, "-c", line], check=True, capture_output=True, text=True)

    assert said.stdout == "False\n"


@pytest.mark.parametrize(
    ("method", "destructive"),
    [("GET", False), ("head", False), ("OPTIONS", False), ("POST", True), ("delete", True), ("PURGE", True)],
)
def test_what_changes_something_elsewhere_is_destructive(method: str, destructive: bool) -> None:
    assert tool_with().estimate({"url": "http://a", "method": method}).destructive == destructive
    assert not tool_with().estimate({"url": "http://a"}).destructive


@pytest.mark.parametrize(
    ("params", "pointer", "message"),
    [
        ({}, "/url", "url is missing"),
        ({"url": "ftp://a/"}, "/url", "must begin with http:// or https://"),
        ({"url": "file:///etc/passwd"}, "/url", "must begin with http:// or https://"),
        ({"url": "example.com"}, "/url", "must begin with http:// or https://"),
        ({"url": "http://"}, "/url", "names no host"),
        ({"url": "http://[::1%25eth0]/"}, "/url", "names the host '::1%25eth0', which cannot be one"),
        ({"url": "http://a%2eb/"}, "/url", "names the host 'a%2eb', which cannot be one"),
        ({"url": "http://a b/"}, "/url", None),
        ({"url": "http://a:99999/"}, "/url", "has no port 99999: ports are 1-65535"),
        (
            {"url": "http://ada:1234@a/"},
            "/url",
            "must not hold a user name or password: it would be shown wherever the URL is; use auth",
        ),
        ({"url": "http://a", "metod": "GET"}, "/metod", "there is no parameter 'metod'; did you mean 'method'?"),
        ({"url": "http://a", "method": "CONNECT"}, "/method", "'CONNECT' is no method of this tool"),
        ({"url": "http://a", "method": "GET /"}, "/method", "'GET /' is no method of this tool"),
        ({"url": "http://a", "headers": {"Host": "b"}}, "/headers/Host", "Host is written by the tool itself"),
        ({"url": "http://a", "headers": {"a b": "c"}}, "/headers/a b", "'a b' cannot be the name of a header"),
        (
            {"url": "http://a", "headers": {"a": "b\r\nc: d"}},
            "/headers/a",
            "a header has one line, without control characters",
        ),
        ({"url": "http://a", "json": {"a": float("nan")}}, "/json", None),
        ({"url": "http://a", "json": 1, "body": ""}, "", "body and json cannot both be given"),
        ({"url": "http://a", "expect_status": "ok"}, "/expect_status", None),
        ({"url": "http://a", "expect_status": []}, "/expect_status", None),
        ({"url": "http://a", "query": {"a": "x" * 20_000}}, "/query", None),
        (
            {"url": "http://a", "save_to": "../x"},
            "/save_to",
            "must be a file within the task's workspace, as reports/today.json",
        ),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_expected(params: Params, pointer: str, message: str | None) -> None:
    problems = tool_with().validate(params)

    assert [problem.pointer for problem in problems] == [pointer]
    if message is not None:
        assert problems[0].message == message


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "2852039166", "0xA9FEA9FE", "0.0.0.0"])
def test_an_address_that_is_written_out_is_judged_before_the_task_starts(host: str) -> None:
    (problem,) = tool_with().validate({"url": f"http://{host}/"})

    assert problem.pointer == "/url"
    assert "may not be called" in problem.message


def test_the_schema_says_what_can_be_given() -> None:
    params = {"url": "http://a", "expect_status": [200, "3xx"], "json": [1], "save_to": "a/b", "query": {"a": [1, "b"]}}
    tool = tool_with()

    assert tool.validate(params) == ()
    jsonschema.validate(params, tool.params_schema(), cls=jsonschema.Draft202012Validator)
