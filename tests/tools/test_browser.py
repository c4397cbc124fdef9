"""The tool `browser`: real pages in a real Chromium."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import stat
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from playwright.async_api import ProxySettings, async_playwright

from dreamos_tasks.model.plan import ErrorCategory
from dreamos_tasks.protocols import ToolAdapter
from dreamos_tasks.testing import context_in
from dreamos_tasks.testing.leftovers import Leftovers
from dreamos_tasks.tools.address_guard import AddressGuard
from dreamos_tasks.tools.browser import QUIET, BrowserOptions
from dreamos_tasks.tools.browser_actions import VERBS
from dreamos_tasks.tools.browser_proxy import GuardedProxy
from dreamos_tasks.tools.orphans import end_leftovers
from tests.test_guides import CALLS
from tests.tools.adapter_suite import AdapterSuite
from tests.tools.browsing import browser_tool, need_browser, page, site, visited
from tests.tools.listening import nobody_listening
from tests.tools.local_server import LocalServer, serving, text
from tests.waiting import until

Params = Mapping[str, object]


@pytest.fixture(autouse=True)
def browser() -> str:
    return need_browser()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The place for temporary files; its path is short, as sockets want it. `tmp_path` is made before."""
    with tempfile.TemporaryDirectory(prefix="dt-", dir="/tmp") as folder:
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield Path(folder)


@pytest.fixture
def shop() -> Iterator[LocalServer]:
    with serving(site()) as server:
        yield server


def content_of(kept: Mapping[str, str]) -> bytes:
    return Path(kept["path"]).read_bytes()


def found_in(folder: Path) -> list[str]:
    """All files in it, and in its folders."""
    return [str(path) for path in folder.rglob("*") if not path.is_dir()]


