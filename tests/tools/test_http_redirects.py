"""Redirects and names: where a call really goes, and what goes along."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from httpx2 import URL

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.model.tool import ToolResult
from dreamos_tasks.testing import context_in
from dreamos_tasks.tools.address_guard import AddressGuard, CallRefused, Checked, system_addresses
from dreamos_tasks.tools.http import HttpOptions, HttpTool
from dreamos_tasks.tools.http_exchange import HttpExchange, HttpRequest, redirected
from tests.tools.local_server import LocalServer, redirect, serving, text

CREDENTIALS = {"Authorization": "Bearer 12345678", "X-Api-Key": "12345678", "Cookie": "a=12345678"}


class Names:
    """Stands for name servers: each look-up of a name is answered by the next of its answers, the last one for ever."""

    def __init__(self, **answers: Sequence[str]) -> None:
        self._answers = {name.replace("_", "."): list(given) for name, given in answers.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self._answers[host]
        return (answers.pop(0) if len(answers) > 1 else answers[0],)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with serving({"/": text("here")}) as server:
        yield server


@pytest.fixture
def other() -> Iterator[LocalServer]:
    with serving({"/": text("there")}) as server:
        yield server


async def call(
    folder: Path,
    params: Mapping[str, object],
    *,
    names: Names | None = None,
    options: HttpOptions | None = None,
) -> ToolResult:
    resolve = names.resolve if names is not None else system_addresses
    tool = HttpTool(options or HttpOptions(), now=lambda: datetime.now(UTC), resolve=resolve)
    return await tool.execute(params, context_in(folder))


async def test_a_name_is_looked_up_once_and_no_second_answer_counts(server: LocalServer, tmp_path: Path) -> None:
    names = Names(rebind_test=["127.0.0.1", "169.254.169.254"])

    result = await call(tmp_path, {"url": server.url(host="rebind.test")}, names=names)

    assert result.output_head == "here"
    assert names.asked == ["rebind.test"]
    assert server.seen[0].headers["host"] == f"rebind.test:{server.port}"


async def test_a_redirect_is_judged_anew_also_within_one_name(server: LocalServer, tmp_path: Path) -> None:
    names = Names(rebind_test=["127.0.0.1", "169.254.169.254"])
    server.answers["/away"] = redirect("/")

    result = await call(tmp_path, {"url": server.url("/away", host="rebind.test")}, names=names)

    assert result.category is ErrorCategory.CONFIGURATION
    assert "link-local" in result.message
    assert server.paths == ["/away"]


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://2852039166/",
        "http://[::ffff:a9fe:a9fe]/",
        "//169.254.169.254/",
        "http://0.0.0.0/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://ada:1234@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://[",
        "http://a%2eb/",
        "http://\x7f/",
    ],
)
async def test_nobody_is_sent_where_a_step_may_not_go(server: LocalServer, tmp_path: Path, target: str) -> None:
    server.answers["/"] = redirect(target)

    result = await call(tmp_path, {"url": server.url()})

    assert result.category is ErrorCategory.CONFIGURATION
    assert "may not be called" in result.message


async def test_nobody_is_sent_to_the_daemon(server: LocalServer, other: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = redirect(other.url(host="localhost"))
    options = HttpOptions(daemon_address=f"127.0.0.1:{other.port}")

    result = await call(tmp_path, {"url": server.url()}, options=options)

    assert "there this program itself listens" in result.message
    assert other.seen == []


async def test_without_private_addresses_a_local_service_is_not_called(server: LocalServer, tmp_path: Path) -> None:
    options = HttpOptions(allow_private=False)

    written_out = await call(tmp_path, {"url": server.url()}, options=options)
    by_name = await call(tmp_path, {"url": server.url(host="localhost")}, options=options)

    assert written_out.category is by_name.category is ErrorCategory.CONFIGURATION
    assert "allow_private" in by_name.suggestions[0]
    assert server.seen == []


async def test_a_public_server_cannot_send_us_to_a_private_one(server: LocalServer, other: LocalServer) -> None:
    class Pretending(AddressGuard):
        """Takes the first server for one at a public address."""

        async def addresses_of(self, host: str, port: int, *, from_public: bool = False) -> Sequence[Checked]:
            checked = await super().addresses_of(host, port, from_public=from_public)
            return [Checked(one.text, is_public=port == server.port) for one in checked]

    server.answers["/"] = redirect(other.url())
    exchange = HttpExchange(Pretending(), connect_seconds=10, idle_seconds=30)

    with pytest.raises(CallRefused, match="a public server redirects to this private address"):
        async with exchange.open(HttpRequest(url=URL(server.url()), headers={})):
            pass
    assert other.seen == []


@pytest.mark.parametrize(("path", "host"), [("/two", "127.0.0.1"), ("/elsewhere", "localhost")])
async def test_credentials_stay_with_the_host_they_are_for(
    server: LocalServer, other: LocalServer, tmp_path: Path, path: str, host: str
) -> None:
    server.answers |= {"/": redirect(path), "/two": text("two"), "/elsewhere": redirect(other.url(host=host))}
    headers = {**CREDENTIALS, "Accept": "text/plain", "X-Trace": "5"}

    result = await call(tmp_path, {"url": server.url(), "headers": headers})

    assert result.category is None
    reached = (server if path == "/two" else other).seen[-1].headers
    assert reached["accept"] == "text/plain"
    for name in (*CREDENTIALS, "X-Trace"):
        assert (name.lower() in reached) == (path == "/two"), name


async def test_another_port_is_another_host(server: LocalServer, other: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = redirect(other.url())

    await call(tmp_path, {"url": server.url(), "headers": CREDENTIALS})

    assert "authorization" in server.seen[0].headers
    assert not {name.lower() for name in CREDENTIALS} & set(other.seen[0].headers)


async def test_cookies_of_a_redirect_are_not_sent_on(server: LocalServer, tmp_path: Path) -> None:
    server.answers |= {"/": text("", status=302, location="/two", set_cookie="a=1; Path=/"), "/two": text("two")}

    await call(tmp_path, {"url": server.url()})

    assert "cookie" not in server.seen[1].headers


@pytest.mark.parametrize(
    ("status", "method", "becomes", "has_body"),
    [
        (301, "POST", "GET", False),
        (302, "POST", "GET", False),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (302, "PUT", "PUT", True),
        (307, "POST", "POST", True),
        (308, "POST", "POST", True),
        (303, "HEAD", "HEAD", True),
        (301, "DELETE", "DELETE", True),
    ],
)
async def test_a_redirect_changes_the_method_as_rfc_9110_says(
    server: LocalServer, tmp_path: Path, status: int, method: str, becomes: str, has_body: bool
) -> None:
    server.answers |= {"/": redirect("/two", status=status), "/two": text("two")}

    await call(tmp_path, {"url": server.url(), "method": method, "body": "content"})

    arrived = server.seen[1]
    assert arrived.method == becomes
    assert (arrived.body == b"content") == has_body
    assert ("content-type" in arrived.headers) == has_body


async def test_a_body_is_not_given_to_another_host(server: LocalServer, other: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = redirect(other.url(), status=307)

    result = await call(tmp_path, {"url": server.url(), "method": "POST", "body": "content"})

    assert result.category is ErrorCategory.CONFIGURATION
    assert "another host redirects a request with its body there" in result.message
    assert other.seen == []


async def test_a_circle_of_redirects_is_left(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = redirect("/")

    result = await call(tmp_path, {"url": server.url(), "max_redirects": 3})

    assert result.category is ErrorCategory.CONFIGURATION
    assert result.message == f"GET {server.url()}: answered 302 Found after 3 redirects"
    assert len(server.seen) == 4


async def test_a_step_may_want_a_redirect_itself(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = redirect("/elsewhere")

    result = await call(tmp_path, {"url": server.url(), "expect_status": [200, 302]})

    assert result.category is None
    assert result.value["headers"]["location"] == "/elsewhere"
    assert server.paths == ["/"]


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("https://a.test/", True),
        ("https://a.test:8443/", False),
        ("https://b.test/", False),
        ("http://a.test:8080/", False),
        ("/below", True),
    ],
)
def test_a_host_that_changes_over_to_tls_keeps_its_credentials(target: str, kept: bool) -> None:
    request = HttpRequest(url=URL("http://a.test/"), headers={"Authorization": "Bearer 1"})

    assert bool(redirected(request, 302, target).headers) == kept


def test_a_host_that_gives_up_tls_loses_its_credentials() -> None:
    request = HttpRequest(url=URL("https://a.test/"), headers={"Authorization": "Bearer 1"})

    assert not redirected(request, 302, "http://a.test/").headers


async def test_the_next_address_of_a_host_is_tried(server: LocalServer, tmp_path: Path) -> None:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return ("127.0.0.77", "127.0.0.1")  # the server listens at the second only

    tool = HttpTool(now=lambda: datetime.now(UTC), resolve=resolve)
    result = await tool.execute({"url": server.url(host="twice.test")}, context_in(tmp_path))

    assert result.output_head == "here"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for tls.test, signed by itself, with its key."""
    folder = tmp_path_factory.mktemp("certificate")
    made = folder / "made.pem"
    line = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=tls.test"
    more: list[str | Path] = ["-addext", "subjectAltName=DNS:tls.test", "-keyout", folder / "key.pem", "-out", made]
    subprocess.run([*shlex.split(line), *more], check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text(made.read_text() + (folder / "key.pem").read_text())
    return both


async def test_over_tls_the_name_is_verified_though_the_address_is_called(tmp_path: Path, certificate: Path) -> None:
    names = Names(tls_test=["127.0.0.1"], other_test=["127.0.0.1"])
    options = HttpOptions(ca_file=str(certificate))
    with serving({"/": text("safe")}, certificate=certificate) as server:
        right = await call(tmp_path, {"url": f"https://tls.test:{server.port}/"}, names=names, options=options)
        wrong = await call(tmp_path, {"url": f"https://other.test:{server.port}/"}, names=names, options=options)
        unknown = await call(tmp_path, {"url": f"https://tls.test:{server.port}/"}, names=names)

    assert right.output_head == "safe"
    assert wrong.category is ErrorCategory.CONFIGURATION
    assert "Hostname mismatch" in wrong.message
    assert unknown.category is ErrorCategory.CONFIGURATION
    assert "self-signed certificate" in unknown.message