def processes_with(mark: str) -> list[str]:
    """The command lines of running processes in which this stands, and those of their environments."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE and mark in repr((process.cmdline(), process.environ())):
                found.append(" ".join(process.cmdline())[:200])
    return found


class TestBrowser(AdapterSuite):
    """On pages of this machine."""

    shop: LocalServer

    @pytest.fixture(autouse=True)
    def visit(self, shop: LocalServer) -> None:
        self.shop = shop

    def make_tool(self) -> ToolAdapter:
        return browser_tool()

    def good_params(self) -> Sequence[Params]:
        return [
            {
                "viewport": [800, 600],
                "actions": [
                    {"goto": self.shop.url("/"), "until": "domcontentloaded"},
                    {"wait_for": "#late", "state": "visible", "timeout_seconds": 60},
                    {"fill": ["#name", "Ada"]},
                    {"choose": ["#size", "two"]},
                    {"press": ["#name", "Enter"]},
                    {"click": "#next"},
                    {"extract": {"title": "h1", "all": {"selector": "h1", "attribute": "id", "all": True}}},
                    {"screenshot": "end", "full_page": True},
                ],
            }
        ]

    def bad_params(self) -> Sequence[Params]:
        return [
            {},
            {"actions": []},
            {"actions": [{}]},
            {"actions": [{"goto": "file:///etc/passwd"}]},
            {"actions": [{"goto": "http://127.0.0.1", "untill": "load"}]},
            {"actions": [{"fill": "#name"}]},
            {"actions": [{"screenshot": "../../page"}]},
            {"actions": [{"click": " "}]},
            {"actions": [{"click": "#a"}], "viewport": [0, 0]},
        ]

    def failing_params(self) -> Sequence[Params]:
        return [{"actions": [{"goto": self.shop.url("/nothing")}]}]

    def slow_params(self) -> Params | None:
        return {"actions": [{"goto": self.shop.url("/slow")}]}

    def slow_call_is_under_way(self, workspace: Path) -> bool:
        return "/slow" in self.shop.paths

    def secret_params(self, secret: str) -> Params | None:
        return {
            "actions": [
                {"goto": self.shop.url(f"/echo?{secret}")},
                {"extract": {"said": "body"}},
                {"click": "#no", "timeout_seconds": 1},
            ]
        }


async def test_it_fills_clicks_and_reads(tmp_path: Path, shop: LocalServer) -> None:
    result = await visited(
        tmp_path,
        {"goto": shop.url("/")},
        {"fill": ["#name", "Ada"]},
        {"choose": ["#size", "2"]},
        {"click": "button"},
        {"wait_for": "#late"},
        {
            "extract": {
                "answer": "#answer",
                "title": "h1",
                "sizes": {"selector": "li", "all": True},
                "link": {"selector": "#next", "attribute": "href"},
                "none": {"selector": ".none", "all": True},
            }
        },
    )

    assert result.category is None, result.message
    assert result.value == {
        "url": shop.url("/"),
        "title": "Shop",
        "extracted": {
            "answer": "Ada takes 2",
            "title": "Größen",
            "sizes": ["S", "M", "L"],
            "link": "/next",
            "none": [],
        },
        "screenshots": [],
        "downloads": [],
        "refused": [],
    }
    assert "console log: sent" in result.output_head
    assert "Ada" not in result.output_head  # what is filled in may be a password


async def test_screenshots_and_downloads_are_kept_for_their_owner_alone(tmp_path: Path, shop: LocalServer) -> None:
    context = context_in(tmp_path, step="look")
    actions = ({"goto": shop.url("/")}, {"screenshot": "shop"}, {"download": "#file"})

    result = await visited(tmp_path, *actions, context=context, viewport=[640, 480])
    again = await visited(tmp_path, *actions, context=context)

    (picture,), (download,) = result.value["screenshots"], result.value["downloads"]
    content = content_of(picture)
    assert picture["path"] == str(context.run_dir / "look-shop.png")
    assert struct.unpack(">II", content[16:24]) == (640, 480)
    assert picture["sha256"] == hashlib.sha256(content).hexdigest()
    assert picture["bytes"] == len(content)
    assert download["name"] == "report.csv"
    assert content_of(download) == b"a,b\n1,2\n"
    for path in (picture["path"], download["path"]):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert again.value["screenshots"][0]["path"] == str(context.run_dir / "look-shop.2.png")
    assert content_of(picture) == content


async def test_a_secret_in_the_name_of_a_download_is_not_kept(tmp_path: Path, shop: LocalServer) -> None:
    named = 'attachment; filename="canary-of-the-page.csv"'
    shop.answers["/named"] = text("a", status=200, content_type="text/csv", content_disposition=named)
    context = context_in(tmp_path, secrets=("canary-of-the-page",))

    result = await visited(tmp_path, {"goto": shop.url("/named")}, context=context)

    assert [download["name"] for download in result.value["downloads"]] == ["[secret].csv"]
    assert not [path for path in found_in(context.run_dir) if "canary" in path]


async def test_what_is_more_than_may_be_kept_is_not_kept(tmp_path: Path, shop: LocalServer) -> None:
    shop.answers["/large"] = text(b"x" * 300_000, content_type="application/zip")
    context = context_in(tmp_path, output_limit_bytes=200_000)

    result = await visited(tmp_path, {"goto": shop.url("/large")}, context=context)

    assert result.category is ErrorCategory.RESOURCE
    assert not [path for path in context.run_dir.iterdir() if path.suffix != ".log"]


async def test_a_failed_action_is_named_and_its_page_is_pictured(tmp_path: Path, shop: LocalServer) -> None:
    result = await visited(tmp_path, {"goto": shop.url("/next")}, {"click": "#missing", "timeout_seconds": 0.5})

    assert result.category is ErrorCategory.TRANSIENT
    assert result.message.startswith("action 2, click #missing: not done within 0.5 s: waiting for locator")
    assert [picture["name"] for picture in result.value["screenshots"]] == ["failure.png"]
    assert result.value["title"] == "Next"


async def test_a_page_that_is_not_there_is_told_by_its_status(tmp_path: Path, shop: LocalServer) -> None:
    missing = await visited(tmp_path, {"goto": shop.url("/nothing")})
    expected = await visited(tmp_path, {"goto": shop.url("/nothing"), "expect_status": [404]})

    assert missing.category is ErrorCategory.CONFIGURATION
    assert "404" in missing.message
    assert expected.category is None


@pytest.mark.parametrize("selector", ["###", "role=nothing[", "nothing=x"])
async def test_a_wrong_selector_is_a_matter_of_configuration(tmp_path: Path, shop: LocalServer, selector: str) -> None:
    result = await visited(tmp_path, {"goto": shop.url("/next")}, {"click": selector})

    assert result.category is ErrorCategory.CONFIGURATION


async def test_an_ambiguous_element_is_not_clicked(tmp_path: Path, shop: LocalServer) -> None:
    shop.answers["/two"] = page("<button onclick='document.title=1'>a</button><button>b</button>")

    result = await visited(tmp_path, {"goto": shop.url("/two")}, {"click": "button"})

    assert result.category is not None
    assert "2 elements" in result.message
    assert result.value["title"] == "Shop"


async def test_nobody_listening_is_transient_and_said_so(tmp_path: Path) -> None:
    with nobody_listening() as port:
        refused = await visited(tmp_path, {"goto": f"http://127.0.0.1:{port}/"})
    unknown = await visited(tmp_path, {"goto": "http://nowhere.invalid/"})

    assert refused.category is ErrorCategory.TRANSIENT
    assert "nothing listens" in refused.cause
    assert unknown.category is ErrorCategory.TRANSIENT
    assert "no address was found" in unknown.cause


@pytest.mark.parametrize("path", ["/away", ""])
async def test_where_credentials_are_given_out_no_page_is_opened(tmp_path: Path, shop: LocalServer, path: str) -> None:
    url = shop.url(path) if path else "http://169.254.169.254/latest/"

    result = await visited(tmp_path, {"goto": url})

    assert result.category is ErrorCategory.CONFIGURATION
    assert "credentials" in result.message


async def test_what_a_page_asks_for_is_refused_too_and_told(tmp_path: Path, shop: LocalServer) -> None:
    result = await visited(tmp_path, {"goto": shop.url("/leaky")}, {"extract": {"text": "p"}})

    assert result.category is None
    assert result.value["extracted"] == {"text": "here"}
    (refused,) = result.value["refused"]
    assert refused.startswith("169.254.169.254 may not be called")


async def test_the_daemon_itself_is_never_visited(tmp_path: Path, shop: LocalServer) -> None:
    with serving({"/": text("tasks")}) as daemon:
        socket = f"new WebSocket('ws://127.0.0.1:{daemon.port}/').onerror = () => document.body.append('refused')"
        shop.answers["/frame"] = page(f"<iframe src='{daemon.url('/')}'></iframe>")
        shop.answers["/socket"] = page(f"<script>{socket}</script>")
        tool = browser_tool(BrowserOptions(daemon_address=f"127.0.0.1:{daemon.port}"))

        direct = await visited(tmp_path, {"goto": f"http://localhost:{daemon.port}/"}, tool=tool)
        framed = await visited(tmp_path, {"goto": shop.url("/frame")}, tool=tool)
        wait = {"wait_for": "text=refused"}
        socketed = await visited(tmp_path, {"goto": shop.url("/socket")}, wait, tool=tool)

        assert direct.category is ErrorCategory.CONFIGURATION
        assert framed.value["refused"]
        assert socketed.value["refused"]
        assert daemon.paths == []


async def test_each_visit_has_a_fresh_profile_and_leaves_nothing(
    tmp_path: Path, shop: LocalServer, temporary: Path
) -> None:
    shop.answers["/cookie"] = page("<p></p><script>document.querySelector('p').textContent = document.cookie</script>")
    home = tmp_path / "home"
    home.mkdir()
    context = context_in(tmp_path)
    context = replace(context, environment={**context.environment, "HOME": str(home)})
    shop.answers["/set"] = page("", cookie="visited=yes; Max-Age=9999")

    for _ in range(2):
        result = await visited(
            tmp_path,
            {"goto": shop.url("/cookie")},
            {"extract": {"cookie": "p"}},
            {"goto": shop.url("/set")},
            context=context,
        )
        assert result.value["extracted"] == {"cookie": ""}
    assert found_in(temporary) == []
    assert found_in(home) == []


async def test_a_browser_that_is_stopped_midway_leaves_no_process_and_no_profile(
    tmp_path: Path, shop: LocalServer, temporary: Path
) -> None:
    mark = secrets.token_hex(8)
    context = context_in(tmp_path)
    context = replace(context, environment={**context.environment, **Leftovers(mark).environment})
    call = asyncio.ensure_future(visited(tmp_path, {"goto": shop.url("/slow")}, context=context))
    await until(lambda: "/slow" in shop.paths, what="the page is asked for")
    before = found_in(temporary)

    call.cancel()
    await asyncio.wait([call])

    assert any("playwright" in path for path in before)
    assert call.cancelled()
    await until(lambda: not processes_with(mark), what="none of its processes runs")
    assert found_in(temporary) == []


ROOT = Path(__file__).parents[2]
KILLED = """
import asyncio, os, sys
from pathlib import Path
from dreamos_tasks.testing import context_in
from dreamos_tasks.tools.browser import BrowserTool
from dreamos_tasks.tools.children import Children

home, url = sys.argv[1:]
tool = BrowserTool(Children(home_id=home, instance="earlier"))
asyncio.run(tool.execute({"actions": [{"goto": url}]}, context_in(Path(home))))
"""


async def test_a_browser_of_a_killed_daemon_is_ended_by_the_next_one(
    tmp_path: Path, shop: LocalServer, temporary: Path
) -> None:
    environment = {**os.environ, "TMPDIR": str(temporary)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), shop.url("/slow")]
    with subprocess.Popen(command, env=environment, cwd=ROOT) as daemon:  # noqa: ASYNC220  nothing else runs here
        try:
            await until(lambda: "/slow" in shop.paths, what="the page is asked for")
            assert len(processes_with(str(temporary))) > 3
        finally:
            daemon.kill()

    await end_leftovers(str(tmp_path), except_instance="ours")

    await until(lambda: not processes_with(str(temporary)), what="none of its processes runs")


async def test_a_browser_asks_nobody_but_whom_its_pages_ask(tmp_path: Path, shop: LocalServer, browser: str) -> None:
    async with (
        GuardedProxy(AddressGuard(), named={("127.0.0.1", shop.port)}) as proxy,
        async_playwright() as playwright,
    ):
        way_out = ProxySettings(server=proxy.url, bypass="<-loopback>")
        found = await playwright.chromium.launch(
            executable_path=browser, chromium_sandbox=os.geteuid() != 0, args=list(QUIET), proxy=way_out
        )
        visit = await found.new_page()
        await visit.goto(shop.url("/"))
        await visit.fill("#name", "Ada")
        await visit.wait_for_selector("#late")
        await found.close()

        assert proxy.troubles == []


async def test_without_a_browser_it_says_what_installs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    monkeypatch.setenv("PATH", str(nothing))
    context = context_in(tmp_path, environment={"PATH": str(nothing)})

    health = await browser_tool().health()
    result = await visited(tmp_path, {"goto": "http://127.0.0.1/"}, context=context)
    named = await browser_tool(BrowserOptions(executable="/opt/no-browser")).health()

    assert not health.ok
    assert "apt install chromium" in health.fix
    assert result.category is ErrorCategory.CONFIGURATION
    assert result.suggestions == (health.fix,)
    assert "/opt/no-browser" in named.detail


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has no sandbox")
async def test_without_a_sandbox_it_says_what_to_do(tmp_path: Path) -> None:
    tool = browser_tool(BrowserOptions(sandbox=True))

    result = await visited(tmp_path, {"goto": "http://127.0.0.1/"}, tool=tool)

    assert result.category is ErrorCategory.CONFIGURATION
    assert "sandbox" in result.cause
    assert "tools.browser.options.sandbox" in result.suggestions[0]


async def test_a_browser_that_does_not_start_is_not_mistaken_for_a_page(tmp_path: Path) -> None:
    tool = browser_tool(BrowserOptions(executable="/bin/false"))

    result = await visited(tmp_path, {"goto": "http://127.0.0.1/"}, tool=tool)

    assert result.category is not None
    assert "the browser does not start" in result.message


@pytest.mark.parametrize("params", [params for name, params in CALLS if name == "browser"])
def test_a_call_in_the_guide_is_right_and_shows_every_action(params: Params) -> None:
    assert browser_tool().validate(params) == ()
    assert {verb for action in params["actions"] for verb in action if verb in VERBS} == set(VERBS)  # type: ignore[attr-defined]
